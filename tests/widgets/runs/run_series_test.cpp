// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_series.h"

#include "tests/support/lathe_test.h"

#include <cmath>

using namespace lathe;

namespace {

CellRow cell(int index, const char* method, int bits, Json metrics) {
    return {
        .index = index,
        .key = {},
        .message = {},
        .state = CellState::Done,
        .params = {{"method", method}, {"bits", bits}},
        .metrics = std::move(metrics)};
}

using Names = std::vector<std::string>;

} // namespace

class RunSeriesTest : public QObject {
    Q_OBJECT

private slots:
    void offersWhatHasNumbers() {
        const std::vector<CellRow> cells{
            cell(0, "a", 2, {{"p", 1.0}, {"text", "x"}, {"never", nullptr}}),
            cell(1, "b", 4, {{"p", 2.0}, {"q", 3}})};
        QCOMPARE(numericMetrics(cells, nullptr), (Names{"p", "q"}));
        QCOMPARE(horizontalChoices(cells, nullptr), (Names{"bits", "metric.p", "metric.q"}));
        QVERIFY(horizontalChoices({}, nullptr).empty());
    }

    void groupsByTheOtherParameters() {
        const std::vector<CellRow> cells{
            cell(0, "a", 4, {{"p", 1.0}, {"p_low", 0.5}, {"p_high", 1.5}}),
            cell(1, "a", 2, {{"p", 2.0}}), cell(2, "b", 2, {{"p", nullptr}}),
            cell(3, "b", 3, {{"p", 7.0}})};
        const auto all = resultSeries(cells, "bits", "p");
        QCOMPARE(all.size(), std::size_t(2));
        QCOMPARE(all[0].name, QStringLiteral("method a"));
        QCOMPARE(all[0].points[0].x, 2.0); // sorted
        QCOMPARE(all[0].points[1].yLow, 0.5);
        QCOMPARE(all[0].points[1].id, qint64(1));
        QVERIFY(std::isnan(all[0].points[0].yLow));
        QVERIFY(std::isnan(all[1].points[0].y)); // counted and shown as missing by the plot
        QVERIFY(all[0].line);
    }

    void resultsAgainstResults() {
        const std::vector<CellRow> cells{
            cell(0, "a", 2, {{"p", 1.0}, {"q", 5.0}}), cell(1, "a", 4, {{"p", 2.0}, {"q", 4.0}}),
            cell(2, "b", 2, {{"p", 3.0}, {"q", nullptr}})};
        const auto all = resultSeries(cells, "metric.q", "p");
        QCOMPARE(all.size(), std::size_t(1)); // without q there is no place
        QCOMPARE(all[0].points[0].x, 4.0);
        QVERIFY(!all[0].line);
    }

    void curvesByStep() {
        const std::vector<MetricRow> metrics{
            {0, "loss", "nat", 3.0, 0},
            {0, "loss", "nat", 2.0, 1},
            {1, "loss", "nat", 9.0, 0},
            {0, "gauge", "s", 1.0, -1},
            {0, "rate", "s", 1.0, 0}};
        QCOMPARE(curveNames(metrics), (Names{"loss", "rate"}));
        const auto all = curveSeries(metrics, "loss", {cell(0, "a", 2, {}), cell(1, "b", 2, {})});
        QCOMPARE(all.size(), std::size_t(2));
        QCOMPARE(all[0].name, QStringLiteral("method a"));
        QCOMPARE(all[0].points.size(), std::size_t(2));
        QCOMPARE(all[1].points[0].y, 9.0);
    }
};

LATHE_TEST(RunSeriesTest);
#include "run_series_test.moc"
