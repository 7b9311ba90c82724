// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/quant_sweep.h"

#include "engine/core/hash.h"
#include "engine/quant/quantizer.h"
#include "experiments/quantize_model.h"
#include "experiments/scoring.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <chrono>
#include <functional>

namespace lathe {

namespace {

/// Reference logits kept for the whole run; windows beyond it are scored by the float model again.
constexpr std::size_t kReferenceBytes = std::size_t{512} << 20;
constexpr const char* kFloat = "float";

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What all cells of a run share: the float model and its predictions.
class SweepReference {
public:
    SweepReference(const Json& params, StudyContext& context)
        : model(context.models.load(textOf(params, "model"), context.exec, context.run)),
          text(scoringTextFrom(params, *model, context.run)), m_exec(context.exec),
          m_scorer(context.exec, *model->model, text), m_kept(text.windows.size()) {}

    /// The float model's scored rows of a window; valid until the next call.
    ConstView rows(std::size_t window) {
        if (m_kept[window]) {
            return m_kept[window]->view();
        }
        const auto start = Clock::now();
        const ConstView fresh = m_scorer.logits(window);
        // The next forward of any model on this context overwrites what the scorer gave.
        Tensor copied = Tensor::empty(fresh.shape, fresh.dtype, fresh.device);
        copy(m_exec, fresh, copied.view());
        m_exec.synchronize();
        m_seconds += secondsSince(start);
        if (m_keptBytes + copied.bytes() > kReferenceBytes) {
            m_passing = std::move(copied);
            return m_passing.view();
        }
        m_keptBytes += copied.bytes();
        m_kept[window] = std::move(copied);
        return m_kept[window]->view();
    }

    WindowScore score(std::size_t window, ConstView rows) { return m_scorer.score(window, rows); }
    /// What the float model's forwards have taken so far: no quantized cell's own time.
    double seconds() const { return m_seconds; }

    std::shared_ptr<const LoadedModel> model;
    ScoringText text;

private:
    ExecContext& m_exec;
    WindowScorer m_scorer;
    std::vector<std::optional<Tensor>> m_kept;
    Tensor m_passing;
    std::size_t m_keptBytes = 0;
    double m_seconds = 0.0;
};

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "quant.sweep",
        .title = "Quantization sweep",
        .summary =
            "Quantizes a language model in several ways and measures size and loss of quality",
        .paper = "SqueezeLLM (arXiv 2306.07629)",
        .params = {modelParam()}};
    append(info.params, quantizerParams(true));
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
         {.name = "skip",
          .kind = ParamKind::Text,
          .defaultValue = "",
          .help = "Cells to leave out of the grid: method:bits or method:bits:group, separated by "
                  "commas",
          .advanced = true}});
    info.metrics = languageMetrics();
    append<MetricInfo>(
        info.metrics,
        {{"kl_mean", "KL divergence from float", "nat", -1, "Mean over the scored tokens"},
         {"kl_mean_low", "KL divergence, lower bound", "nat", 0, "95 % bootstrap over windows"},
         {"kl_mean_high", "KL divergence, upper bound", "nat", 0, "95 % bootstrap over windows"},
         {"top1_agreement", "Top-1 agreement with float", "", 1,
          "Share of tokens whose most probable continuation stays the same"},
         {"top1_agreement_low", "Top-1 agreement, lower bound", "", 0, {}},
         {"top1_agreement_high", "Top-1 agreement, upper bound", "", 0, {}},
         {"bytes", "Size", "byte", -1, "All weights as stored"},
         {"average_bits", "Average bits", "bit", -1,
          "Of the quantized matrices, their tables, scales and zeros counted"},
         {"seconds", "Time", "s", -1,
          "Quantizing, scoring (with --repeat, the median) and the sample; without loading the "
          "model"},
         {"quantize_seconds", "Time to quantize", "s", -1, {}},
         {"sample", "Sample", "", 0, "Greedy continuation of the prompt"},
         {"sample_ids", "Sample ids", "", 0, {}},
         {"output_hash", "Hash of losses and sample", "", 0, {}}});
    return info;
}

/// The values of an axis, or the one fixed value.
std::vector<Json> axisValues(const Spec& spec, const std::string& name) {
    if (const auto swept = spec.sweep.find(name); swept != spec.sweep.end()) {
        return {swept->begin(), swept->end()};
    }
    return {spec.params.at(name)};
}

/// The entries of `skip`: "kmeans:8" or "rtn:4:64".
/// @throws InputError for one that is no method with a number of bits.
std::vector<std::string> skippedCells(const std::string& skip) {
    std::vector<std::string> entries;
    std::string entry;
    for (std::size_t from = 0; from <= skip.size(); from += entry.size() + 1) {
        entry = skip.substr(from, skip.find(',', from) - from);
        const auto first = entry.find_first_not_of(' ');
        if (first == std::string::npos) {
            continue;
        }
        const std::string name = entry.substr(first, entry.find_last_not_of(' ') - first + 1);
        const std::size_t colon = name.find(':');
        const bool numbered = colon != std::string::npos && colon + 1 < name.size() &&
                              name.find_first_not_of("0123456789:", colon) == std::string::npos;
        if (!numbered || !quantizers().contains(name.substr(0, colon))) {
            throw InputError(
                "--skip: '" + name +
                "' is no cell; write method:bits or method:bits:group, as in "
                "kmeans:8");
        }
        entries.push_back(name);
    }
    return entries;
}

bool isSkipped(const std::vector<std::string>& skipped, const Json& cell) {
    const std::string shortName =
        cell.at("method").get<std::string>() + ":" + valueText(cell.at("bits"));
    const std::string longName = shortName + ":" + valueText(cell.at("group"));
    return std::ranges::any_of(
        skipped, [&](const std::string& name) { return name == shortName || name == longName; });
}

/// Bits of the float model's matrices as stored.
int storedBits(const std::string& model) {
    const auto checkpoint = Checkpoint::open(resolveModel(model));
    const std::string matrix = "model.layers.0.self_attn.q_proj.weight";
    const auto entry = checkpoint->entries().find(matrix);
    if (entry == checkpoint->entries().end()) {
        throw InputError(
            model + " has no float tensor " + matrix +
            ": it is quantized already or of another kind; choose the float model it came from");
    }
    return static_cast<int>(sizeOf(entry->second.dtype) * 8);
}

class QuantSweep : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    std::vector<Json> cells(const Spec& spec) const override {
        return sweepCells(spec, storedBits(textOf(spec.params, "model")));
    }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return scoringFiles(spec.params);
    }

private:
    StudyInfo m_info = describeStudy();
};

/// One cell while it is measured.
struct CellMeasurement {
    std::vector<WindowScore> scores;
    std::vector<double> kl, agreement, tokens;
};

/// @param report is told which window comes next.
void measureWindows(
    StudyContext& context, SweepReference& reference, const LlamaModel* quantized,
    const std::function<void(std::size_t)>& report, CellMeasurement& cell) {
    const std::size_t count = reference.text.windows.size();
    std::optional<WindowScorer> scorer;
    if (quantized != nullptr) {
        scorer.emplace(context.exec, *quantized, reference.text);
    }
    for (std::size_t w = 0; w < count; ++w) {
        context.run.checkpoint();
        report(w);
        const ConstView wanted = reference.rows(w);
        const ConstView rows = scorer ? scorer->logits(w) : wanted;
        const WindowDistance away = distance(context.exec, wanted, rows);
        cell.scores.push_back(reference.score(w, rows));
        cell.kl.push_back(away.kl);
        cell.agreement.push_back(away.agreement);
        cell.tokens.push_back(cell.scores.back().tokens);
    }
}

void putDistances(Json& metrics, const CellMeasurement& cell, std::uint64_t seed) {
    const auto put = [&](const char* name, const std::vector<double>& sums) {
        const double value = mean(sums) / mean(cell.tokens);
        putWithInterval(metrics, name, value, bootstrapRatio(sums, cell.tokens, seed));
    };
    put("kl_mean", cell.kl);
    put("top1_agreement", cell.agreement);
}

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

Json QuantSweep::run(const Spec& spec, StudyContext& context) const {
    auto& reference = *context.cache.get<std::unique_ptr<SweepReference>>(
        "reference", [&] { return std::make_unique<SweepReference>(spec.params, context); });
    const bool isFloat = spec.params.at("method") == kFloat;
    const QuantizeChoice choice{
        .method = textOf(spec.params, "method"),
        .bits = spec.params.at("bits").get<int>(),
        .group = groupSize(spec.params.at("group"))};
    const std::string title = isFloat ? std::string(kFloat) : choice.title();
    std::unique_ptr<LlamaModel> quantized;
    const auto quantizeStart = Clock::now();
    if (!isFloat) {
        quantized = quantizeModel(
            context, *reference.model->model, choice, [&](double share, const std::string& module) {
                context.run.progress(0.4 * share, title + ": quantizing " + module);
            });
    }
    const double quantizeSeconds = isFloat ? 0.0 : secondsSince(quantizeStart);
    const LlamaModel& model = isFloat ? *reference.model->model : *quantized;
    CellMeasurement cell;
    std::vector<double> scoreSeconds;
    const int turns = isFloat ? 1 : spec.repeat; // its rows are kept: a second turn takes no time
    const std::size_t count = reference.text.windows.size();
    for (int turn = 0; turn < turns; ++turn) {
        const auto start = Clock::now();
        const double before = reference.seconds();
        const auto report = [&](std::size_t w) {
            const double done = turn + static_cast<double>(w) / static_cast<double>(count);
            context.run.progress(
                0.4 + 0.5 * done / turns,
                title + ": window " + std::to_string(w + 1) + " of " + std::to_string(count));
        };
        cell = {};
        measureWindows(context, reference, quantized.get(), report, cell);
        const double others = isFloat ? 0.0 : reference.seconds() - before;
        scoreSeconds.push_back(secondsSince(start) - others);
    }
    Json metrics = Json::object();
    putLanguageScores(metrics, cell.scores, spec.seed);
    putDistances(metrics, cell, spec.seed);
    context.run.progress(0.9, title + ": sample");
    const auto sampleStart = Clock::now();
    putSample(metrics, spec, context, reference, model);
    metrics["protocol"] = reference.text.protocol;
    metrics["text_name"] = reference.text.name;
    metrics["bytes"] = model.weightBytes();
    metrics["average_bits"] =
        isFloat ? static_cast<double>(choice.bits) : model.averageQuantizedBits();
    metrics["quantize_seconds"] = quantizeSeconds;
    metrics["seconds"] = quantizeSeconds + median(scoreSeconds) + secondsSince(sampleStart);
    metrics["output_hash"] = hashText(
        hashBytes(std::as_bytes(std::span(cell.scores))) + dumpJson(metrics["sample_ids"]));
    return metrics;
}

} // namespace

std::vector<Json> sweepCells(const Spec& spec, int floatBits) {
    Json base = spec.params;
    base.erase("skip");
    std::vector<Json> cells{base};
    cells[0]["method"] = kFloat;
    cells[0]["bits"] = floatBits;
    cells[0]["group"] = 0;
    const std::vector<std::string> skip = skippedCells(textOf(spec.params, "skip"));
    for (const Json& method : axisValues(spec, "method")) {
        const bool grouped = quantizers().at(method.get<std::string>()).info().usesGroups;
        for (const Json& bits : axisValues(spec, "bits")) {
            for (const Json& group : axisValues(spec, "group")) {
                Json cell = base;
                cell["method"] = method;
                cell["bits"] = bits;
                cell["group"] = grouped ? groupSize(group) : 0;
                if (!isSkipped(skip, cell) && std::ranges::find(cells, cell) == cells.end()) {
                    cells.push_back(std::move(cell));
                }
            }
        }
    }
    return cells;
}

std::unique_ptr<Study> makeQuantSweep() { return std::make_unique<QuantSweep>(); }

} // namespace lathe
