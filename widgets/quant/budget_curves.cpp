// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_curves.h"

#include "engine/core/error.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace lathe {

namespace {

constexpr double kRounding = 1e-3;                ///< of bytes that were an average in between
constexpr double kMostBytes = 9007199254740992.0; ///< 2^53, where doubles are whole

const Json& member(const Json& object, const char* name) {
    const auto it = object.find(name);
    if (it == object.end()) {
        throw FormatError(std::string("the stored run has no ") + name);
    }
    return *it;
}

double numberOf(const Json& value, const std::string& what) {
    const double number = value.is_number() ? value.get<double>() : -1.0;
    if (!(number >= 0.0) || !(number <= kMostBytes)) {
        throw FormatError(what + " of the stored run is no number that is possible");
    }
    return number;
}

std::int64_t wholeOf(const Json& value, const std::string& what) {
    return static_cast<std::int64_t>(numberOf(value, what));
}

} // namespace

BudgetCurves::BudgetCurves(const Json& metrics) {
    const Json& curves = member(metrics, "curves");
    if (!curves.is_object() || curves.empty()) {
        throw FormatError("the stored run has no curve of a matrix");
    }
    m_fixed = wholeOf(member(metrics, "fixed_bytes"), "the unquantized part");
    for (const auto& [name, curve] : curves.items()) {
        takeMatrix(name, curve);
    }
    // How many weights there are, only the average tells.
    const double average = numberOf(member(metrics, "least_average_bits"), "the least average");
    const auto least = static_cast<double>(budgetRange(m_stored).least);
    if (!(average > 0.0) || !(least > 0.0)) {
        throw FormatError("the curves of the stored run are of matrices without weights");
    }
    m_weights = std::max(1.0, std::round(8.0 * least / average));
    makeUniform();
}

void BudgetCurves::takeMatrix(const std::string& name, const Json& curve) {
    const std::string what = "the curve of " + name;
    if (!curve.is_object() || !member(curve, "options").is_array() ||
        !member(curve, "header_bytes").is_array()) {
        throw FormatError(what + " of the stored run is damaged");
    }
    const Json& options = curve["options"];
    const Json& headers = curve["header_bytes"];
    if (options.empty() || options.size() != headers.size()) {
        throw FormatError(what + " of the stored run is damaged");
    }
    m_names.push_back(name);
    auto& settings = m_options.emplace_back();
    auto& stored = m_stored.emplace_back();
    auto& onDisk = m_onDisk.emplace_back();
    for (std::size_t i = 0; i < options.size(); ++i) {
        const Json& option = options[i];
        if (!option.is_array() || option.size() != 4) {
            throw FormatError(what + " of the stored run is damaged");
        }
        const std::int64_t bytes = wholeOf(option[2], what);
        const double kl = numberOf(option[3], what);
        const double bits = numberOf(option[0], what);
        if (bits > 32.0) {
            throw FormatError(what + " of the stored run is damaged");
        }
        settings.push_back({static_cast<int>(bits), numberOf(option[1], what)});
        stored.push_back({bytes, kl});
        onDisk.push_back({bytes + wholeOf(headers[i], what), kl});
    }
}

void BudgetCurves::makeUniform() {
    struct Sum {
        std::size_t count = 0;
        std::int64_t stored = 0, onDisk = 0;
        double kl = 0.0;
    };
    std::map<std::pair<int, double>, Sum> sums;
    for (std::size_t i = 0; i < m_names.size(); ++i) {
        for (std::size_t j = 0; j < m_options[i].size(); ++j) {
            Sum& sum = sums[{m_options[i][j].bits, m_options[i][j].sparsity}];
            ++sum.count;
            sum.stored += m_stored[i][j].cost;
            sum.onDisk += m_onDisk[i][j].cost;
            sum.kl += m_stored[i][j].error;
        }
    }
    for (const auto& [setting, sum] : sums) {
        if (sum.count == m_names.size()) { // possible for every matrix
            m_uniform.push_back(
                {{setting.first, setting.second},
                 sum.kl,
                 m_fixed + sum.onDisk,
                 averageOf(sum.stored)});
        }
    }
    std::ranges::stable_sort(m_uniform, {}, &UniformPlan::fileBytes);
}

double BudgetCurves::averageOf(std::int64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / m_weights;
}

double BudgetCurves::valueOf(LimitUnit unit, std::int64_t cost) const {
    return unit == LimitUnit::Bytes ? static_cast<double>(m_fixed + cost) : averageOf(cost);
}

double BudgetCurves::least(LimitUnit unit) const {
    return valueOf(unit, budgetRange(unit == LimitUnit::Bytes ? m_onDisk : m_stored).least);
}

double BudgetCurves::most(LimitUnit unit) const {
    return valueOf(unit, budgetRange(unit == LimitUnit::Bytes ? m_onDisk : m_stored).most);
}

MatrixPlan BudgetCurves::plan(LimitUnit unit, double limit) const {
    const bool onDisk = unit == LimitUnit::Bytes;
    const double spendable = onDisk ? limit - static_cast<double>(m_fixed)
                                    : std::floor(limit * m_weights / 8.0 + kRounding);
    const auto bytes = static_cast<std::int64_t>(std::clamp(spendable, 0.0, kMostBytes));
    BudgetPlan found = planBudget(onDisk ? m_onDisk : m_stored, bytes);
    MatrixPlan plan{
        .choice = std::move(found.choice),
        .kl = found.error,
        .multiplier = found.multiplier,
        .exact = found.exact};
    std::int64_t stored = 0;
    plan.fileBytes = m_fixed;
    for (std::size_t i = 0; i < plan.choice.size(); ++i) {
        stored += m_stored[i][plan.choice[i]].cost;
        plan.fileBytes += m_onDisk[i][plan.choice[i]].cost;
    }
    plan.averageBits = averageOf(stored);
    return plan;
}

std::vector<std::pair<double, double>> BudgetCurves::outline() const {
    std::vector<std::pair<double, double>> points;
    for (const BudgetOption& sum : budgetCurve(m_onDisk)) {
        points.emplace_back(static_cast<double>(m_fixed + sum.cost), sum.error);
    }
    return points;
}

std::optional<UniformPlan> BudgetCurves::bestUniform(LimitUnit unit, double limit) const {
    std::optional<UniformPlan> best;
    for (const UniformPlan& plan : m_uniform) {
        const double size =
            unit == LimitUnit::Bytes ? static_cast<double>(plan.fileBytes) : plan.averageBits;
        if (size <= limit && (!best || plan.kl < best->kl)) {
            best = plan;
        }
    }
    return best;
}

} // namespace lathe
