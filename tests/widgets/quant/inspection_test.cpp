// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/inspection.h"

#include "engine/core/error.h"
#include "tests/support/lathe_test.h"
#include "tests/widgets/quant/inspection_sample.h"

#include <QLocale>

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

MatrixInspection inspection() {
    const std::vector<Event> events = inspectionEvents(1);
    return MatrixInspection::read(1, std::get<CellChanged>(events[4].payload).metrics, events);
}

} // namespace

class InspectionTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void readsWhatTheStoreHas() {
        const MatrixInspection matrix = inspection();
        QCOMPARE(matrix.rows, 4);
        QCOMPARE(matrix.tiles.size(), std::size_t(18));
        QVERIFY(matrix.table(RowMethod::Rtn, 1).empty());
        QCOMPARE(matrix.table(RowMethod::Exact, 1).size(), std::size_t(2));
        QCOMPARE(matrix.table(RowMethod::Exact, 1)[0], -0.98);
        QCOMPARE(matrix.table(RowMethod::Lloyd, 8).size(), std::size_t(256));
        QCOMPARE(matrix.error(RowMethod::Lloyd, 2), 1.1);
        QVERIFY(std::isnan(matrix.error(RowMethod::Rtn, 1)));
        QCOMPARE(matrix.tileRowOf(1), 0);
        QCOMPARE(matrix.tileRowOf(2), 1);
        QCOMPARE(matrix.strongestRow(0, TileQuantity::Sensitivity), 1);
        QCOMPARE(matrix.strongestRow(0, TileQuantity::SquaredError), 0);
        QCOMPARE(matrix.strongestRow(1, TileQuantity::WeightedError), 3);
    }

    void refusesDamagedRuns() {
        const std::vector<Event> whole = inspectionEvents(1);
        const Json metrics = std::get<CellChanged>(whole[4].payload).metrics;
        const auto refuses = [&](const Json& numbers, const std::vector<Event>& events) {
            LATHE_VERIFY_THROWS(MatrixInspection::read(1, numbers, events), FormatError, "the run");
        };
        refuses(Json::object(), whole);
        refuses(metrics, {whole.begin() + 1, whole.end()}); // no tiles
        for (const auto& [name, value] :
             {std::pair{"rows", Json(5)}, std::pair{"tile_rows", Json(1 << 30)},
              std::pair{"columns", Json(-1)}, std::pair{"row", Json(4)},
              std::pair{"row_high", Json(-2.0)}, std::pair{"errors", Json::array()}}) {
            Json other = metrics;
            other[name] = value;
            refuses(other, whole);
        }
        std::vector<Event> cut = whole;
        std::get<ArrayReady>(cut[3].payload).bytes.pop_back();
        refuses(metrics, cut);
    }

    void tilesHaveRowsFromTheTop() {
        const InspectionPlot plot = tilePlot(inspection(), TileQuantity::SquaredError);
        QVERIFY(plot.axes.isMap());
        QCOMPARE(plot.axes.xNames, (QStringList{"0", "2", "4"}));
        QCOMPARE(plot.axes.yNames, (QStringList{"2", "0"}));
        const std::vector<PlotPoint>& tiles = plot.series[0].points;
        QCOMPARE(tiles.size(), std::size_t(6));
        QCOMPARE(tiles[0].z, 7.0);
        QCOMPARE(tiles[0].y, 1.0); // the first tile stands on top
        QCOMPARE(tiles[5].x, 2.0);
        QCOMPARE(tiles[5].y, 0.0);
        QCOMPARE(tiles[5].z, 12.0);
    }

    void rowsHaveHistogramsAndLanes() {
        const MatrixInspection matrix = inspection();
        const InspectionPlot plot = rowPlot(matrix, 2, false);
        QCOMPARE(plot.series.size(), std::size_t(5));
        double all = 0.0;
        for (const PlotPoint& point : plot.series[0].points) {
            all += point.y;
        }
        QVERIFY(std::abs(all - 100.0) < 1e-9);
        QCOMPARE(plot.series[0].points.back().x, 1.0);
        QCOMPARE(plot.axes.yPlaces.size(), std::size_t(3));
        QCOMPARE(plot.axes.yPlaces[2].name, QStringLiteral("Exact"));
        for (std::size_t lane = 0; lane < 3; ++lane) {
            const PlotSeries& series = plot.series[2 + lane];
            QCOMPARE(series.points.size(), std::size_t(4));
            QCOMPARE(series.points[3].x, 0.5 + 0.01 * double(lane));
            QCOMPARE(series.points[3].y, plot.axes.yPlaces[lane].at);
            QVERIFY(series.points[3].y < 0.0);
        }
        QVERIFY(rowPlot(matrix, 1, false).series[2].points.empty()); // rtn has no 1 bit
        for (const PlotPlace& place : rowPlot(matrix, 3, true).axes.yPlaces) {
            QVERIFY(place.at > 0.0); // a logarithmic axis has no other place
        }
        QVERIFY(rowErrorsText(matrix, 2).contains(QStringLiteral("+100.0 %")));
        QVERIFY(rowErrorsText(matrix, 2).contains(QStringLiteral("+10.0 %")));
        QVERIFY(rowErrorsText(matrix, 1).contains(QStringLiteral("no table")));
    }
};

LATHE_TEST(InspectionTest);
#include "inspection_test.moc"
