// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_map.h"

#include "widgets/base/plot_data.h"
#include "widgets/base/plot_ticker.h"
#include "widgets/base/theme.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kHalf = 0.5;       ///< of a tile's side, in coordinates
constexpr int kBarWidth = 16;       ///< pixels of the colour scale
constexpr double kSingleRange = 2.; ///< around one value alone, as a factor
constexpr int kValueDigits = 2;
constexpr std::size_t kMostTiles = 800; ///< that are items of their own
constexpr int kMostAcross = 4096;       ///< of a picture, each way

/// Even in lightness from dark to light, also for people who confuse colours: the stops of viridis
/// (van der Walt and Smith, 2015; public domain).
QCPColorGradient viridis() {
    QCPColorGradient gradient;
    gradient.clearColorStops();
    gradient.setColorStops(
        {{0.0, QColor(0x440154)},
         {0.25, QColor(0x3B528B)},
         {0.5, QColor(0x21918C)},
         {0.75, QColor(0x5EC962)},
         {1.0, QColor(0xFDE725)}});
    return gradient;
}

bool hasColour(const PlotPoint& point) { return std::isfinite(point.z) && point.z > 0.0; }

QCPRange rangeOf(const std::vector<PlotSeries>& series) {
    double low = std::numeric_limits<double>::infinity();
    double high = 0.0;
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            low = hasColour(point) ? std::min(low, point.z) : low;
            high = hasColour(point) ? std::max(high, point.z) : high;
        }
    }
    if (high <= 0.0) {
        return {1.0, 10.0};
    }
    return high > low ? QCPRange(low, high) : QCPRange(low / kSingleRange, low * kSingleRange);
}

} // namespace

PlotMap::PlotMap(QCustomPlot& plot) : m_plot(plot), m_gradient(viridis()) {
    const QSharedPointer<PlotTicker> ticker(new PlotTicker);
    ticker->setLog(true);
    m_ticker = ticker;
    const QSharedPointer<QCPAxisTickerFixed> whole(new QCPAxisTickerFixed);
    whole->setTickStep(1.0);
    whole->setScaleStrategy(QCPAxisTickerFixed::ssMultiples);
    m_wholeTicker = whole;
}

void PlotMap::clearTiles() {
    for (QCPAbstractItem* item : m_tiles) {
        m_plot.removeItem(item);
    }
    for (QCPItemText* item : m_values) {
        m_plot.removeItem(item);
    }
    m_tiles.clear();
    m_values.clear();
}

void PlotMap::clear() {
    clearTiles();
    if (m_scale != nullptr) {
        m_plot.plotLayout()->remove(m_scale);
        m_plot.plotLayout()->simplify();
    }
}

void PlotMap::setContent(
    const std::vector<PlotSeries>& series, const PlotAxes& axes,
    const std::set<qint64>& selection) {
    m_range = axes.zLow > 0.0 && axes.zHigh > axes.zLow ? QCPRange(axes.zLow, axes.zHigh)
                                                        : rangeOf(series);
    m_whole = axes.zWhole;
    showScale(axes);
    std::size_t count = 0;
    for (const PlotSeries& one : series) {
        count += one.points.size();
    }
    const ShownData shown = shownData(series, {});
    if (count > kMostTiles && shown.xMax > shown.xMin && shown.yMax > shown.yMin) {
        addPicture(series);
        addOutline(series, selection);
        return;
    }
    for (const bool selected : {false, true}) { // the outlines of selected ones lie on top
        for (const PlotSeries& one : series) {
            for (const PlotPoint& point : one.points) {
                if (selection.contains(point.id) == selected) {
                    addTile(point, selected);
                }
            }
        }
    }
}

/// What has no colour stays transparent.
void PlotMap::addPicture(const std::vector<PlotSeries>& series) {
    const ShownData shown = shownData(series, {});
    const auto cells = [](double low, double high) {
        return static_cast<int>(std::clamp(std::round(high - low) + 1.0, 1.0, double(kMostAcross)));
    };
    auto* picture = new QCPColorMap(m_plot.xAxis, m_plot.yAxis);
    QCPColorMapData& data = *picture->data();
    data.setSize(cells(shown.xMin, shown.xMax), cells(shown.yMin, shown.yMax));
    data.setRange({shown.xMin, shown.xMax}, {shown.yMin, shown.yMax});
    data.fill(m_range.lower);
    data.fillAlpha(0);
    for (const PlotSeries& one : series) {
        for (const PlotPoint& point : one.points) {
            if (hasColour(point) && std::isfinite(point.x) && std::isfinite(point.y)) {
                int x = 0, y = 0;
                data.coordToCell(point.x, point.y, &x, &y);
                data.setCell(x, y, point.z);
                data.setAlpha(x, y, 255);
            }
        }
    }
    picture->setDataScaleType(scaleType());
    picture->setGradient(m_gradient);
    picture->setDataRange(m_range);
    picture->setInterpolate(false);
    picture->setTightBoundary(false);
}

/// Dark within light: seen on every colour of the scale.
void PlotMap::addOutline(const std::vector<PlotSeries>& series, const std::set<qint64>& selection) {
    std::vector<PlotSeries> chosen(1);
    for (const PlotSeries& one : series) {
        std::ranges::copy_if(
            one.points, std::back_inserter(chosen[0].points),
            [&selection](const PlotPoint& point) { return selection.contains(point.id); });
    }
    const ShownData shown = shownData(chosen, {});
    if (shown.drawn == 0) {
        return;
    }
    for (const auto& [colour, width] : {std::pair{Qt::white, 3}, std::pair{Qt::black, 1}}) {
        auto* frame = new QCPItemRect(&m_plot);
        frame->topLeft->setCoords(shown.xMin - kHalf, shown.yMax + kHalf);
        frame->bottomRight->setCoords(shown.xMax + kHalf, shown.yMin - kHalf);
        frame->setPen(QPen(colour, width));
        m_tiles.push_back(frame);
    }
}

void PlotMap::addCross(const PlotPoint& point) {
    for (const double side : {-kHalf, kHalf}) {
        auto* line = new QCPItemLine(&m_plot);
        line->start->setCoords(point.x - kHalf, point.y + side);
        line->end->setCoords(point.x + kHalf, point.y - side);
        line->setPen(QPen(Theme::muted(m_dark), 1, Qt::DotLine));
        m_tiles.push_back(line);
    }
}

void PlotMap::addTile(const PlotPoint& point, bool selected) {
    if (!hasColour(point)) {
        addCross(point);
        return;
    }
    const QPalette palette = Theme::palette(m_dark);
    const QColor colour = QColor::fromRgba(m_gradient.color(point.z, m_range, !m_whole));
    auto* tile = new QCPItemRect(&m_plot);
    tile->topLeft->setCoords(point.x - kHalf, point.y + kHalf);
    tile->bottomRight->setCoords(point.x + kHalf, point.y - kHalf);
    tile->setBrush(colour);
    tile->setPen(
        selected ? QPen(palette.color(QPalette::Text), 3) : QPen(palette.color(QPalette::Base), 1));
    m_tiles.push_back(tile);

    auto* value = new QCPItemText(&m_plot);
    value->setText(point.label.isEmpty() ? siNumber(point.z, kValueDigits) : point.label);
    value->setFont(m_font);
    const bool onDark = Theme::contrast(colour, Qt::white) > Theme::contrast(colour, Qt::black);
    value->setColor(onDark ? Qt::white : Qt::black);
    value->setPositionAlignment(Qt::AlignCenter);
    value->position->setCoords(point.x, point.y);
    m_values.push_back(value);
}

void PlotMap::placeLabels() {
    const QFontMetricsF metrics(m_font);
    const double width =
        std::abs(m_plot.xAxis->coordToPixel(1.0) - m_plot.xAxis->coordToPixel(0.0));
    const double height =
        std::abs(m_plot.yAxis->coordToPixel(1.0) - m_plot.yAxis->coordToPixel(0.0));
    // All or none: some tiles with a number and some without look like a difference.
    const bool fits = std::ranges::all_of(m_values, [&](const QCPItemText* item) {
        return metrics.horizontalAdvance(item->text()) + 6 < width && metrics.height() < height;
    });
    for (QCPItemText* item : m_values) {
        item->setVisible(fits);
    }
}

QCPAxis::ScaleType PlotMap::scaleType() const {
    return m_whole ? QCPAxis::stLinear : QCPAxis::stLogarithmic;
}

void PlotMap::showScale(const PlotAxes& axes) {
    if (m_scale == nullptr) {
        m_scale = new QCPColorScale(&m_plot);
        m_plot.plotLayout()->addElement(1, 1, m_scale);
        auto* group = new QCPMarginGroup(&m_plot);
        m_scale->setMarginGroup(QCP::msTop | QCP::msBottom, group);
        m_plot.axisRect()->setMarginGroup(QCP::msTop | QCP::msBottom, group);
        m_scale->setType(QCPAxis::atRight);
        m_scale->setBarWidth(kBarWidth);
        m_scale->setRangeDrag(false);
        m_scale->setRangeZoom(false);
    }
    m_scale->setDataScaleType(scaleType());
    m_scale->setGradient(m_gradient);
    m_scale->setDataRange(m_range);
    QCPAxis* axis = m_scale->axis();
    axis->setTicker(m_whole ? m_wholeTicker : m_ticker);
    axis->setSubTicks(!m_whole);
    axis->setLabel(axes.zLabel);
    const QColor text = Theme::palette(m_dark).color(QPalette::Text);
    axis->setTickLabelColor(text);
    axis->setLabelColor(text);
    axis->setTickLabelFont(m_font);
    axis->setLabelFont(m_font);
    axis->setLabelPadding(6);
    axis->setBasePen(QPen(Theme::muted(m_dark), 1));
    axis->setTickPen(QPen(Theme::muted(m_dark), 1));
    axis->setSubTickPen(QPen(Theme::muted(m_dark), 1));
}

void PlotMap::setLook(bool dark, const QFont& font) {
    m_dark = dark;
    m_font = font;
}

} // namespace lathe
