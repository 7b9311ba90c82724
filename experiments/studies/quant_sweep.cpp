// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "experiments/elapsed.h"
#include "experiments/kl_scoring.h"
#include "experiments/quantize_model.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/studies/sweep_cells.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <functional>

namespace lathe {

namespace {

std::vector<MetricInfo> sweepMetrics() {
    std::vector<MetricInfo> metrics = languageMetrics();
    append(metrics, divergenceMetrics());
    append<MetricInfo>(
        metrics, {{"kl_over_kmeans", "KL divergence over that of k-means", "", -1,
                   "Of the run's kmeans cell of the same bits"},
                  {"kl_over_kmeans_low", "KL divergence over that of k-means, lower bound", "", 0,
                   "95 % paired bootstrap over windows"},
                  {"kl_over_kmeans_high", "KL divergence over that of k-means, upper bound", "", 0,
                   "95 % paired bootstrap over windows"}});
    append(metrics, windowMetrics());
    append<MetricInfo>(
        metrics, {{"predicted_kl", "Predicted KL divergence", "nat", -1,
                   "Half the sum of T * sensitivity * error^2 over all weights"},
                  {"sparse_share", "Sparse share", "", 0, "Of the quantized matrices' weights"},
                  {"fence_factor", "Outlier fence", "", 0,
                   "Distance from the quartiles in units of their own distance"}});
    append(metrics, agreementMetrics());
    append<MetricInfo>(
        metrics,
        {{"bytes", "Size", "byte", -1, "All weights as stored"},
         {"average_bits", "Average bits", "bit", -1,
          "Of the quantized matrices; tables, scales, zeros and sparse parts counted"},
         {"seconds", "Time", "s", -1,
          "Quantizing, scoring (with --repeat, the median) and the sample; without loading the "
          "model"},
         {"quantize_seconds", "Time to quantize", "s", -1, {}},
         {"sample", "Sample", "", 0, "Greedy continuation of the prompt"},
         {"sample_ids", "Sample ids", "", 0, {}},
         {"output_hash", "Hash of losses and sample", "", 0, {}}});
    return metrics;
}

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "quant.sweep",
        .title = "Quantization sweep",
        .summary =
            "Quantizes a language model in several ways and measures size and loss of quality",
        .paper = "SqueezeLLM (arXiv 2306.07629)",
        .params = {modelParam()}};
    append(info.params, quantizerParams(true));
    append(info.params, calibrationParams());
    append(info.params, scoringParams());
    append<ParamSpec>(
        info.params,
        {{.name = "prompt",
          .kind = ParamKind::Text,
          .defaultValue = "It was a dark night, and the old captain",
          .help = "Every cell continues this text greedily, for a look at what is lost",
          .advanced = true},
         {.name = "sample_tokens",
          .kind = ParamKind::Integer,
          .defaultValue = 48,
          .help = "Length of that sample; 0: none",
          .unit = "token",
          .minimum = 0,
          .maximum = 4096,
          .advanced = true},
         {.name = "tensors",
          .kind = ParamKind::Text,
          .defaultValue = "all",
          .help = "Quantize all matrices together (all), each one alone (each), or the one named",
          .advanced = true},
         {.name = "predict",
          .kind = ParamKind::Flag,
          .defaultValue = false,
          .help = "Predict the loss from sensitivities for methods that do without them, too",
          .advanced = true},
         {.name = "kmeans_baseline",
          .kind = ParamKind::Flag,
          .defaultValue = true,
          .help =
              "Compare each divergence with that of kmeans at the same bits, if the sweep has it",
          .advanced = true},
         {.name = "skip",
          .kind = ParamKind::Text,
          .defaultValue = "",
          .help = "Cells to leave out of the grid: method:bits or method:bits:group, separated by "
                  "commas",
          .advanced = true}});
    info.metrics = sweepMetrics();
    return info;
}

class QuantSweep : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<Json> cells(const Spec& spec) const override {
        requireOtherText(spec.params);
        return sweepCells(spec, sweepFacts(spec));
    }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        std::vector<std::filesystem::path> files = scoringFiles(spec.params);
        for (const Json& method : axisValues(spec, "method")) {
            if (std::string file = sweepFile(method.get<std::string>()); !file.empty()) {
                files.emplace_back(std::move(file));
            }
        }
        return files;
    }

private:
    StudyInfo m_info = describeStudy();
};

void putSample(
    Json& metrics, const Spec& spec, StudyContext& context, const SweepReference& reference,
    const LlamaModel& model) {
    const int length = spec.params.at("sample_tokens").get<int>();
    metrics["sample"] = "";
    metrics["sample_ids"] = Json::array();
    if (length == 0) {
        return;
    }
    const Tokenizer& tokenizer = reference.model->requireTokenizer();
    const Continuation sample = continueText(
        context, model, tokenizer,
        {.modelName = reference.model->name,
         .prompt = promptIds(tokenizer, textOf(spec.params, "prompt")),
         .options = {.maxNew = length, .stopAtEos = false},
         .seed = spec.seed});
    metrics["sample"] = sample.text;
    metrics["sample_ids"] = sample.ids;
}

/// The model of one cell and what is known of it without measuring.
struct Setting {
    std::string title;
    bool isFloat = false;
    std::unique_ptr<LlamaModel> quantized;   ///< here,
    std::shared_ptr<const LoadedModel> file; ///< or from a file; neither: the float model
    Json facts = Json::object();
    double seconds = 0.0; ///< that quantizing took

    const LlamaModel& model(const SweepReference& reference) const {
        return quantized ? *quantized : file ? *file->model : *reference.model->model;
    }
};

void putSizes(Json& facts, std::int64_t bytes, double averageBits) {
    facts["bytes"] = bytes;
    facts["average_bits"] = averageBits;
}

/// A file of llama.cpp, as it was quantized there.
void loadFile(
    Setting& setting, const std::string& path, StudyContext& context,
    const SweepReference& reference) {
    setting.title = std::filesystem::path(path).filename().string();
    setting.file = context.models.load(path, context.exec, context.run);
    const std::int64_t vocabulary = setting.file->model->vocabularySize();
    LATHE_CHECK(
        vocabulary == reference.model->model->vocabularySize(),
        path + " has a vocabulary of " + std::to_string(vocabulary) + " tokens, " +
            reference.model->name + " one of " +
            std::to_string(reference.model->model->vocabularySize()) +
            "; only forms of the same model compare");
    const Checkpoint& checkpoint = *setting.file->checkpoint;
    std::int64_t bytes = 0;
    for (const auto& [name, entry] : checkpoint.entries()) {
        bytes += checkpoint.storedBytes(name);
    }
    putSizes(setting.facts, bytes, storedAverageBits(checkpoint));
}

void quantizeSetting(
    Setting& setting, const Spec& spec, StudyContext& context, const SweepReference& reference) {
    QuantizeChoice choice = quantizeChoiceFrom(spec);
    choice.tensors = textOf(spec.params, "tensors");
    choice.predict = spec.params.at("predict").get<bool>();
    setting.title = choice.title();
    QuantizedModel made = quantizeModel(
        context, *reference.model, choice, [&](double share, const std::string& what) {
            context.run.progress(0.4 * share, setting.title + ": " + what);
        });
    setting.quantized = std::move(made.model);
    putSizes(
        setting.facts, setting.quantized->weightBytes(), setting.quantized->averageQuantizedBits());
    setting.facts["sparse_share"] = made.sparseShare;
    if (made.predictedLoss) {
        setting.facts["predicted_kl"] = jsonNumber(*made.predictedLoss);
    }
    if (made.fenceFactor) {
        setting.facts["fence_factor"] = jsonNumber(*made.fenceFactor);
    }
}

Setting settingOf(const Spec& spec, StudyContext& context, const SweepReference& reference) {
    Setting setting;
    const std::string method = textOf(spec.params, "method");
    const auto start = Clock::now();
    if (method == kFloatMethod) {
        setting.isFloat = true;
        setting.title = method;
        putSizes(
            setting.facts, reference.model->model->weightBytes(),
            storedAverageBits(*reference.model->checkpoint));
        return setting;
    }
    if (const std::string path = sweepFile(method); !path.empty()) {
        loadFile(setting, path, context, reference);
    } else {
        quantizeSetting(setting, spec, context, reference);
        setting.seconds = secondsSince(start);
    }
    return setting;
}

/// Scores all windows `turns` times. @return seconds of each turn, the float model's not counted
std::vector<double> measure(
    StudyContext& context, SweepReference& reference, const Setting& setting, int turns,
    CellMeasurement& cell) {
    const std::size_t count = reference.text.windows.size();
    const LlamaModel* model = setting.isFloat ? nullptr : &setting.model(reference);
    std::vector<double> seconds;
    for (int turn = 0; turn < turns; ++turn) {
        const auto start = Clock::now();
        const double before = reference.seconds();
        const auto report = [&](std::size_t w) {
            const double done = turn + static_cast<double>(w) / static_cast<double>(count);
            context.run.progress(
                0.4 + 0.5 * done / turns, setting.title + ": window " + std::to_string(w + 1) +
                                              " of " + std::to_string(count));
        };
        cell = {};
        measureWindows(context, reference, model, report, cell);
        const double others = setting.isFloat ? 0.0 : reference.seconds() - before;
        seconds.push_back(secondsSince(start) - others);
    }
    return seconds;
}

std::string baselineKey(const Spec& spec) {
    return "kmeans " + valueText(spec.params.at("bits")) + " " + textOf(spec.params, "tensors");
}

/// The divergence of each window under plain k-means of the same matrices and bits. Where that cell
/// is yet to come, or was finished in an earlier run, it is measured here as well.
const std::vector<double>&
baselineOf(const Spec& spec, StudyContext& context, SweepReference& reference) {
    return context.cache.get<std::vector<double>>(baselineKey(spec), [&] {
        const QuantizeChoice choice{
            .method = "kmeans",
            .bits = spec.params.at("bits").get<int>(),
            .tensors = textOf(spec.params, "tensors"),
            .calibration = {}};
        const std::string title = choice.title() + ", to compare with: ";
        const QuantizedModel made =
            quantizeModel(context, *reference.model, choice, [&](double, const std::string& what) {
                context.run.progress(0.9, title + what);
            });
        CellMeasurement cell;
        measureWindows(
            context, reference, made.model.get(),
            [&](std::size_t w) {
                context.run.progress(0.9, title + "window " + std::to_string(w + 1));
            },
            cell);
        return cell.kl;
    });
}

void putAgainstKmeans(
    Json& metrics, const Spec& spec, StudyContext& context, SweepReference& reference,
    const CellMeasurement& cell) {
    if (spec.params.at("method") == "kmeans") {
        context.cache.get<std::vector<double>>(baselineKey(spec), [&] { return cell.kl; });
    } else if (spec.params.at("kmeans_baseline").get<bool>()) {
        const PairedComparison compared =
            pairedBootstrap(cell.kl, baselineOf(spec, context, reference), cell.tokens, spec.seed);
        putWithInterval(metrics, "kl_over_kmeans", compared.ratio, compared.ratioInterval);
    }
}

Json QuantSweep::run(const Spec& spec, StudyContext& context) const {
    auto& reference = *context.cache.get<std::unique_ptr<SweepReference>>(
        "reference", [&] { return std::make_unique<SweepReference>(spec.params, context); });
    const Setting setting = settingOf(spec, context, reference);
    CellMeasurement cell;
    // The float model's rows are kept: a second turn would take no time.
    const std::vector<double> scoreSeconds =
        measure(context, reference, setting, setting.isFloat ? 1 : spec.repeat, cell);
    Json metrics = setting.facts;
    putLanguageScores(metrics, cell.scores, spec.seed);
    putDistances(metrics, cell, spec.seed);
    putAgainstKmeans(metrics, spec, context, reference, cell);
    context.run.progress(0.9, setting.title + ": sample");
    const auto sampleStart = Clock::now();
    putSample(metrics, spec, context, reference, setting.model(reference));
    metrics["protocol"] = reference.text.protocol;
    metrics["text_name"] = reference.text.name;
    metrics["quantize_seconds"] = setting.seconds;
    metrics["seconds"] = setting.seconds + median(scoreSeconds) + secondsSince(sampleStart);
    metrics["output_hash"] = hashText(
        hashBytes(std::as_bytes(std::span(cell.scores))) + dumpJson(metrics["sample_ids"]));
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeQuantSweep() { return std::make_unique<QuantSweep>(); }

} // namespace lathe
