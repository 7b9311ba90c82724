// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

/// Which form each of many tensors gets when all of them share a budget. Arithmetic alone, so that
/// the window can plan by itself from curves that were worked out once.
namespace lathe {

/// One form of a tensor.
struct BudgetOption {
    std::int64_t cost = 0; ///< bytes or bits
    double error = 0.0;    ///< adds up over the tensors
};

struct BudgetPlan {
    std::vector<std::size_t> choice; ///< index of the option of each tensor
    std::int64_t cost = 0;
    double error = 0.0;
    /// What one more unit of cost saves of the error, by the convex hulls; 0 when the limit allows
    /// the best option of every tensor.
    double multiplier = 0.0;
    /// No plan of less error is possible. Otherwise none has less than this error - `slack`.
    bool exact = true;
    double slack = 0.0;
};

/// Sums over the cheapest and over the best option of each tensor: limits outside of them are
/// impossible, or change nothing.
struct BudgetRange {
    std::int64_t least = 0, most = 0;
};
BudgetRange budgetRange(const std::vector<std::vector<BudgetOption>>& tensors);

/// Cost and error of the plans that the sweep over the convex hulls goes through, from the cheapest
/// to the best. Between two of them no plan lies below the line that joins them.
/// @throws InputError as planBudget does
std::vector<BudgetOption> budgetCurve(const std::vector<std::vector<BudgetOption>>& tensors);

/// The plan of least error whose cost is at most `limit`. A Lagrangian sweep over the convex hulls
/// of the tensors' curves takes the steps that save most per cost until one does not fit; the rest
/// of the limit is filled by a multiple-choice knapsack over the options that can still be part of
/// a better plan. That is exact while its states are few (always for 5 tensors of 6 options).
/// Of equal plans, the same one each time.
/// @throws InputError for a limit below the least possible cost, which is named, or a tensor
/// without
///         options, a negative cost, an error that is not finite, or costs beyond 2^53 in sum.
/// @see   SqueezeLLM (arXiv 2306.07629) for the errors; Shoham and Gersho 1988 for the sweep.
BudgetPlan planBudget(const std::vector<std::vector<BudgetOption>>& tensors, std::int64_t limit);

} // namespace lathe
