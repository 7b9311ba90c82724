// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot_view.h"
#include "widgets/runs/cell_values.h"

#include <string>
#include <vector>

/// What of a run may be drawn, worked out without any drawing.
namespace lathe {

/// Names of metrics that came with steps, in order of their first appearance.
std::vector<std::string> curveNames(const std::vector<MetricRow>& metrics);
/// Numeric results of finished cells, the study's own first.
std::vector<std::string> numericMetrics(const std::vector<CellRow>& cells, const StudyInfo* info);
/// What results may be drawn against: parameters with more than one number, then numeric results
/// (prefixed by "metric."), so that cost may be set against quality.
std::vector<std::string>
horizontalChoices(const std::vector<CellRow>& cells, const StudyInfo* info);

/// One line per cell of a metric by its step. A point's id is the cell's index + 1.
std::vector<PlotSeries> curveSeries(
    const std::vector<MetricRow>& metrics, const std::string& name,
    const std::vector<CellRow>& cells);
/// One series per combination of the other varying parameters, sorted by x; error bars where the
/// cell has `<y>_low` and `<y>_high`. A point's id is its cell's index + 1.
std::vector<PlotSeries>
resultSeries(const std::vector<CellRow>& cells, const std::string& x, const std::string& y);

} // namespace lathe
