// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/budget.h"
#include "experiments/measured_losses.h"

#include <cstdint>
#include <string>
#include <vector>

/// What a memory budget of a model is planned on, in the numbers of `quant.budget`.
namespace lathe {

inline constexpr double kMostBytes = 9007199254740992.0; ///< 2^53, where doubles are whole

/// What the user set as the limit; the other one is 0.
struct BudgetLimit {
    std::int64_t bytes = 0; ///< of the whole file
    double averageBits = 0.0;
};

/// What can be chosen for a model, and what of it counts against which limit.
class BudgetProblem {
public:
    /// @param curves, losses  of all matrices, kept by reference; without losses of a matrix its
    ///        curve is taken as it is
    /// @param predictions of a sample, which sensitivities are means over
    BudgetProblem(
        const LoadedModel& model, const std::vector<ModuleCurve>& curves,
        const std::vector<std::vector<MeasuredLoss>>& losses, double predictions,
        const Json& provenance);

    /// Costs of the tensors' options, of what the limit is about.
    const std::vector<std::vector<BudgetOption>>& options(const BudgetLimit& limit) const {
        return limit.bytes > 0 ? m_onDisk : m_stored;
    }
    /// What these costs may be in sum. @throws InputError naming the least possible limit.
    std::int64_t spendable(const BudgetLimit& limit) const;

    void putPlan(Json& metrics, const BudgetPlan& plan) const;
    /// The plans that treat all matrices alike, and the best one within the limit.
    void putUniform(Json& metrics, const BudgetLimit& limit) const;

private:
    double averageOf(std::int64_t bytes) const;
    Json curveJson(std::size_t module, std::size_t chosen) const;

    std::string m_name;
    const std::vector<ModuleCurve>& m_curves;
    double m_scale; ///< of an error as a loss of second order
    std::int64_t m_weights = 0;
    std::int64_t m_plain = 0; ///< tensors that stay as they are
    std::int64_t m_fixed = 0; ///< these and the header without the modules
    std::vector<std::vector<BudgetOption>> m_stored, m_onDisk;
};

} // namespace lathe
