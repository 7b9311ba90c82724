// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/prediction.h"

#include "tests/support/lathe_test.h"

#include <cmath>

using namespace lathe;

namespace {

CellRow cell(int index, const char* method, const Json& predicted, double measured) {
    CellRow row;
    row.index = index;
    row.state = CellState::Done;
    row.params = {{"method", method}, {"bits", 3}, {"tensors", "model.layers.0.mlp.up_proj"}};
    row.metrics = {
        {"kl_mean", measured},
        {"kl_mean_low", measured / 2},
        {"kl_mean_high", measured * 2},
        {"predicted_kl", predicted}};
    return row;
}

SweepRun sweep(const std::vector<CellRow>& cells) {
    SweepRun run;
    RunRow row;
    row.id = 1;
    row.study = "quant.sweep";
    run.load(row, cells);
    return run;
}

} // namespace

class PredictionTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void ranksCountAndNotValues() {
        const std::vector<double> x{1, 2, 3, 4, 5};
        QCOMPARE(rankCorrelation(x, std::vector<double>{1, 10, 100, 1e3, 1e9}), 1.0);
        QCOMPARE(rankCorrelation(x, std::vector<double>{5, 4, 3, 2, 1}), -1.0);
        // 1 - 6 * (1 + 1) / (5 * 24), one swap of neighbours
        QVERIFY(std::abs(rankCorrelation(x, std::vector<double>{1, 3, 2, 4, 5}) - 0.9) < 1e-12);
    }

    void tiesHaveTheirMeanRank() {
        // Ranks 0.5 0.5 2 3 against 0 1 2 3: 4.5 / sqrt(4.5 * 5)
        const double rank =
            rankCorrelation(std::vector<double>{7, 7, 8, 9}, std::vector<double>{1, 2, 3, 4});
        QVERIFY(std::abs(rank - 4.5 / std::sqrt(4.5 * 5.0)) < 1e-12);
        QVERIFY(std::isnan(
            rankCorrelation(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
        QVERIFY(std::isnan(rankCorrelation(std::vector<double>{1}, std::vector<double>{1})));
    }

    void onePointPerPredictedCell() {
        const SweepRun run = sweep(
            {cell(0, "float", 0.5, 0.0), cell(1, "kmeans", 0.1, 0.2), cell(2, "kmeans", 0.4, 0.3),
             cell(3, "squeezellm", 0.05, 0.06), cell(4, "rtn", nullptr, 0.7)});
        QCOMPARE(predictedCells(run).size(), std::size_t(3));
        const std::vector<PlotSeries> all = predictionSeries(run);
        QCOMPARE(all.size(), std::size_t(5)); // three lines, two methods
        QCOMPARE(all[3].name, QStringLiteral("kmeans"));
        QCOMPARE(all[3].points.size(), std::size_t(2));
        QCOMPARE(all[3].points[0].x, 0.1);
        QCOMPARE(all[3].points[0].y, 0.2);
        QCOMPARE(all[3].points[0].yHigh, 0.4);
        QCOMPARE(all[3].points[0].id, qint64(2));
        QCOMPARE(all[3].points[0].label, QStringLiteral("layers.0.mlp.up_proj, 3 bit"));
        QVERIFY(all[3].style != all[4].style);
        const double factors[] = {1.0, 2.0, 0.5};
        for (int line = 0; line < 3; ++line) {
            const PlotSeries& one = all[static_cast<std::size_t>(line)];
            QVERIFY(one.line && !one.marks);
            for (const PlotPoint& point : one.points) {
                QCOMPARE(point.y, point.x * factors[line]);
                QCOMPARE(point.id, qint64(0));
            }
            QVERIFY(one.points.front().x < 0.05 && one.points.back().x > 0.4);
        }
        QVERIFY(predictionNote(run).contains(QStringLiteral("1.000")));
        QVERIFY(predictionNote(run).contains(QLatin1Char('3')));
    }

    void nothingWithoutPredictions() {
        QVERIFY(predictionSeries(sweep({cell(0, "kmeans", nullptr, 0.2)})).empty());
        QVERIFY(predictionSeries(sweep({})).empty());
        // Two settings are always in order.
        QVERIFY(predictionNote(sweep({cell(0, "rtn", 1, 1), cell(1, "rtn", 2, 2)})).isEmpty());
    }
};

LATHE_TEST(PredictionTest);
#include "prediction_test.moc"
