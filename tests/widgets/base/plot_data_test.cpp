// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_data.h"

#include "tests/support/lathe_test.h"

#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

PlotAxes logAxes() { return {"Cost", "Size (byte)", "Loss (%)", true, true}; }

std::vector<PlotSeries> series(std::vector<PlotPoint> points) {
    return {{"one, \"two\"", std::move(points)}};
}

} // namespace

class PlotDataTest : public QObject {
    Q_OBJECT
private slots:
    void clampsAreCountedOnLogAxes();
    void nothingIsClampedOnLinearAxes();
    void valuesThatAreNoneAreCounted();
    void pointsAreSortedByX();
    void errorBarsCount();
    void floorWithoutAnyPositiveValue();
    void numbersHaveSiPrefixes_data();
    void numbersHaveSiPrefixes();
    void tableHoldsEveryPoint();
    void csvIsQuoted();
    void jsonKeepsNumbers();
    void summaryIsSpoken();
    void mapsAreTablesWithNames();
};

void PlotDataTest::clampsAreCountedOnLogAxes() {
    const auto data = shownData(
        series({{1, 5, kNaN, kNaN}, {10, 0, kNaN, kNaN}, {-3, 2, kNaN, kNaN}, {0, -1, kNaN, kNaN}}),
        logAxes());
    QCOMPARE(data.clamped, 3);
    QCOMPARE(data.drawn, 4);
    QCOMPARE(data.missing, 0);
    QVERIFY(data.yFloor && *data.yFloor > 0 && *data.yFloor < 2.0);
    QVERIFY(data.xFloor && *data.xFloor > 0 && *data.xFloor < 1.0);
    for (const ShownPoint& point : data.series[0].points) {
        QVERIFY(point.x > 0 && point.y > 0);
    }
    QVERIFY(hiddenNote(data).contains(QLatin1Char('3')));
}

void PlotDataTest::nothingIsClampedOnLinearAxes() {
    PlotAxes axes = logAxes();
    axes.xLog = axes.yLog = false;
    const auto data = shownData(series({{-1, -5, kNaN, kNaN}, {0, 0, kNaN, kNaN}}), axes);
    QCOMPARE(data.clamped, 0);
    QVERIFY(!data.yFloor);
    QVERIFY(hiddenNote(data).isEmpty());
    QCOMPARE(data.yMin, -5.0);
}

void PlotDataTest::valuesThatAreNoneAreCounted() {
    const auto data = shownData(
        series(
            {{1, kNaN, kNaN, kNaN},
             {2, kInf, kNaN, kNaN},
             {kNaN, 1, kNaN, kNaN},
             {3, 4, kNaN, kNaN}}),
        PlotAxes{"t", "x", "y"});
    QCOMPARE(data.missing, 3);
    QCOMPARE(data.drawn, 1);
    // A NaN breaks the line where it stands; a point without x has no place.
    QCOMPARE(data.series[0].points.size(), std::size_t{3});
    QVERIFY(std::isnan(data.series[0].points[0].y));
    QVERIFY(hiddenNote(data).contains(QLatin1Char('3')));
    QCOMPARE(data.yMin, 4.0);
    QCOMPARE(data.yMax, 4.0);
}

void PlotDataTest::pointsAreSortedByX() {
    const auto data = shownData(
        series({{3, 1, kNaN, kNaN}, {1, 2, kNaN, kNaN}, {2, 3, kNaN, kNaN}}),
        PlotAxes{"t", "x", "y"});
    QCOMPARE(data.series[0].points[0].x, 1.0);
    QCOMPARE(data.series[0].points[0].index, std::size_t{1}); // of the point as it was given
    QCOMPARE(data.series[0].points[2].index, std::size_t{0});
}

void PlotDataTest::errorBarsCount() {
    const auto data = shownData(series({{1, 5, 4, 9}, {2, 6, 6, 6}}), PlotAxes{"t", "x", "y"});
    QCOMPARE(data.yMin, 4.0);
    QCOMPARE(data.yMax, 9.0);
    QVERIFY(std::isnan(data.series[0].points[1].yLow)); // no width: no bar
    const auto log = shownData(series({{1, 5, -1, 9}}), logAxes());
    QVERIFY(log.series[0].points[0].yLow > 0.0);
}

void PlotDataTest::floorWithoutAnyPositiveValue() {
    const auto data = shownData(series({{0, 0, kNaN, kNaN}, {-1, -1, kNaN, kNaN}}), logAxes());
    QCOMPARE(data.clamped, 2);
    QVERIFY(data.xFloor && std::isfinite(*data.xFloor) && *data.xFloor > 0);
}

void PlotDataTest::numbersHaveSiPrefixes_data() {
    QTest::addColumn<double>("value");
    QTest::addColumn<QString>("text");
    QTest::newRow("zero") << 0.0 << "0";
    QTest::newRow("plain") << 12.5 << "12.5";
    QTest::newRow("kilo") << 12500.0 << QStringLiteral("12.5") + QChar(0x202F) + "k";
    QTest::newRow("mega") << 3.4e6 << QStringLiteral("3.4") + QChar(0x202F) + "M";
    QTest::newRow("micro") << 3e-6 << QStringLiteral("3") + QChar(0x202F) + QStringLiteral("µ");
    QTest::newRow("negative") << -2e9 << QStringLiteral("-2") + QChar(0x202F) + "G";
    QTest::newRow("none") << kNaN << QStringLiteral("–");
}

void PlotDataTest::numbersHaveSiPrefixes() {
    QFETCH(const double, value);
    QFETCH(const QString, text);
    QLocale::setDefault(QLocale::c());
    QCOMPARE(siNumber(value), text);
}

void PlotDataTest::tableHoldsEveryPoint() {
    const QString table =
        plotTsv(series({{1, 0.1, kNaN, kNaN, 7, "a\tb"}, {2, kNaN, kNaN, kNaN, 8}}), logAxes());
    const QStringList lines = table.split(QLatin1Char('\n'), Qt::SkipEmptyParts);
    QCOMPARE(lines.size(), 3);
    for (const QString& line : lines) {
        QCOMPARE(line.count(QLatin1Char('\t')), 6);
    }
    QVERIFY(lines[1].contains(QStringLiteral("\t0.1\t")));
    QVERIFY(lines[2].startsWith(QStringLiteral("one, \"two\"\t2\t\t")));
}

void PlotDataTest::csvIsQuoted() {
    const QByteArray csv = plotCsv(series({{1, 2, kNaN, kNaN, 7}}), logAxes(), "run 7\nlathe");
    const QList<QByteArray> lines = csv.split('\n');
    QCOMPARE(lines[0], QByteArray("# run 7 lathe\r"));
    QVERIFY(lines[2].startsWith("\"one, \"\"two\"\"\",1,2,"));
    QVERIFY(lines[2].endsWith(",7\r"));
}

void PlotDataTest::jsonKeepsNumbers() {
    const Json json = plotJson(series({{1.5, kNaN, kNaN, kNaN, 7, "seven"}}), logAxes(), "run 7");
    const Json& point = json.at("series").at(0).at("points").at(0);
    QCOMPARE(point.at("x").get<double>(), 1.5);
    QVERIFY(point.at("y").is_null());
    QCOMPARE(point.at("id").get<int>(), 7);
    QCOMPARE(json.at("provenance").get<std::string>(), std::string("run 7"));
    QCOMPARE(json.at("x_log").get<bool>(), true);
}

void PlotDataTest::summaryIsSpoken() {
    QLocale::setDefault(QLocale::c());
    const QString text = plotSummary(series({{1, 2, kNaN, kNaN}, {3, 9, kNaN, kNaN}}), logAxes());
    QVERIFY(text.contains(QStringLiteral("Loss against Size")));
    QVERIFY(
        text.contains(QStringLiteral("2 to 9")) || text.contains(QStringLiteral("from 2 to 9")));
    QVERIFY(plotSummary({}, logAxes()).contains(QStringLiteral("no points")));
}

void PlotDataTest::mapsAreTablesWithNames() {
    const PlotAxes axes{
        .title = "Map",
        .xLabel = "Layer",
        .yLabel = "Matrix",
        .zLabel = "Sum",
        .xNames = {"0", "1"},
        .yNames = {"down", "up"}};
    const std::vector<PlotSeries> tiles{
        {.name = "s",
         .points = {
             {.x = 1, .y = 0, .yLow = kNaN, .yHigh = kNaN, .id = 1, .z = 0.25},
             {.x = 0, .y = 1, .yLow = kNaN, .yHigh = kNaN, .id = 2, .z = kNaN}}}};
    const QStringList lines = plotTsv(tiles, axes).split(QLatin1Char('\n'));
    QVERIFY(lines[0].contains(QStringLiteral("Layer\tMatrix\tSum")));
    QCOMPARE(lines[1], QStringLiteral("s\t1\tdown\t0.25\t\t1"));
    QCOMPARE(lines[2], QStringLiteral("s\t0\tup\t\t\t2"));
    const Json json = plotJson(tiles, axes, {});
    QCOMPARE(json.at("series")[0].at("points")[0].at("z"), Json(0.25));
    QCOMPARE(json.at("y_names"), Json::array({"down", "up"}));
    const QString said = pointText(axes, tiles[0], tiles[0].points[0]);
    QVERIFY(said.contains(QStringLiteral("down")) && said.contains(QStringLiteral("0.25")));
    QVERIFY(plotSummary(tiles, axes).contains(QStringLiteral("1 tiles")));
}

LATHE_TEST(PlotDataTest);

} // namespace lathe

#include "plot_data_test.moc"
