// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/cell_values.h"

#include "tests/support/lathe_test.h"

#include <QLocale>

using namespace lathe;

namespace {

CellRow cell(int index, Json params, Json metrics, CellState state = CellState::Done) {
    return {
        .index = index,
        .key = {},
        .message = {},
        .state = state,
        .params = std::move(params),
        .metrics = std::move(metrics)};
}

using Names = std::vector<std::string>;

} // namespace

class CellValuesTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void findsWhatVaries() {
        QVERIFY(varyingParams({}).empty());
        QCOMPARE(
            varyingParams(
                {cell(0, {{"bits", 2}, {"model", "m"}}, {}),
                 cell(1, {{"bits", 3}, {"model", "m"}, {"group", 64}}, {})}),
            (Names{"bits", "group"}));
        QCOMPARE(varyingParams({cell(0, Json(), {}), cell(1, {{"a", 1}}, {})}), (Names{"a"}));
    }

    void namesMetricsInTheStudysOrder() {
        const StudyInfo info{
            .id = "s",
            .title = {},
            .summary = {},
            .params = {},
            .metrics = {{"time", "Time", "s", -1}, {"loss", "Loss", "", -1}, {"gone", "Gone", ""}}};
        const std::vector<CellRow> cells{
            cell(0, {}, {{"loss", 1}, {"loss_low", 0}, {"alone_low", 2}, {"ids", {1, 2}}}),
            cell(1, {}, {{"time", nullptr}, {"zeta", 1}})};
        QCOMPARE(metricNames(cells, &info), (Names{"time", "loss", "alone_low", "zeta"}));
        QCOMPARE(metricNames(cells, nullptr), (Names{"alone_low", "loss", "time", "zeta"}));
        QCOMPARE(metricTitle(&info, "time"), QStringLiteral("Time (s)"));
        QCOMPARE(metricTitle(&info, "zeta"), QStringLiteral("zeta"));
    }

    void writesValues() {
        QCOMPARE(valueForPeople(Json()), QStringLiteral("–"));
        QCOMPARE(valueForPeople(12), QStringLiteral("12"));
        QCOMPARE(valueForPeople(0.1234567), QStringLiteral("0.123457"));
        QCOMPARE(valueForPeople(1853952.0), QStringLiteral("1853952"));
        QCOMPARE(valueForPeople(std::nan("")), QStringLiteral("–"));
        QCOMPARE(valueForPeople(true), QStringLiteral("yes"));
        QCOMPARE(valueForPeople("text"), QStringLiteral("text"));
    }

    void picksTheBestCell() {
        const KeyMetric lower{"p", QStringLiteral("P"), -1};
        const KeyMetric higher{"p", QStringLiteral("P"), 1};
        const std::vector<CellRow> cells{
            cell(0, {{"method", "float"}}, {{"p", 1}}), cell(1, {{"method", "rtn"}}, {{"p", 5}}),
            cell(2, {{"method", "kmeans"}}, {{"p", 3}}),
            cell(3, {{"method", "x"}}, {{"p", nullptr}}),
            cell(4, {{"method", "y"}}, {{"p", 0}}, CellState::Failed)};
        QCOMPARE(bestCell(cells, lower)->index, 2);
        QCOMPARE(bestCell(cells, higher)->index, 1);
        QCOMPARE(bestCell({cells[0]}, lower)->index, 0); // a float cell alone counts
        QVERIFY(bestCell({cells[3], cells[4]}, lower) == nullptr);
        QCOMPARE(keyMetricText(cells, lower), QStringLiteral("P 3 (method kmeans)"));
        QVERIFY(keyMetricText({}, lower).isEmpty());
    }
};

LATHE_TEST(CellValuesTest);
#include "cell_values_test.moc"
