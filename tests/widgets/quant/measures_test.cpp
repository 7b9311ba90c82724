// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/measures.h"

#include "tests/support/lathe_test.h"
#include "widgets/base/method_style.h"
#include "widgets/base/theme.h"
#include "widgets/quant/setting_facts.h"

#include <cmath>
#include <set>

using namespace lathe;

namespace {

CellRow cell(int index, const char* method, int bits, double bytes, const Json& perplexity) {
    CellRow row;
    row.index = index;
    row.state = CellState::Done;
    row.params = {{"method", method}, {"bits", bits}, {"group", 0}};
    row.metrics = {
        {"bytes", bytes},
        {"perplexity", perplexity},
        {"perplexity_low", perplexity},
        {"perplexity_high", nullptr},
        {"top1_agreement", 0.5}};
    return row;
}

SweepRun sweep(std::vector<CellRow> cells) {
    SweepRun run;
    RunRow row;
    row.id = 1;
    row.study = "quant.sweep";
    run.load(row, cells);
    return run;
}

const PlotSeries* find(const std::vector<PlotSeries>& all, const char* name) {
    for (const PlotSeries& series : all) {
        if (series.name == QLatin1String(name)) {
            return &series;
        }
    }
    return nullptr;
}

constexpr double kMib = 1024.0 * 1024.0;

} // namespace

class MeasuresTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void seriesHoldEveryFinishedCell() {
        SweepRun run = sweep(
            {cell(0, "float", 16, 8 * kMib, 20.0), cell(1, "rtn", 2, 1 * kMib, 90.0),
             cell(2, "rtn", 4, 2 * kMib, 22.0), cell(3, "kmeans", 4, 3 * kMib, 25.0)});
        run.cells[4] = run.cells[3];
        run.cells[4].index = 4;
        run.cells[4].state = CellState::Failed;
        const auto all = sweepSeries(run, costMeasures()[0], qualityMeasures()[0]);
        QVERIFY(find(all, "rtn") != nullptr);
        QCOMPARE(find(all, "rtn")->points.size(), std::size_t(2));
        QCOMPARE(find(all, "rtn")->points[0].x, 1.0);
        QCOMPARE(find(all, "rtn")->points[0].y, 90.0);
        QCOMPARE(find(all, "rtn")->points[0].id, qint64(2));
        QCOMPARE(find(all, "rtn")->points[0].label, QStringLiteral("2 bit"));
        QVERIFY(std::isnan(find(all, "rtn")->points[0].yHigh));
        QCOMPARE(find(all, "kmeans")->points.size(), std::size_t(1)); // the failed one is no point
        QVERIFY(find(all, "rtn")->style != find(all, "kmeans")->style);
        const PlotSeries* level = find(all, "level of float");
        QVERIFY(level != nullptr);
        QCOMPARE(level->points.front().y, 20.0);
        QCOMPARE(level->points.back().y, 20.0);
        QCOMPARE(level->points.front().x, 1.0);
        QCOMPARE(level->points.back().x, 8.0);
        const PlotSeries* front = find(all, "Pareto front");
        QVERIFY(front != nullptr && front->step);
        QCOMPARE(front->points.size(), std::size_t(3)); // kmeans at 4 bits is beaten by rtn
    }

    void agreementIsBetterWhenHigher() {
        SweepRun run = sweep({cell(0, "rtn", 2, kMib, 9.0), cell(1, "rtn", 4, 2 * kMib, 9.0)});
        run.cells[1].metrics["top1_agreement"] = 0.9;
        const auto all = sweepSeries(run, costMeasures()[0], qualityMeasures()[3]);
        const PlotSeries* front = find(all, "Pareto front");
        QCOMPARE(front->points.size(), std::size_t(2));
        QCOMPARE(front->points.back().y, 90.0); // in percent
    }

    void missingValuesAreLeftOut() {
        const SweepRun run =
            sweep({cell(0, "rtn", 2, kMib, nullptr), cell(1, "rtn", 4, kMib, 3.0)});
        const auto all = sweepSeries(run, costMeasures()[0], qualityMeasures()[0]);
        QCOMPARE(all.size(), std::size_t(1)); // one point: neither front nor level
        QCOMPARE(all[0].points.size(), std::size_t(1));
        QVERIFY(sweepSeries(sweep({}), costMeasures()[0], qualityMeasures()[0]).empty());
    }

    void textsHaveFixedDigits() {
        const SweepRun run = sweep(
            {cell(0, "rtn", 2, 1.5 * kMib, 20.0), cell(1, "rtn", 3, kMib, nullptr),
             cell(2, "rtn", 3, kMib, 3.4e7)});
        QCOMPARE(measureText(costMeasures()[0], *run.cell(0)), QStringLiteral("1.50"));
        QCOMPARE(measureText(qualityMeasures()[0], *run.cell(0)), QStringLiteral("20.00"));
        QCOMPARE(measureText(qualityMeasures()[0], *run.cell(1)), QStringLiteral("–"));
        QVERIFY(measureText(qualityMeasures()[0], *run.cell(2)).contains(QLatin1Char('e')));
        QVERIFY(intervalText(qualityMeasures()[0], *run.cell(0)).isEmpty()); // one bound is null
    }

    /// Colour and shape both differ, in both themes, also for files that no list knows.
    void everyMethodHasAStyleOfItsOwn() {
        std::set<int> styles{kParetoStyle};
        for (const char* method :
             {"float", "kmeans", "lloyd", "rtn", "rtn-sym", "squeezellm", "squeezellm-sparse",
              "refined"}) {
            QVERIFY(styles.insert(methodStyle(method, kOtherStyle)).second);
        }
        QCOMPARE(methodStyle("gguf:/a.gguf", kOtherStyle), kOtherStyle);
        for (const bool dark : {false, true}) {
            std::set<QRgb> colours;
            for (int style = 0; style <= kOtherStyle; ++style) {
                QVERIFY(colours.insert(Theme::series(style, dark).rgb()).second);
            }
        }
        const SweepRun run =
            sweep({cell(0, "gguf:/a.gguf", 4, kMib, 9.0), cell(1, "gguf:/b.gguf", 5, kMib, 8.0)});
        const auto all = sweepSeries(run, costMeasures()[0], qualityMeasures()[0]);
        QVERIFY(find(all, "a.gguf") != nullptr && find(all, "b.gguf") != nullptr);
        QVERIFY(find(all, "a.gguf")->style != find(all, "b.gguf")->style);
    }

    void factsTellWhatWasMeasured() {
        SweepRun run =
            sweep({cell(0, "squeezellm-sparse", 3, kMib, 9.0), cell(1, "rtn", 3, kMib, 9.0)});
        run.cells[0].metrics.update(
            {{"kl_mean", 0.2},
             {"kl_p99", 3.21},
             {"kl_over_kmeans", 0.88},
             {"kl_over_kmeans_low", 0.87},
             {"kl_over_kmeans_high", 0.89},
             {"predicted_kl", 0.1},
             {"sparse_share", 0.0045},
             {"fence_factor", 3.5},
             {"kl_windows", Json::array({123.5})}});
        const QString facts = settingFacts(*run.cell(0), nullptr);
        for (const char* part :
             {"0.88 (0.87 to 0.89) of k-means", "3.210 nat", "measured: 2 × that", "0.450 %",
              "3.50"}) {
            QVERIFY2(facts.contains(QString::fromUtf8(part)), part);
        }
        QVERIFY(!facts.contains(QStringLiteral("123.5")));
        const QString plain = settingFacts(*run.cell(1), nullptr);
        QVERIFY(!plain.contains(QStringLiteral("k-means")));
        QVERIFY(!plain.contains(QStringLiteral("Predicted")));
        QVERIFY(!plain.contains(QStringLiteral("fence")));
    }

    void smallDivergencesKeepTheirDigits() {
        SweepRun run = sweep({cell(0, "rtn", 3, kMib, 9.0)});
        run.cells[0].metrics["kl_mean"] = 0.000123;
        QCOMPARE(measureText(klMeasure(), *run.cell(0)), QStringLiteral("1.23e-04"));
        run.cells[0].metrics["kl_mean"] = 0.0123;
        QCOMPARE(measureText(klMeasure(), *run.cell(0)), QStringLiteral("0.0123"));
        run.cells[0].metrics["kl_mean"] = 0;
        QCOMPARE(measureText(klMeasure(), *run.cell(0)), QStringLiteral("0.0000"));
    }

    void logAxisOnlyForValuesFarApart() {
        const Measure& perplexity = qualityMeasures()[0];
        QVERIFY(!wantsLog(
            sweep({cell(0, "rtn", 2, kMib, 20.0), cell(1, "rtn", 3, kMib, 40.0)}), perplexity));
        QVERIFY(wantsLog(
            sweep({cell(0, "rtn", 2, kMib, 2000.0), cell(1, "rtn", 3, kMib, 20.0)}), perplexity));
        QVERIFY(!wantsLog(
            sweep({cell(0, "rtn", 2, kMib, 2000.0), cell(1, "rtn", 3, kMib, 0.0)}), perplexity));
        QVERIFY(!wantsLog(sweep({}), perplexity));
    }
};

LATHE_TEST(MeasuresTest);
#include "measures_test.moc"
