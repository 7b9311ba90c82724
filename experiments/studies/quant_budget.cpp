// SPDX-License-Identifier: Apache-2.0
#include "engine/core/budget.h"
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/models/quantized_size.h"
#include "experiments/elapsed.h"
#include "experiments/error_curves.h"
#include "experiments/kl_scoring.h"
#include "experiments/quantize_model.h"
#include "experiments/runner.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace lathe {

namespace {

constexpr double kMostBytes = 9007199254740992.0; // 2^53, where doubles are whole

std::vector<ParamSpec> describeParams() {
    std::vector<ParamSpec> params{modelParam()};
    append<ParamSpec>(
        params,
        {{.name = "bytes",
          .kind = ParamKind::Integer,
          .defaultValue = 0,
          .help = "Largest size of the weight file on disk, all of it; 0: --average-bits is the "
                  "limit",
          .unit = "byte",
          .minimum = 0,
          .maximum = kMostBytes,
          .sweep = true},
         {.name = "average_bits",
          .kind = ParamKind::Real,
          .defaultValue = 0.0,
          .help = "Largest average of the quantized matrices, their tables and sparse parts "
                  "counted; 0: --bytes is the limit",
          .unit = "bit",
          .minimum = 0,
          .maximum = 32,
          .sweep = true},
         {.name = "least_bits",
          .kind = ParamKind::Integer,
          .defaultValue = 2,
          .help = "Fewest bits of a matrix. Errors of 1 bit are too large for the prediction, "
                  "which is of second order: plans with them promise more than they keep",
          .unit = "bit",
          .minimum = 1,
          .maximum = 8,
          .advanced = true},
         {.name = "out",
          .kind = ParamKind::Folder,
          .help = "Folder to write the model to; without one, it is not written"},
         {.name = "measure",
          .kind = ParamKind::Flag,
          .defaultValue = true,
          .help = "Quantize the model as planned and score a text with it"}});
    append(params, calibrationParams());
    append(params, scoringParams());
    return params;
}

std::vector<MetricInfo> describeMetrics() {
    std::vector<MetricInfo> metrics{
        {"bytes", "Size", "byte", -1, "All weights as stored"},
        {"file_bytes", "Size on disk", "byte", -1, "Of the file that was written"},
        {"planned_file_bytes", "Size on disk, at most", "byte", -1,
         "Known before anything is quantized"},
        {"limit", "Limit", "", 0, "In bytes or average bits"},
        {"average_bits", "Average bits", "bit", -1,
         "Of the quantized matrices; tables and sparse parts counted"},
        {"predicted_kl", "Predicted KL divergence", "nat", -1,
         "Half the sum of T * sensitivity * error^2 over all weights, before rounding of tables"},
        {"multiplier", "Multiplier", "nat/byte", 0, "What one byte more would save"},
        {"exact", "Exact", "", 0, "1 when no plan of a smaller predicted divergence is possible"},
        {"least_bytes", "Smallest file", "byte", 0, "Of all plans, at most"},
        {"most_bytes", "Largest file", "byte", 0, "A larger limit changes nothing"},
        {"least_average_bits", "Least average bits", "bit", 0, {}},
        {"most_average_bits", "Most average bits", "bit", 0, {}},
        {"plan", "Plan", "", 0, "[bits, sparsity in %] of each matrix"},
        {"curves", "Error curves", "", 0,
         "Of each matrix all [bits, sparsity in %, bytes, predicted KL], the bytes that the file's "
         "header needs for each, and the chosen one"},
        {"fixed_bytes", "Unquantized part of the file", "byte", 0, {}},
        {"uniform", "Uniform plans", "", 0,
         "All matrices alike: [bits, sparsity in %, bytes, predicted KL]; bytes are those that "
         "count against the limit"},
        {"uniform_bits", "Best uniform plan, bits", "bit", 0, "Of those within the limit"},
        {"uniform_sparsity", "Best uniform plan, sparsity", "%", 0, {}},
        {"uniform_predicted_kl", "Best uniform plan, predicted KL divergence", "nat", 0, {}},
        {"computed_curves", "Computed curves", "", 0, "0: all were in the cache"},
        {"curve_seconds", "Time for the curves", "s", -1, {}},
        {"plan_seconds", "Time to plan", "s", -1, {}},
        {"seconds", "Time", "s", -1, "Without loading the model"},
        {"path", "Folder", "", 0, {}},
        {"output_hash", "Hash of the plan, and of losses", "", 0, {}}};
    append(metrics, languageMetrics());
    append(metrics, divergenceMetrics());
    append(metrics, windowMetrics());
    append(metrics, agreementMetrics());
    return metrics;
}

/// What the user set as the limit; the other one is 0.
struct Limit {
    std::int64_t bytes = 0;
    double averageBits = 0.0;
};

Limit limitFrom(const Json& params) {
    const Limit limit{
        params.at("bytes").get<std::int64_t>(), params.at("average_bits").get<double>()};
    LATHE_CHECK(
        (limit.bytes > 0) != (limit.averageBits > 0.0),
        "give the budget as either --bytes or --average-bits, not " +
            std::string(limit.bytes > 0 ? "both" : "neither"));
    return limit;
}

/// Takes away what is not to be chosen.
void requireBits(std::vector<ModuleCurve>& curves, int leastBits) {
    for (ModuleCurve& curve : curves) {
        std::erase_if(
            curve.points, [leastBits](const CurvePoint& p) { return p.bits < leastBits; });
        LATHE_CHECK(
            !curve.points.empty(), "--least-bits " + std::to_string(leastBits) + ": rows of " +
                                       curve.name + " are too short for tables of so many bits");
    }
}

/// What can be chosen for a model, and what of it counts against which limit.
class BudgetProblem {
public:
    /// @param predictions of a sample, which sensitivities are means over
    BudgetProblem(
        const LoadedModel& model, const std::vector<ModuleCurve>& curves, double predictions,
        const Json& provenance)
        : m_name(model.name), m_curves(curves), m_scale(0.5 * predictions) {
        m_plain = plainBytes(*model.model);
        std::int64_t mostBytes = m_plain;
        for (const ModuleCurve& curve : curves) {
            m_weights += curve.weights();
            mostBytes += std::ranges::max(curve.points, {}, &CurvePoint::bytes).bytes;
        }
        m_fixed = quantizedFileBase(*model.model, *model.checkpoint, provenance, mostBytes);
        for (const ModuleCurve& curve : curves) {
            auto& stored = m_stored.emplace_back();
            auto& onDisk = m_onDisk.emplace_back();
            for (const CurvePoint& point : curve.points) {
                const std::int64_t header = moduleHeaderBytes(
                    curve.name, {curve.out, curve.in, point.bits, point.sparseCount}, mostBytes);
                stored.push_back({point.bytes, m_scale * point.error});
                onDisk.push_back({point.bytes + header, m_scale * point.error});
            }
        }
    }

    /// Costs of the tensors' options, of what the limit is about.
    const std::vector<std::vector<BudgetOption>>& options(const Limit& limit) const {
        return limit.bytes > 0 ? m_onDisk : m_stored;
    }
    /// What these costs may be in sum. @throws InputError naming the least possible limit.
    std::int64_t spendable(const Limit& limit) const {
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
            bytes >= static_cast<double>(least),
            "--average-bits " + valueText(limit.averageBits) + ": the matrices of " + m_name +
                " take at least " + valueText(averageOf(least)));
        return static_cast<std::int64_t>(bytes);
    }

    void putPlan(Json& metrics, const BudgetPlan& plan) const {
        std::int64_t stored = 0, onDisk = 0;
        Json chosen = Json::object(), curves = Json::object();
        for (std::size_t i = 0; i < m_curves.size(); ++i) {
            const ModuleCurve& curve = m_curves[i];
            stored += m_stored[i][plan.choice[i]].cost;
            onDisk += m_onDisk[i][plan.choice[i]].cost;
            const CurvePoint& point = curve.points[plan.choice[i]];
            chosen[curve.name] = {point.bits, point.sparsity};
            curves[curve.name] = curveJson(i, plan.choice[i]);
        }
        metrics["bytes"] = m_plain + stored;
        metrics["planned_file_bytes"] = m_fixed + onDisk;
        metrics["average_bits"] = averageOf(stored);
        metrics["predicted_kl"] = jsonNumber(plan.error);
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

    /// The plans that treat all matrices alike, and the best one within the limit.
    void putUniform(Json& metrics, const Limit& limit) const {
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

private:
    double averageOf(std::int64_t bytes) const {
        return 8.0 * static_cast<double>(bytes) / static_cast<double>(m_weights);
    }
    Json curveJson(std::size_t module, std::size_t chosen) const {
        Json options = Json::array(), headers = Json::array();
        for (std::size_t j = 0; j < m_stored[module].size(); ++j) {
            const CurvePoint& point = m_curves[module].points[j];
            const BudgetOption& stored = m_stored[module][j];
            options.push_back({point.bits, point.sparsity, stored.cost, jsonNumber(stored.error)});
            headers.push_back(m_onDisk[module][j].cost - stored.cost);
        }
        return {{"options", options}, {"header_bytes", headers}, {"chosen", chosen}};
    }

    std::string m_name;
    const std::vector<ModuleCurve>& m_curves;
    double m_scale;
    std::int64_t m_weights = 0;
    std::int64_t m_plain = 0; ///< tensors that stay as they are
    std::int64_t m_fixed = 0; ///< these and the header without the modules
    std::vector<std::vector<BudgetOption>> m_stored, m_onDisk;
};

/// Quantizes every matrix as it was chosen.
std::unique_ptr<LlamaModel> quantizeAsPlanned(
    StudyContext& context, const LoadedModel& model, const Sensitivities& sensitivities,
    const std::vector<ModuleCurve>& curves, const BudgetPlan& plan,
    const CalibrationProgress& onProgress) {
    std::unique_ptr<LlamaModel> made = model.model->share();
    const std::vector<LlamaModel::Module> modules = made->modules();
    for (std::size_t i = 0; i < modules.size(); ++i) {
        context.run.checkpoint();
        const auto& [name, linear] = modules[i];
        onProgress(static_cast<double>(i) / static_cast<double>(modules.size()), name);
        const CurvePoint& point = curves[i].points[plan.choice[i]];
        const Tensor w = hostMatrix(name, *linear, context.exec);
        const Tensor sensitivity = sensitivities.of(name);
        LayerStatistics statistics{.name = name, .sensitivity = sensitivity.view()};
        const std::vector<std::int64_t> sparse = sparseBySaving(
            context.run, context.cpu, w.view(), statistics, point.bits, point.sparseCount);
        statistics.sparse = sparse;
        const Quantizer& quantizer =
            quantizers().at(sparse.empty() ? "squeezellm" : "squeezellm-sparse");
        Weight weight = quantizer.quantize(
            context.run, context.exec, w.view(), statistics, {.bits = point.bits});
        const Device home = context.exec.device();
        linear->weight = home.isCuda() ? toDevice(weight, home, context.exec) : std::move(weight);
    }
    if (context.exec.device().isCuda()) {
        made->fuseProducts(context.exec);
    }
    return made;
}

/// What the file says of its own making; its record says what each matrix got.
Json provenanceOf(const Limit& limit, const LoadedModel& source, const SensitivityRecord& record) {
    return {
        {"method", "budget"},
        {"bytes", limit.bytes},
        {"average_bits", limit.averageBits},
        {"source", std::filesystem::path(source.name).filename().string()},
        {"source_hash", source.hash},
        {"build", buildId()},
        {"calibration", originOf(record)}};
}

/// @return bytes on disk, of which there are never more than the limit.
std::int64_t exportModel(
    const LlamaModel& model, const LoadedModel& source, const Json& provenance, const Json& metrics,
    const Limit& limit) {
    const std::filesystem::path folder = textOf(metrics, "path");
    saveQuantized(model, *source.checkpoint, provenance, folder);
    const std::int64_t bytes = Checkpoint::open(folder)->fileBytes();
    const auto planned = metrics.at("planned_file_bytes").get<std::int64_t>();
    if (bytes > planned || (limit.bytes > 0 && bytes > limit.bytes)) {
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
        throw InternalError(
            folder.string() + " took " + std::to_string(bytes) + " bytes, planned were at most " +
            std::to_string(planned));
    }
    return bytes;
}

void measure(
    Json& metrics, const Spec& spec, StudyContext& context, SweepReference& reference,
    const LlamaModel& model) {
    CellMeasurement cell;
    const std::size_t count = reference.text.windows.size();
    const auto report = [&](std::size_t w) {
        context.run.progress(
            0.7 + 0.3 * static_cast<double>(w) / static_cast<double>(count),
            "window " + std::to_string(w + 1) + " of " + std::to_string(count));
    };
    measureWindows(context, reference, &model, report, cell);
    putLanguageScores(metrics, cell.scores, spec.seed);
    putDistances(metrics, cell, spec.seed);
    metrics["protocol"] = reference.text.protocol;
    metrics["text_name"] = reference.text.name;
    metrics["output_hash"] = hashText(
        metrics["output_hash"].get<std::string>() +
        hashBytes(std::as_bytes(std::span(cell.scores))));
}

class QuantBudget : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return scoringFiles(spec.params);
    }

private:
    StudyInfo m_info{
        .id = "quant.budget",
        .title = "Mixed precision under a budget",
        .summary = "Gives each matrix of a language model the bits and the sparse part that lose "
                   "least in all, within a limit of bytes or of average bits",
        .paper = "SqueezeLLM (arXiv 2306.07629)",
        .params = describeParams(),
        .metrics = describeMetrics()};
};

Json QuantBudget::run(const Spec& spec, StudyContext& context) const {
    const Limit limit = limitFrom(spec.params);
    const std::filesystem::path folder = textOf(spec.params, "out");
    const bool isMeasured = spec.params.at("measure").get<bool>();
    if (!folder.empty()) {
        requireFree(folder);
    }
    const CalibrationChoice calibration = calibrationFrom(spec);
    if (isMeasured) {
        requireOtherText(spec.params);
    }
    const auto source =
        context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    if (!folder.empty()) {
        requireSavable(*source->checkpoint);
    }
    const auto report = [&](double from, double to) {
        return [&run = context.run, from, to](double share, const std::string& what) {
            run.progress(from + (to - from) * share, what);
        };
    };
    const auto start = Clock::now();
    const auto sensitivities = sensitivitiesFor(context, *source, calibration, report(0.0, 0.2));
    const SensitivityRecord& record = sensitivities->record();
    const auto curveStart = Clock::now();
    FoundCurves found = findCurves(context, *source, *sensitivities, report(0.2, 0.5));
    Json metrics{
        {"limit", limit.bytes > 0 ? Json(limit.bytes) : Json(limit.averageBits)},
        {"computed_curves", found.computed},
        {"curve_seconds", secondsSince(curveStart)},
        {"path", folder.string()}};
    requireBits(found.modules, spec.params.at("least_bits").get<int>());
    // Numbers as long as any: what a file takes at least does not hang on the limit's digits.
    const Limit longest{static_cast<std::int64_t>(kMostBytes), 31.400000000000002};
    const BudgetProblem problem(
        *source, found.modules, static_cast<double>(record.length - 1),
        provenanceOf(longest, *source, record));
    const std::int64_t spendable = problem.spendable(limit);
    const auto planStart = Clock::now();
    const BudgetPlan plan = planBudget(problem.options(limit), spendable);
    metrics["plan_seconds"] = secondsSince(planStart);
    problem.putPlan(metrics, plan);
    problem.putUniform(metrics, limit);
    metrics["output_hash"] = hashText(dumpJson(metrics["plan"]));
    if (isMeasured || !folder.empty()) {
        const auto made = quantizeAsPlanned(
            context, *source, *sensitivities, found.modules, plan, report(0.5, 0.7));
        metrics["bytes"] = made->weightBytes();
        metrics["average_bits"] = made->averageQuantizedBits();
        if (!folder.empty()) {
            metrics["file_bytes"] =
                exportModel(*made, *source, provenanceOf(limit, *source, record), metrics, limit);
        }
        if (isMeasured) {
            auto& reference = *context.cache.get<std::unique_ptr<SweepReference>>("reference", [&] {
                return std::make_unique<SweepReference>(spec.params, context);
            });
            measure(metrics, spec, context, reference, *made);
        }
    }
    metrics["seconds"] = secondsSince(start);
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeQuantBudget() { return std::make_unique<QuantBudget>(); }

} // namespace lathe
