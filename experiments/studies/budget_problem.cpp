// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/budget_problem.h"

#include "engine/core/check.h"
#include "engine/models/quantized_size.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace lathe {

BudgetProblem::BudgetProblem(
    const LoadedModel& model, const std::vector<ModuleCurve>& curves,
    const std::vector<std::vector<MeasuredLoss>>& losses, double predictions,
    const Json& provenance)
    : m_name(model.name), m_curves(curves), m_scale(0.5 * predictions) {
    m_plain = plainBytes(*model.model);
    std::int64_t mostBytes = m_plain;
    for (const ModuleCurve& curve : curves) {
        m_weights += curve.weights();
        mostBytes += std::ranges::max(curve.points, {}, &CurvePoint::bytes).bytes;
    }
    m_fixed = quantizedFileBase(*model.model, *model.checkpoint, provenance, mostBytes);
    for (std::size_t i = 0; i < curves.size(); ++i) {
        const ModuleCurve& curve = curves[i];
        auto& stored = m_stored.emplace_back();
        auto& onDisk = m_onDisk.emplace_back();
        for (const CurvePoint& point : curve.points) {
            const std::int64_t header = moduleHeaderBytes(
                curve.name, {curve.out, curve.in, point.bits, point.sparseCount}, mostBytes);
            const double loss = correctedLoss(m_scale * point.error, losses[i]);
            stored.push_back({point.bytes, loss});
            onDisk.push_back({point.bytes + header, loss});
        }
    }
}

std::int64_t BudgetProblem::spendable(const BudgetLimit& limit) const {
    const std::int64_t least = budgetRange(options(limit)).least;
    if (limit.bytes > 0) {
        LATHE_CHECK(
            limit.bytes >= m_fixed + least, "--bytes " + std::to_string(limit.bytes) +
                                                ": a file of " + m_name + " takes at least " +
                                                std::to_string(m_fixed + least));
        return limit.bytes - m_fixed;
    }
    const double bytes = std::floor(limit.averageBits * static_cast<double>(m_weights) / 8.0);
    LATHE_CHECK(
        bytes >= static_cast<double>(least), "--average-bits " + valueText(limit.averageBits) +
                                                 ": the matrices of " + m_name + " take at least " +
                                                 valueText(averageOf(least)));
    return static_cast<std::int64_t>(bytes);
}

void BudgetProblem::putPlan(Json& metrics, const BudgetPlan& plan) const {
    std::int64_t stored = 0, onDisk = 0;
    double secondOrder = 0.0;
    Json chosen = Json::object(), curves = Json::object();
    for (std::size_t i = 0; i < m_curves.size(); ++i) {
        const ModuleCurve& curve = m_curves[i];
        stored += m_stored[i][plan.choice[i]].cost;
        onDisk += m_onDisk[i][plan.choice[i]].cost;
        const CurvePoint& point = curve.points[plan.choice[i]];
        secondOrder += m_scale * point.error;
        chosen[curve.name] = {point.bits, point.sparsity};
        curves[curve.name] = curveJson(i, plan.choice[i]);
    }
    metrics["bytes"] = m_plain + stored;
    metrics["planned_file_bytes"] = m_fixed + onDisk;
    metrics["average_bits"] = averageOf(stored);
    metrics["predicted_kl"] = jsonNumber(plan.error);
    metrics["second_order_kl"] = jsonNumber(secondOrder);
    metrics["multiplier"] = jsonNumber(plan.multiplier);
    metrics["exact"] = plan.exact ? 1 : 0;
    metrics["plan"] = std::move(chosen);
    metrics["curves"] = std::move(curves);
    metrics["fixed_bytes"] = m_fixed;
    const BudgetRange files = budgetRange(m_onDisk), matrices = budgetRange(m_stored);
    metrics["least_bytes"] = m_fixed + files.least;
    metrics["most_bytes"] = m_fixed + files.most;
    metrics["least_average_bits"] = averageOf(matrices.least);
    metrics["most_average_bits"] = averageOf(matrices.most);
}

void BudgetProblem::putUniform(Json& metrics, const BudgetLimit& limit) const {
    std::map<std::pair<int, double>, std::pair<std::size_t, BudgetOption>> sums;
    const auto& costs = options(limit);
    for (std::size_t i = 0; i < m_curves.size(); ++i) {
        for (std::size_t j = 0; j < costs[i].size(); ++j) {
            const CurvePoint& point = m_curves[i].points[j];
            auto& [count, sum] = sums[{point.bits, point.sparsity}];
            ++count;
            sum.cost += costs[i][j].cost;
            sum.error += costs[i][j].error;
        }
    }
    const std::int64_t most = spendable(limit);
    double best = std::numeric_limits<double>::infinity();
    metrics["uniform"] = Json::array();
    for (const char* name : {"uniform_bits", "uniform_sparsity", "uniform_predicted_kl"}) {
        metrics[name] = nullptr; // no such plan is small enough
    }
    for (const auto& [setting, counted] : sums) {
        const auto& [count, sum] = counted;
        if (count < m_curves.size()) {
            continue;
        }
        metrics["uniform"].push_back(
            {setting.first, setting.second, sum.cost + (limit.bytes > 0 ? m_fixed : 0),
             jsonNumber(sum.error)});
        if (sum.cost <= most && sum.error < best) {
            best = sum.error;
            metrics["uniform_bits"] = setting.first;
            metrics["uniform_sparsity"] = setting.second;
            metrics["uniform_predicted_kl"] = jsonNumber(best);
        }
    }
}

double BudgetProblem::averageOf(std::int64_t bytes) const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(m_weights);
}

Json BudgetProblem::curveJson(std::size_t module, std::size_t chosen) const {
    Json options = Json::array(), headers = Json::array();
    for (std::size_t j = 0; j < m_stored[module].size(); ++j) {
        const CurvePoint& point = m_curves[module].points[j];
        const BudgetOption& stored = m_stored[module][j];
        options.push_back({point.bits, point.sparsity, stored.cost, jsonNumber(stored.error)});
        headers.push_back(m_onDisk[module][j].cost - stored.cost);
    }
    return {{"options", options}, {"header_bytes", headers}, {"chosen", chosen}};
}

} // namespace lathe
