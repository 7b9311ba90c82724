// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "experiments/elapsed.h"
#include "experiments/kl_scoring.h"
#include "experiments/quantize_model.h"
#include "experiments/runner.h"
#include "experiments/studies/budget_problem.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>

namespace lathe {

namespace {

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
         {.name = "measured_curves",
          .kind = ParamKind::Flag,
          .defaultValue = true,
          .help = "Correct each matrix's curve by the loss that it alone causes at few bits, "
                  "measured on the calibration text: a forward pass per matrix, bit count and "
                  "sample, once per model and text",
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
         "Sum over the matrices, corrected by their measured losses"},
        {"second_order_kl", "Predicted KL divergence, second order", "nat", -1,
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
        {"computed_losses", "Measured matrices", "", 0, "0: all were in the cache"},
        {"losses", "Losses of single matrices", "nat", 0,
         "Of each matrix all [bits, predicted by second order, measured]"},
        {"loss_seconds", "Time for the losses", "s", -1, {}},
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

BudgetLimit limitFrom(const Json& params) {
    const BudgetLimit limit{
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
        linear->weight =
            quantizedAs(context, name, *linear, sensitivities, curves[i].points[plan.choice[i]]);
    }
    if (context.exec.device().isCuda()) {
        made->fuseProducts(context.exec);
    }
    return made;
}

/// The losses of single matrices, and what is said of them; none of any when they are not wanted.
std::vector<std::vector<MeasuredLoss>> lossesFor(
    Json& metrics, const Spec& spec, StudyContext& context,
    const std::shared_ptr<const LoadedModel>& model, const Sensitivities& sensitivities,
    const std::vector<ModuleCurve>& curves, const CalibrationProgress& onProgress) {
    if (!spec.params.at("measured_curves").get<bool>()) {
        return std::vector<std::vector<MeasuredLoss>>(curves.size());
    }
    const auto start = Clock::now();
    FoundLosses found =
        findLosses(context, model, sensitivities, calibrationFrom(spec), curves, onProgress);
    metrics["computed_losses"] = found.computed;
    metrics["loss_seconds"] = secondsSince(start);
    Json& all = metrics["losses"] = Json::object();
    for (std::size_t i = 0; i < curves.size(); ++i) {
        Json& own = all[curves[i].name] = Json::array();
        for (const MeasuredLoss& loss : found.modules[i]) {
            own.push_back({loss.bits, jsonNumber(loss.predicted), jsonNumber(loss.measured)});
        }
    }
    return std::move(found.modules);
}

/// What the file says of its own making; its record says what each matrix got.
Json provenanceOf(
    const BudgetLimit& limit, const LoadedModel& source, const SensitivityRecord& record) {
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
    const BudgetLimit& limit) {
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
    const BudgetLimit limit = limitFrom(spec.params);
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
    FoundCurves found = findCurves(context, *source, *sensitivities, report(0.2, 0.4));
    Json metrics{
        {"limit", limit.bytes > 0 ? Json(limit.bytes) : Json(limit.averageBits)},
        {"computed_curves", found.computed},
        {"curve_seconds", secondsSince(curveStart)},
        {"path", folder.string()}};
    const auto losses =
        lossesFor(metrics, spec, context, source, *sensitivities, found.modules, report(0.4, 0.6));
    requireBits(found.modules, spec.params.at("least_bits").get<int>());
    // Numbers as long as any: what a file takes at least does not hang on the limit's digits.
    const BudgetLimit longest{static_cast<std::int64_t>(kMostBytes), 31.400000000000002};
    const BudgetProblem problem(
        *source, found.modules, losses, static_cast<double>(record.length - 1),
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
            context, *source, *sensitivities, found.modules, plan, report(0.6, 0.7));
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
