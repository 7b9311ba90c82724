// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/budget_curves.h"
#include "widgets/quant/sensitivity_map.h"

namespace lathe {

/// A plan that a run of quant.budget measured.
struct MeasuredPlan {
    qint64 run = 0;
    double fileBytes = 0.0;
    double kl = 0.0, klLow = 0.0, klHigh = 0.0; ///< nats per token, bounds NaN: not known
    QString text;                               ///< that it was scored on
};

/// The bits of each matrix, layers to the right; "+" where some weights are kept beside tables. A
/// tile's id is the index of its matrix + 1.
SensitivityMap budgetMap(const BudgetCurves& curves, const MatrixPlan& plan);

/// Loss against size on disk: predicted of mixed plans and of uniform ones, the plan, and what was
/// measured. Points of measured plans have their run as id.
PlotAxes budgetAxes();
std::vector<PlotSeries> budgetSeries(
    const BudgetCurves& curves, const MatrixPlan& plan, const std::vector<MeasuredPlan>& measured);

/// Name and value of what a plan comes to.
struct BudgetFact {
    QString name, value;
};
std::vector<BudgetFact>
budgetFacts(const BudgetCurves& curves, const MatrixPlan& plan, LimitUnit unit, double limit);
/// Side by side, names above values.
QString factsTable(const std::vector<BudgetFact>& facts);
/// "layers.0.mlp.down_proj: 3 bit + 0.45 %, 110 KiB, predicted 0.0021 nat"
QString matrixFacts(const BudgetCurves& curves, const MatrixPlan& plan, std::size_t matrix);

/// "3 bit", "3 bit + 0.45 %".
QString optionText(const MatrixOption& option);
/// "2.31 MiB"
QString sizeText(double bytes);

} // namespace lathe
