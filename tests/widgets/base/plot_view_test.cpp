// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_view.h"

#include "tests/support/lathe_test.h"
#include "widgets/base/plot.h"
#include "widgets/base/state_view.h"

#include <QAccessible>
#include <QSignalSpy>

#include <limits>
#include <memory>

namespace lathe {

class PlotViewTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void emptyPlotSaysSo();
    void keysStepThroughPoints();
    void enterOpensThePoint();
    void escapeClearsTheSelection();
    void clickSelectsTheNearestPoint();
    void keysZoomAndFit();
    void keysSwitchToLogAxes();
    void zoomSurvivesNewPoints();
    void hiddenValuesAreCounted();
    void tabLeavesThePlot();
    void screenReadersAreTold();
    void mapsHaveTilesAndAScale();
    void largeMapsAreOnePicture();
    void lanesHaveNames();
    void whatHasNoIdIsNotSelected();

private:
    QWidget* keys() const { return m_view->focusProxy(); }
    void settle() const { m_view->plot().replot(QCustomPlot::rpImmediateRefresh); }
    std::unique_ptr<PlotView> m_view;
};

void PlotViewTest::init() {
    m_view = std::make_unique<PlotView>();
    m_view->setAxes({"Title", "X (s)", "Y (s)"});
    m_view->setSeries({{"a", {{1, 10, 0, 0, 11}, {3, 30, 0, 0, 13}}}, {"b", {{2, 20, 0, 0, 12}}}});
    m_view->resize(600, 400);
    m_view->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_view.get()));
    settle();
}

void PlotViewTest::emptyPlotSaysSo() {
    m_view->setEmptyText(QStringLiteral("Nothing yet"));
    m_view->setSeries({});
    auto* state = m_view->findChild<StateView*>();
    QVERIFY(state != nullptr && state->isVisible());
    QCOMPARE(state->sentence(), QStringLiteral("Nothing yet"));
    QVERIFY(!m_view->plot().isVisible());
    m_view->setSeries({{"a", {{1, 1, 0, 0, 1}}}});
    QVERIFY(m_view->plot().isVisible());
}

void PlotViewTest::keysStepThroughPoints() {
    QSignalSpy selected(m_view.get(), &PlotView::pointSelected);
    for (int i = 0; i < 4; ++i) {
        QTest::keyClick(keys(), Qt::Key_N);
    }
    QTest::keyClick(keys(), Qt::Key_N, Qt::ShiftModifier);
    std::vector<qint64> ids;
    for (const QList<QVariant>& one : selected) {
        ids.push_back(one.front().toLongLong());
    }
    QCOMPARE(ids, (std::vector<qint64>{11, 12, 13, 11, 13})); // by x, around the end
    QVERIFY(m_view->crosshairText().contains(QStringLiteral("30")));
}

void PlotViewTest::enterOpensThePoint() {
    QSignalSpy activated(m_view.get(), &PlotView::pointActivated);
    QTest::keyClick(keys(), Qt::Key_Return);
    QCOMPARE(activated.count(), 0);
    m_view->setSelection({12});
    QTest::keyClick(keys(), Qt::Key_Return);
    QCOMPARE(activated.count(), 1);
    QCOMPARE(activated.front().front().toLongLong(), 12);
}

void PlotViewTest::escapeClearsTheSelection() {
    QTest::keyClick(keys(), Qt::Key_N);
    QSignalSpy selected(m_view.get(), &PlotView::pointSelected);
    QTest::keyClick(keys(), Qt::Key_Escape);
    QCOMPARE(selected.count(), 1);
    QCOMPARE(selected.front().front().toLongLong(), 0);
    QVERIFY(m_view->crosshairText().isEmpty());
}

void PlotViewTest::clickSelectsTheNearestPoint() {
    QSignalSpy selected(m_view.get(), &PlotView::pointSelected);
    QCustomPlot& plot = m_view->plot();
    const QPoint at(
        qRound(plot.xAxis->coordToPixel(2)) + 3, qRound(plot.yAxis->coordToPixel(20)) - 2);
    QTest::mouseClick(&plot, Qt::LeftButton, {}, at);
    QCOMPARE(selected.count(), 1);
    QCOMPARE(selected.front().front().toLongLong(), 12);
}

void PlotViewTest::keysZoomAndFit() {
    const QCPRange all = m_view->plot().xAxis->range();
    QSignalSpy zoomed(m_view.get(), &PlotView::zoomChanged);
    QTest::keyClick(keys(), Qt::Key_Plus);
    QVERIFY(m_view->plot().xAxis->range().size() < all.size());
    QVERIFY(zoomed.count() > 0);
    QTest::keyClick(keys(), Qt::Key_0);
    QCOMPARE(m_view->plot().xAxis->range().size(), all.size());
    QTest::keyClick(keys(), Qt::Key_Plus);
    QTest::keyClick(keys(), Qt::Key_Left, Qt::AltModifier); // back in the history
    QCOMPARE(m_view->plot().xAxis->range().size(), all.size());
}

void PlotViewTest::keysSwitchToLogAxes() {
    QTest::keyClick(keys(), Qt::Key_L);
    QVERIFY(m_view->axes().yLog);
    QCOMPARE(m_view->plot().yAxis->scaleType(), QCPAxis::stLogarithmic);
    QTest::keyClick(keys(), Qt::Key_L, Qt::ShiftModifier);
    QVERIFY(m_view->axes().xLog);
    QTest::keyClick(keys(), Qt::Key_L);
    QVERIFY(!m_view->axes().yLog);
}

void PlotViewTest::zoomSurvivesNewPoints() {
    QTest::keyClick(keys(), Qt::Key_Plus);
    const QCPRange zoomed = m_view->plot().xAxis->range();
    m_view->setSeries({{"a", {{1, 10, 0, 0, 11}, {900, 30, 0, 0, 13}}}});
    QCOMPARE(m_view->plot().xAxis->range().upper, zoomed.upper);
    m_view->fit();
    QVERIFY(m_view->plot().xAxis->range().upper >= 900);
}

void PlotViewTest::hiddenValuesAreCounted() {
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    m_view->setAxes({"Title", "X (s)", "Y (s)", false, true});
    m_view->setSeries(
        {{"a",
          {{1, 10, kNaN, kNaN, 1},
           {2, 0, kNaN, kNaN, 2},
           {3, -4, kNaN, kNaN, 3},
           {4, kNaN, kNaN, kNaN, 4}},
          true}});
    QVERIFY(m_view->hiddenNote().contains(QLatin1Char('2')));
    QVERIFY(m_view->hiddenNote().contains(QLatin1Char('1')));
    settle(); // drawing them neither hangs nor shows infinities
    QVERIFY(m_view->plot().yAxis->range().lower > 0);
}

void PlotViewTest::tabLeavesThePlot() {
    QWidget window;
    auto* column = new QVBoxLayout(&window);
    auto* plot = new PlotView;
    auto* other = new QPushButton(QStringLiteral("other"));
    column->addWidget(plot);
    column->addWidget(other);
    plot->setSeries({{"a", {{1, 1, 0, 0, 1}}}});
    window.show();
    QVERIFY(QTest::qWaitForWindowActive(&window));
    plot->setFocus();
    QTest::keyClick(plot->focusProxy(), Qt::Key_Tab);
    QVERIFY(!plot->isAncestorOf(window.focusWidget()));
}

void PlotViewTest::screenReadersAreTold() {
    QAccessibleInterface* plot = QAccessible::queryAccessibleInterface(&m_view->plot());
    QVERIFY(plot != nullptr);
    QCOMPARE(plot->role(), QAccessible::Chart);
    QTRY_COMPARE(plot->text(QAccessible::Name), QStringLiteral("Title"));
    QVERIFY(plot->text(QAccessible::Description).contains(QStringLiteral("3 point")));
}

/// The colour of a tile is that of its value, its whole area is what a click selects, and the
/// picture that is exported has it too.
void PlotViewTest::mapsHaveTilesAndAScale() {
    m_view->setAxes({.title = "Map", .xLabel = "X", .yLabel = "Y", .zLabel = "Z"});
    std::vector<PlotPoint> tiles;
    for (int i = 0; i < 6; ++i) {
        tiles.push_back(
            {.x = double(i % 3), .y = double(i / 3), .id = i + 1, .z = std::pow(10.0, i)});
    }
    tiles[5].z = std::numeric_limits<double>::quiet_NaN();
    m_view->setSeries({{.name = "m", .points = tiles}});
    m_view->fit();
    settle();
    QCustomPlot& plot = m_view->plot();
    const auto colourAt = [&plot](double x, double y) {
        const QPointF at(plot.xAxis->coordToPixel(x), plot.yAxis->coordToPixel(y));
        return plot.toPixmap().toImage().pixelColor(at.toPoint());
    };
    QVERIFY(colourAt(-0.3, -0.3).lightnessF() < colourAt(0.7, 0.7).lightnessF());
    QCOMPARE(colourAt(-0.3, -0.3), QColor(0x440154)); // the least value
    QCOMPARE(plot.plotLayout()->columnCount(), 2);    // the scale
    QSignalSpy selected(m_view.get(), &PlotView::pointSelected);
    const QPoint corner(
        qRound(plot.xAxis->coordToPixel(1.4)), qRound(plot.yAxis->coordToPixel(0.4)));
    QTest::mouseClick(&plot, Qt::LeftButton, {}, corner);
    QCOMPARE(selected.count(), 1);
    QCOMPARE(selected.front().front().toLongLong(), 2);
    QTest::keyClick(keys(), Qt::Key_N);
    QVERIFY(m_view->crosshairText().contains(QStringLiteral("Z: ")));
    const test::TemporaryFolder folder;
    for (const char* name : {"map.png", "map.svg", "map.pdf", "map.csv"}) {
        const QString path = QString::fromStdString((folder.path() / name).string());
        QString error;
        QVERIFY2(m_view->exportTo(path, {600, 400}, 1.0, &error), qPrintable(error));
    }
    m_view->setAxes({"Title", "X (s)", "Y (s)"}); // back to a plot of marks
    QCOMPARE(plot.plotLayout()->columnCount(), 1);
}

/// Thousands of items would make every repaint slow.
void PlotViewTest::largeMapsAreOnePicture() {
    m_view->setAxes({.title = "Map", .xLabel = "X", .yLabel = "Y", .zLabel = "Z"});
    constexpr int kSide = 40;
    std::vector<PlotPoint> tiles;
    for (int i = 0; i < kSide * kSide; ++i) {
        tiles.push_back(
            {.x = double(i % kSide),
             .y = double(i / kSide),
             .id = i + 1,
             .z = i < 800 ? 1.0 : 9.0});
    }
    tiles[kSide + 1].z = 0.0;
    m_view->setSeries({{.name = "m", .points = tiles}});
    m_view->fit();
    settle();
    QCustomPlot& plot = m_view->plot();
    QVERIFY(plot.itemCount() < 10);
    const auto colourAt = [&plot](double x, double y) {
        const QPointF at(plot.xAxis->coordToPixel(x), plot.yAxis->coordToPixel(y));
        return plot.toPixmap().toImage().pixelColor(at.toPoint());
    };
    QCOMPARE(colourAt(3.0, 3.0), QColor(0x440154));
    QCOMPARE(colourAt(3.0, 36.0), QColor(0xFDE725));
    QVERIFY(colourAt(1.0, 1.0) != QColor(0x440154)); // without a colour
    const int before = plot.itemCount();
    m_view->setSelection({81, 82, 120}); // of the third row
    QCOMPARE(plot.itemCount(), before + 2);
    QSignalSpy selected(m_view.get(), &PlotView::pointSelected);
    const QPoint at(qRound(plot.xAxis->coordToPixel(7.0)), qRound(plot.yAxis->coordToPixel(2.0)));
    QTest::mouseClick(&plot, Qt::LeftButton, {}, at);
    QCOMPARE(selected.front().front().toLongLong(), 2 * kSide + 8);
    m_view->setAxes({"Title", "X (s)", "Y (s)"});
    m_view->setSeries({});
    QVERIFY(plot.itemCount() < before + 1);
}

void PlotViewTest::lanesHaveNames() {
    m_view->setAxes(
        {.title = "Lanes",
         .xLabel = "X",
         .yLabel = "Y",
         .yPlaces = {{-10.0, "upper"}, {-20.0, "lower"}}});
    m_view->setSeries(
        {{.name = "bars", .points = {{.x = 0.0, .y = 100.0, .id = 1}}},
         {.name = "lane", .points = {{.x = 2.0, .y = -20.0, .id = 2}}}});
    m_view->fit();
    settle();
    const QVector<QString> labels = m_view->plot().yAxis->tickVectorLabels();
    QVERIFY(labels.contains(QStringLiteral("upper")) && labels.contains(QStringLiteral("lower")));
    QVERIFY(labels.contains(QStringLiteral("0")));
    for (const QString& label : labels) {
        QVERIFY2(!label.startsWith(QChar('-')), qPrintable(label)); // no numbers among the lanes
    }
    QVERIFY(m_view->dataAsText().contains(QStringLiteral("lane\t2\tlower")));
}

void PlotViewTest::whatHasNoIdIsNotSelected() {
    m_view->setSeries({{.name = "line", .points = {{.x = 1.0, .y = 1.0}, {.x = 2.0, .y = 2.0}}}});
    m_view->fit();
    settle();
    QCustomPlot& plot = m_view->plot();
    const int before = plot.graphCount();
    QTest::mouseClick(
        &plot, Qt::LeftButton, {},
        QPoint(qRound(plot.xAxis->coordToPixel(1.0)), qRound(plot.yAxis->coordToPixel(1.0))));
    QCOMPARE(plot.graphCount(), before); // no rings
}

LATHE_TEST(PlotViewTest);

} // namespace lathe

#include "plot_view_test.moc"
