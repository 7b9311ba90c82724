// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot_view.h"
#include "widgets/quant/sweep_run.h"

#include <span>

namespace lathe {

/// A metric of quant.sweep as an axis, a column and a line of text show it.
struct Measure {
    std::string metric;  ///< key in a cell's metrics
    const char* title;   ///< untranslated; see measureTitle
    const char* unit;    ///< untranslated, empty when it has none
    double factor = 1.0; ///< shown value = stored value * factor
    int digits = 2;      ///< after the decimal point
    int better = -1;     ///< -1: less is better, +1: more
};

/// What may stand on the plot's axes, the usual one first. Of the quality measures the first four
/// are in every sweep, the others only where they were measured.
std::span<const Measure> qualityMeasures();
std::span<const Measure> costMeasures();
const Measure& klMeasure();
const Measure& overKmeansMeasure(); ///< KL divergence as a multiple of plain k-means' own
const Measure& predictedMeasure();  ///< the loss that sensitivities foretell
const Measure& secondsMeasure();
/// Whether the cell was asked for it: a value that could not be computed counts, an absent one not.
bool isMeasured(const Measure& measure, const SweepCell& cell);

QString measureTitle(const Measure& measure);
QString measureUnit(const Measure& measure);
/// "Size (MiB)"
QString axisLabel(const Measure& measure);
/// The shown value with the measure's digits in the user's locale; a dash for NaN.
QString measureText(const Measure& measure, const SweepCell& cell);
/// "40.9 to 43.4"; empty when the cell has no interval.
QString intervalText(const Measure& measure, const SweepCell& cell);

/// Series of the plot: one per method with its error bars and labels, the float model as a mark of
/// its own and as a horizontal line, and the Pareto front of all finished cells as a step line.
/// A point's id is its cell's index + 1. Cells without both values are left out.
std::vector<PlotSeries> sweepSeries(const SweepRun& run, const Measure& x, const Measure& y);
/// Whether the values ask for a logarithmic axis: all above zero, far apart.
bool wantsLog(const SweepRun& run, const Measure& measure);

} // namespace lathe
