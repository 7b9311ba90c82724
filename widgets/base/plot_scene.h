// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot.h"
#include "widgets/base/plot_data.h"
#include "widgets/base/plot_map.h"

#include <optional>
#include <set>

namespace lathe {

class PlotTicker;

/// Position of a point: series, and index in ShownSeries::points.
struct PointRef {
    std::size_t series = 0, point = 0;
    bool operator==(const PointRef&) const = default;
};

/// The drawn half of a plot: graphs, error bars, marks, labels, rings around selected points, axes
/// and colours inside one QCustomPlot.
class PlotScene {
public:
    explicit PlotScene(QCustomPlot& plot);
    ~PlotScene();
    PlotScene(const PlotScene&) = delete;
    PlotScene& operator=(const PlotScene&) = delete;

    void setContent(
        const std::vector<PlotSeries>& series, const PlotAxes& axes,
        const std::set<qint64>& selection);
    /// Colours and fonts; `fontPixels` 0: the application's.
    void setLook(bool dark, int fontPixels = 0);
    /// Whether the selection is marked and the rest dimmed: not on paper. Takes effect with the
    /// next content or look.
    void setSelectionShown(bool shown) { m_selectionShown = shown; }
    void setGridVisible(bool visible);
    bool gridVisible() const { return m_grid; }
    /// Ranges that hold every point with its error bar.
    void fitRanges();

    const ShownData& shown() const { return m_shown; }
    QPointF pixelOf(const PointRef& ref) const;
    /// The nearest point within `reach` pixels.
    std::optional<PointRef> nearest(const QPointF& pixel, double reach) const;

private:
    void rebuild();
    void addSeries(std::size_t index);
    void addBars(std::size_t index, const QVector<double>& keys, const QVector<double>& values);
    void addErrorBars(std::size_t index, const QColor& colour);
    void addSelected(std::size_t index, const QColor& colour);
    void addLabels(std::size_t index);
    void placeLabels();
    void applyAxes();
    bool dims() const { return m_selectionShown && !m_selection.empty(); }
    void addLegendEntry(const PlotSeries& series);
    bool isSelected(std::size_t series, const ShownPoint& point) const;
    bool inLegend(const PlotSeries& series) const;
    QColor colourOf(const PlotSeries& series) const;

    QCustomPlot& m_plot;
    QCPTextElement* m_title;
    QCPTextElement* m_note;
    QCPItemText* m_corner;
    PlotMap m_map;
    QSharedPointer<PlotTicker> m_xTicker, m_yTicker;
    std::vector<QCPItemText*> m_labels;
    std::vector<PlotSeries> m_series;
    PlotAxes m_axes;
    std::set<qint64> m_selection;
    ShownData m_shown;
    bool m_dark = false;
    bool m_grid = true;
    bool m_selectionShown = true;
    int m_fontPixels = 0;
};

} // namespace lathe
