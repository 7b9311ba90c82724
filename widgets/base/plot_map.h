// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot.h"
#include "widgets/base/plot_view.h"

#include <QPointer>

#include <set>

namespace lathe {

class PlotTicker;

/// The drawn half of a map (PlotAxes::isMap): a tile around each point, coloured by its z on a
/// logarithmic scale, the scale beside the axes, and the value inside the tile where it fits. More
/// tiles than could hold values become one picture, with one frame around what is selected.
class PlotMap {
public:
    explicit PlotMap(QCustomPlot& plot);
    PlotMap(const PlotMap&) = delete;
    PlotMap& operator=(const PlotMap&) = delete;

    /// Tiles whose z is not finite or not above zero are left empty, with a cross.
    void setContent(
        const std::vector<PlotSeries>& series, const PlotAxes& axes,
        const std::set<qint64>& selection);
    void clearTiles();
    void clear(); ///< removes tiles and scale
    void setLook(bool dark, const QFont& font);
    /// Shows the values that fit into their tiles at the present zoom.
    void placeLabels();

private:
    void addPicture(const std::vector<PlotSeries>& series);
    void addOutline(const std::vector<PlotSeries>& series, const std::set<qint64>& selection);
    void addTile(const PlotPoint& point, bool selected);
    void addCross(const PlotPoint& point);
    void showScale(const PlotAxes& axes);
    QCPAxis::ScaleType scaleType() const;

    QCustomPlot& m_plot;
    QSharedPointer<QCPAxisTicker> m_ticker, m_wholeTicker;
    bool m_whole = false; ///< see PlotAxes::zWhole
    QCPColorGradient m_gradient;
    QCPRange m_range{1.0, 10.0};
    std::vector<QCPAbstractItem*> m_tiles;
    std::vector<QCPItemText*> m_values;
    QPointer<QCPColorScale> m_scale;
    bool m_dark = false;
    QFont m_font;
};

} // namespace lathe
