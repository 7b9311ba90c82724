// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_scene.h"

#include "widgets/base/plot_ticker.h"
#include "widgets/base/theme.h"

#include <QApplication>

#include <algorithm>
#include <array>
#include <cmath>

namespace lathe {

namespace {

constexpr double kDimmed = 0.25; ///< opacity of what is not selected
constexpr std::size_t kMaxLabels = 200;
constexpr std::size_t kSmoothPoints = 1000; ///< above, curves are drawn without anti-aliasing
constexpr double kMarkSize = 8.0;
constexpr double kFitMargin = 0.07;
constexpr double kBarWidth = 0.8;

struct Shape {
    QCPScatterStyle::ScatterShape shape;
    bool filled = true;
};
constexpr std::array kShapes{
    Shape{QCPScatterStyle::ssDisc},
    Shape{QCPScatterStyle::ssSquare},
    Shape{QCPScatterStyle::ssTriangle},
    Shape{QCPScatterStyle::ssDiamond, false},
    Shape{QCPScatterStyle::ssTriangleInverted},
    Shape{QCPScatterStyle::ssPlus},
    Shape{QCPScatterStyle::ssDiamond},
    Shape{QCPScatterStyle::ssStar},
    Shape{QCPScatterStyle::ssSquare, false},
    Shape{QCPScatterStyle::ssCircle, false}};
constexpr std::array kDashes{Qt::SolidLine, Qt::DashLine, Qt::DotLine, Qt::DashDotLine};

QColor faded(QColor colour, bool dim) {
    colour.setAlphaF(dim ? static_cast<float>(kDimmed) : 1.0F);
    return colour;
}

template <class Array>
auto cycled(const Array& array, int index) {
    return array[static_cast<std::size_t>(std::max(index, 0)) % array.size()];
}

QCPScatterStyle markOf(const PlotSeries& series, const QColor& colour, double size) {
    const Shape shape = cycled(kShapes, series.style);
    return {shape.shape, QPen(colour, 1.4), shape.filled ? QBrush(colour) : QBrush(), size};
}

QCPRange fitted(double low, double high, bool log) {
    if (log) {
        const double a = std::log10(low);
        const double b = std::log10(high);
        const double margin = b > a ? (b - a) * kFitMargin : 0.15;
        return {std::pow(10.0, a - margin), std::pow(10.0, b + margin)};
    }
    const double single = low == 0.0 ? 1.0 : std::abs(low) * 0.1;
    const double margin = high > low ? (high - low) * kFitMargin : single;
    return {low - margin, high + margin};
}

bool allWhole(const std::vector<PlotSeries>& series, double PlotPoint::*value) {
    return std::ranges::all_of(series, [value](const PlotSeries& one) {
        return std::ranges::all_of(one.points, [value](const PlotPoint& point) {
            return !std::isfinite(point.*value) || point.*value == std::floor(point.*value);
        });
    });
}

} // namespace

PlotScene::PlotScene(QCustomPlot& plot)
    : m_plot(plot), m_title(new QCPTextElement(&plot)), m_note(new QCPTextElement(&plot)),
      m_corner(new QCPItemText(&plot)), m_map(plot), m_xTicker(new PlotTicker),
      m_yTicker(new PlotTicker) {
    plot.plotLayout()->insertRow(0);
    plot.plotLayout()->addElement(0, 0, m_title);
    plot.plotLayout()->addElement(2, 0, m_note);
    plot.plotLayout()->setRowSpacing(2);
    plot.xAxis->setTicker(m_xTicker);
    plot.yAxis->setTicker(m_yTicker);
    plot.xAxis->setNumberPrecision(4);
    // Wide enough for the usual label, so that a longer tick does not move the picture.
    plot.axisRect()->setMinimumMargins(QMargins(58, 6, 12, 40));
    plot.axisRect()->setupFullAxesBox();
    for (QCPAxis* axis : {plot.xAxis2, plot.yAxis2}) {
        axis->setTicks(false);
        axis->setTickLabels(false);
    }
    plot.axisRect()->insetLayout()->setInsetAlignment(0, Qt::AlignRight | Qt::AlignTop);
    m_corner->position->setType(QCPItemPosition::ptAxisRectRatio);
    m_corner->position->setCoords(1.0, 1.0);
    m_corner->setPositionAlignment(Qt::AlignRight | Qt::AlignBottom);
    m_corner->setPadding(QMargins(8, 6, 8, 6));
    QObject::connect(&plot, &QCustomPlot::afterLayout, &plot, [this] {
        placeLabels();
        m_map.placeLabels();
    });
    setLook(Theme::isDark());
}

PlotScene::~PlotScene() { m_plot.disconnect(&m_plot, &QCustomPlot::afterLayout, nullptr, nullptr); }

void PlotScene::setContent(
    const std::vector<PlotSeries>& series, const PlotAxes& axes,
    const std::set<qint64>& selection) {
    m_series = series;
    m_axes = axes;
    m_selection = selection;
    m_shown = shownData(m_series, m_axes);
    rebuild();
}

QColor PlotScene::colourOf(const PlotSeries& series) const {
    return Theme::series(series.style, m_dark);
}

bool PlotScene::isSelected(std::size_t series, const ShownPoint& point) const {
    return m_selectionShown && m_selection.contains(m_series[series].points[point.index].id);
}

/// A lane's name stands beside it already.
bool PlotScene::inLegend(const PlotSeries& series) const {
    return !series.name.isEmpty() &&
           std::ranges::find(m_axes.yPlaces, series.name, &PlotPlace::name) == m_axes.yPlaces.end();
}

void PlotScene::rebuild() {
    m_plot.clearPlottables();
    for (QCPItemText* label : m_labels) {
        m_plot.removeItem(label);
    }
    m_labels.clear();
    if (m_axes.isMap()) {
        m_map.clearTiles();
        m_map.setContent(m_series, m_axes, m_selectionShown ? m_selection : std::set<qint64>());
        m_plot.legend->setVisible(false);
        applyAxes();
        return;
    }
    m_map.clear();
    for (std::size_t i = 0; i < m_series.size(); ++i) {
        addSeries(i);
    }
    int named = 0;
    for (const PlotSeries& one : m_series) {
        named += inLegend(one) ? 1 : 0;
    }
    m_plot.legend->setVisible(named > 1);
    applyAxes();
}

void PlotScene::addSeries(std::size_t index) {
    const PlotSeries& series = m_series[index];
    const bool dim = dims();
    const QColor colour = faded(colourOf(series), dim);
    QVector<double> keys;
    QVector<double> values;
    for (const ShownPoint& point : m_shown.series[index].points) {
        keys.append(point.x);
        values.append(point.y);
    }
    if (series.bars) {
        addBars(index, keys, values);
        addSelected(index, colourOf(series));
        addLabels(index);
        return;
    }
    const bool smooth = series.points.size() <= kSmoothPoints;
    QCPGraph* graph = m_plot.addGraph();
    graph->setName(series.name);
    graph->setData(keys, values, true);
    graph->setPen(QPen(colour, smooth ? 1.6 : 1.0, cycled(kDashes, series.style)));
    graph->setAntialiased(smooth);
    graph->setLineStyle(
        series.step   ? QCPGraph::lsStepLeft
        : series.line ? QCPGraph::lsLine
                      : QCPGraph::lsNone);
    if (series.marks) {
        graph->setScatterStyle(markOf(series, colour, kMarkSize));
    }
    if (!inLegend(series) || dim) {
        graph->removeFromLegend();
    }
    if (inLegend(series) && dim) {
        addLegendEntry(series);
    }
    addErrorBars(index, colour);
    addSelected(index, colourOf(series));
    addLabels(index);
}

void PlotScene::addBars(
    std::size_t index, const QVector<double>& keys, const QVector<double>& values) {
    const PlotSeries& series = m_series[index];
    const QColor colour = faded(colourOf(series), dims());
    QColor fill = colour;
    fill.setAlphaF(colour.alphaF() * 0.55F);
    auto* bars = new QCPBars(m_plot.xAxis, m_plot.yAxis);
    bars->setName(series.name);
    bars->setWidth(kBarWidth);
    bars->setPen(QPen(colour, 1.2));
    bars->setBrush(fill);
    bars->setData(keys, values, true);
    if (!inLegend(series)) {
        bars->removeFromLegend();
    }
}

/// The legend's line of a dimmed series: a graph without points in the full colour.
void PlotScene::addLegendEntry(const PlotSeries& series) {
    const QColor colour = colourOf(series);
    QCPGraph* graph = m_plot.addGraph();
    graph->setName(series.name);
    graph->setPen(QPen(colour, 1.6, cycled(kDashes, series.style)));
    graph->setLineStyle(series.line || series.step ? QCPGraph::lsLine : QCPGraph::lsNone);
    if (series.marks) {
        graph->setScatterStyle(markOf(series, colour, kMarkSize));
    }
}

void PlotScene::addErrorBars(std::size_t index, const QColor& colour) {
    QVector<double> keys;
    QVector<double> values;
    QVector<double> minus;
    QVector<double> plus;
    for (const ShownPoint& point : m_shown.series[index].points) {
        if (std::isfinite(point.yLow)) {
            keys.append(point.x);
            values.append(point.y);
            minus.append(std::max(0.0, point.y - point.yLow));
            plus.append(std::max(0.0, point.yHigh - point.y));
        }
    }
    if (keys.isEmpty()) {
        return;
    }
    // Bars belong to a graph of their own that holds just these points and draws nothing.
    QCPGraph* carrier = m_plot.addGraph();
    carrier->setLineStyle(QCPGraph::lsNone);
    carrier->setData(keys, values, true);
    carrier->removeFromLegend();
    auto* bars = new QCPErrorBars(m_plot.xAxis, m_plot.yAxis);
    bars->setDataPlottable(carrier);
    bars->setData(minus, plus);
    bars->setPen(QPen(colour, 1.2));
    bars->setWhiskerWidth(7);
    bars->removeFromLegend();
}

void PlotScene::addSelected(std::size_t index, const QColor& colour) {
    const PlotSeries& series = m_series[index];
    QVector<double> keys;
    QVector<double> values;
    for (const ShownPoint& point : m_shown.series[index].points) {
        if (isSelected(index, point) && std::isfinite(point.y)) {
            keys.append(point.x);
            values.append(point.y);
        }
    }
    if (keys.isEmpty()) {
        return;
    }
    const QColor ring = m_dark ? Theme::palette(true).color(QPalette::Text)
                               : Theme::palette(false).color(QPalette::Text);
    for (const bool outer : {true, false}) {
        QCPGraph* graph = m_plot.addGraph();
        graph->setLineStyle(QCPGraph::lsNone);
        graph->setData(keys, values, true);
        graph->setScatterStyle(
            outer ? QCPScatterStyle(QCPScatterStyle::ssCircle, QPen(ring, 2.2), Qt::NoBrush, 19)
                  : markOf(series, colour, kMarkSize + 3));
        graph->removeFromLegend();
    }
}

void PlotScene::addLabels(std::size_t index) {
    const PlotSeries& series = m_series[index];
    const QColor text = Theme::muted(m_dark);
    for (const ShownPoint& point : m_shown.series[index].points) {
        const QString& label = series.points[point.index].label;
        if (label.isEmpty() || !std::isfinite(point.y) || m_labels.size() >= kMaxLabels) {
            continue;
        }
        auto* item = new QCPItemText(&m_plot);
        item->setText(label);
        item->setColor(faded(text, dims() && !isSelected(index, point)));
        item->setFont(m_plot.xAxis->tickLabelFont());
        item->position->setCoords(point.x, point.y);
        item->setPadding(QMargins(7, 5, 7, 5));
        m_labels.push_back(item);
    }
}

void PlotScene::placeLabels() {
    // Four places around the mark are tried; a label that fits nowhere stays away (the crosshair
    // and the table have it).
    static constexpr std::array kPlaces{
        Qt::AlignLeft | Qt::AlignBottom, Qt::AlignLeft | Qt::AlignTop,
        Qt::AlignRight | Qt::AlignBottom, Qt::AlignRight | Qt::AlignTop};
    const QFontMetricsF metrics(m_plot.xAxis->tickLabelFont());
    const QRectF area = m_plot.axisRect()->rect();
    std::vector<QRectF> taken;
    for (QCPItemText* item : m_labels) {
        const QPointF at = item->position->pixelPosition();
        const QSizeF size(metrics.horizontalAdvance(item->text()) + 8, metrics.height());
        bool placed = false;
        for (const auto place : kPlaces) {
            const double left =
                place.testFlag(Qt::AlignLeft) ? at.x() + 5 : at.x() - 5 - size.width();
            const double top =
                place.testFlag(Qt::AlignBottom) ? at.y() - 4 - size.height() : at.y() + 4;
            const QRectF box(QPointF(left, top), size);
            const bool free = std::ranges::none_of(
                taken, [&box](const QRectF& other) { return other.intersects(box); });
            if (free && area.contains(box)) {
                item->setPositionAlignment(place);
                taken.push_back(box);
                placed = true;
                break;
            }
        }
        item->setVisible(placed);
    }
}

void PlotScene::applyAxes() {
    m_title->setText(m_axes.title);
    m_title->setVisible(!m_axes.title.isEmpty());
    const QString note = hiddenNote(m_shown);
    m_note->setText(note);
    m_note->setVisible(!note.isEmpty());
    // A row that is not shown takes its height all the same.
    const int row = note.isEmpty() ? 1 : QWIDGETSIZE_MAX;
    m_note->setMinimumSize(0, note.isEmpty() ? 1 : 0);
    m_note->setMaximumSize(QWIDGETSIZE_MAX, row);
    m_plot.xAxis->setLabel(m_axes.xLabel);
    m_plot.yAxis->setLabel(m_axes.yLabel);
    m_corner->setText(m_axes.corner);
    m_corner->setVisible(!m_axes.corner.isEmpty());
    m_xTicker->setNames(m_axes.xNames);
    m_yTicker->setNames(m_axes.yNames);
    m_yTicker->setPlaces(m_axes.yPlaces);
    m_xTicker->setLog(m_axes.xLog);
    m_yTicker->setLog(m_axes.yLog);
    m_xTicker->setWhole(allWhole(m_series, &PlotPoint::x));
    m_yTicker->setWhole(allWhole(m_series, &PlotPoint::y));
    const auto scale = [](bool log) { return log ? QCPAxis::stLogarithmic : QCPAxis::stLinear; };
    for (QCPAxis* axis : {m_plot.xAxis, m_plot.xAxis2}) {
        axis->setScaleType(scale(m_axes.xLog));
    }
    for (QCPAxis* axis : {m_plot.yAxis, m_plot.yAxis2}) {
        axis->setScaleType(scale(m_axes.yLog));
    }
}

void PlotScene::fitRanges() {
    if (m_axes.isMap()) {
        constexpr double kHalfTile = 0.5;
        m_plot.xAxis->setRange(m_shown.xMin - kHalfTile, m_shown.xMax + kHalfTile);
        m_plot.yAxis->setRange(m_shown.yMin - kHalfTile, m_shown.yMax + kHalfTile);
        return;
    }
    m_plot.xAxis->setRange(fitted(m_shown.xMin, m_shown.xMax, m_axes.xLog && m_shown.xMin > 0.0));
    m_plot.yAxis->setRange(fitted(m_shown.yMin, m_shown.yMax, m_axes.yLog && m_shown.yMin > 0.0));
    const bool bars = std::ranges::any_of(m_series, &PlotSeries::bars);
    if (bars && !m_axes.yLog && m_shown.yMin == 0.0) { // they stand on the axis
        m_plot.yAxis->setRangeLower(0.0);
    }
}

void PlotScene::setGridVisible(bool visible) {
    m_grid = visible;
    for (QCPAxis* axis : {m_plot.xAxis, m_plot.yAxis}) {
        axis->grid()->setVisible(visible);
    }
}

void PlotScene::setLook(bool dark, int fontPixels) {
    m_dark = dark;
    m_fontPixels = fontPixels;
    const QPalette palette = Theme::palette(dark);
    const QColor text = palette.color(QPalette::Text);
    QColor grid = text;
    grid.setAlphaF(0.16F);
    QFont font = QApplication::font();
    if (fontPixels > 0) {
        font.setPixelSize(fontPixels);
    }
    QFont bold = font;
    bold.setBold(true);
    m_plot.setBackground(QBrush(palette.color(QPalette::Base)));
    for (QCPAxis* axis : {m_plot.xAxis, m_plot.yAxis, m_plot.xAxis2, m_plot.yAxis2}) {
        axis->setBasePen(QPen(Theme::muted(dark), 1));
        axis->setTickPen(QPen(Theme::muted(dark), 1));
        axis->setSubTickPen(QPen(Theme::muted(dark), 1));
        axis->setTickLabelColor(text);
        axis->setLabelColor(text);
        axis->setTickLabelFont(font);
        axis->setLabelFont(font);
        axis->setLabelPadding(6);
        axis->grid()->setPen(QPen(grid, 1, Qt::SolidLine));
        axis->grid()->setZeroLinePen(Qt::NoPen);
    }
    m_title->setFont(bold);
    m_title->setTextColor(text);
    m_note->setFont(font);
    m_note->setTextColor(Theme::warning(dark));
    m_corner->setFont(bold);
    m_corner->setColor(text);
    m_map.setLook(dark, font);
    m_plot.legend->setFont(font);
    m_plot.legend->setTextColor(text);
    m_plot.legend->setBorderPen(QPen(grid));
    QColor base = palette.color(QPalette::Base);
    base.setAlphaF(0.88F);
    m_plot.legend->setBrush(base);
    if (!m_series.empty()) {
        rebuild();
    }
}

QPointF PlotScene::pixelOf(const PointRef& ref) const {
    const ShownPoint& point = m_shown.series[ref.series].points[ref.point];
    return {m_plot.xAxis->coordToPixel(point.x), m_plot.yAxis->coordToPixel(point.y)};
}

std::optional<PointRef> PlotScene::nearest(const QPointF& pixel, double reach) const {
    std::optional<PointRef> best;
    double bestSquare = reach * reach;
    for (std::size_t s = 0; s < m_shown.series.size(); ++s) {
        const auto& points = m_shown.series[s].points;
        for (std::size_t p = 0; p < points.size(); ++p) {
            if (!std::isfinite(points[p].y)) {
                continue;
            }
            const QPointF offset = pixelOf({s, p}) - pixel;
            const double square = offset.x() * offset.x() + offset.y() * offset.y();
            // A series with marks wins over a line that shares its points.
            const bool better =
                best && square == bestSquare && m_series[s].marks && !m_series[best->series].marks;
            if (square < bestSquare || better) {
                bestSquare = square;
                best = PointRef{s, p};
            }
        }
    }
    return best;
}

} // namespace lathe
