// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"
#include "engine/core/study_info.h"
#include "experiments/store/run_reader.h"
#include "widgets/quant/budget_plots.h"

namespace lathe {

inline constexpr const char* kBudgetStudy = "quant.budget";

/// Empty when it names none.
std::string modelOf(const Spec& spec);

/// What the cells of a run measured.
std::vector<MeasuredPlan> measuredPlans(qint64 run, const std::vector<CellRow>& cells);

/// The limit of a cell, or a middling one when it was none.
std::pair<LimitUnit, double> firstLimit(const Json& params, const BudgetCurves& curves);

/// "Run 12 · lm-little · calibrated on text of its own"
QString budgetHeadline(const RunRow& row);

/// The run that computes the curves of the draft's model with the draft's calibration, and makes
/// no plan of use.
Spec curvesSpec(const Spec& draft);
/// The run of a plan: as that whose curves are shown, on the draft's device and scored text. What
/// is done with the plan (`measure`, `out`) is still to be said.
Spec planSpec(const Spec& shown, const Spec& draft, LimitUnit unit, double limit);
/// Whether the draft has another calibration than the run, defaults counted.
bool otherCalibration(const Spec& run, const Spec& draft, const StudyInfo& study);

} // namespace lathe
