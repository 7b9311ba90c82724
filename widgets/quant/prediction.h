// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot_view.h"
#include "widgets/quant/sweep_run.h"

#include <span>

namespace lathe {

/// Cells that have been measured and whose loss sensitivities foretold.
std::vector<const SweepCell*> predictedCells(const SweepRun& run);

/// Spearman's rank correlation, ties at their mean rank. NaN for fewer than two pairs, or when all
/// values of one side are equal. Sizes must agree.
double rankCorrelation(std::span<const double> x, std::span<const double> y);

/// Predicted (x) against measured KL divergence (y, with its interval): one series per method, the
/// line where both agree and two lines at a factor of two. A point's id is its cell's index + 1.
std::vector<PlotSeries> predictionSeries(const SweepRun& run);
/// "Rank correlation 0.93 of 56 settings"; empty without at least three.
QString predictionNote(const SweepRun& run);

} // namespace lathe
