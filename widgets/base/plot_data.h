// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/json.h"
#include "widgets/base/plot_view.h"

#include <QString>

#include <optional>
#include <vector>

/// What a plot shows and writes, worked out from its series without any drawing: values fit for the
/// axes, what had to be hidden, the table, the files of numbers and the spoken summary.
namespace lathe {

/// A point as it is drawn. On a log axis a value of zero or less sits on the floor.
struct ShownPoint {
    double x = 0.0, y = 0.0;
    double yLow = 0.0, yHigh = 0.0; ///< NaN: no error bar
    bool clamped = false;
    std::size_t index = 0; ///< in PlotSeries::points
};

struct ShownSeries {
    std::vector<ShownPoint> points; ///< sorted by x; NaN y breaks the line
};

struct ShownData {
    std::vector<ShownSeries> series;
    std::optional<double> xFloor, yFloor;                  ///< where clamped values are drawn
    int clamped = 0;                                       ///< values <= 0 on a log axis
    int missing = 0;                                       ///< NaN or infinite values
    int drawn = 0;                                         ///< points with a place
    double xMin = 0.0, xMax = 1.0, yMin = 0.0, yMax = 1.0; ///< extent with error bars
};

ShownData shownData(const std::vector<PlotSeries>& series, const PlotAxes& axes);
/// "3 values <= 0 hidden ... · 2 without a value", empty when all is shown.
QString hiddenNote(const ShownData& data);

/// Number for a tick or a label: SI prefix, the locale's digits ("12.5 k", "3 µ").
QString siNumber(double value, int digits = 4);
/// One point with the axes' names, for the crosshair and screen readers.
QString pointText(const PlotAxes& axes, const PlotSeries& series, const PlotPoint& point);
/// "Perplexity against size: 3 series, 24 points; Perplexity from 12 to 80".
QString plotSummary(const std::vector<PlotSeries>& series, const PlotAxes& axes);

/// Tab-separated table of all points with a head line, C locale.
QString plotTsv(const std::vector<PlotSeries>& series, const PlotAxes& axes);
/// RFC 4180, first line a comment with the provenance.
QByteArray
plotCsv(const std::vector<PlotSeries>& series, const PlotAxes& axes, const QString& provenance);
Json plotJson(
    const std::vector<PlotSeries>& series, const PlotAxes& axes, const QString& provenance);

} // namespace lathe
