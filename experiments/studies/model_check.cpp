// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/io/safetensors.h"
#include "experiments/model_cache.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/text_generation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace lathe {

namespace {

constexpr double kCpuBound = 2e-4;
constexpr double kCudaBound = 2e-3;
/// References of GGUF files were made by a program that sums in another order.
constexpr double kGgufBound = 1e-3;

StudyInfo describeStudy() {
    return {
        .id = "model.check",
        .title = "Check a model against its reference",
        .summary =
            "Runs the inputs of a model's reference file and compares every output and the greedy "
            "text",
        .params =
            {modelParam(),
             {.name = "reference",
              .kind = ParamKind::File,
              .help =
                  "Reference outputs; without one, reference.safetensors in the model's folder, or "
                  "NAME.reference.safetensors beside NAME.gguf"}},
        .metrics = {
            {"outputs", "Outputs", "", 0,
             "Per output: largest absolute error, and largest error relative to the value (values "
             "under "
             "a thousandth of the largest one count as that)"},
            {"greedy_equal", "Greedy text identical", "", 1, {}},
            {"pass", "Passed", "", 1, {}},
            {"max_abs", "Largest absolute error", "", -1, "Over all outputs"},
            {"bound", "Allowed absolute error", "", 0, {}},
            {"output_hash", "Hash of the greedy ids", "", 0, {}}}};
}

std::vector<TokenId> readIds(const SafetensorsFile& file, const std::string& name) {
    const Tensor tensor = file.tensor(name);
    if (tensor.dtype() == DType::I32) {
        const auto ids = tensor.view().as<std::int32_t>();
        return {ids.begin(), ids.end()};
    }
    throw FormatError(
        file.path().string() + ": '" + name + "' is " + std::string(nameOf(tensor.dtype())) +
        ", ids must be I32");
}

std::filesystem::path referencePath(const Json& params, const std::filesystem::path& model) {
    if (const std::string given = textOf(params, "reference"); !given.empty()) {
        return given;
    }
    if (std::filesystem::is_directory(model)) {
        return model / "reference.safetensors";
    }
    std::filesystem::path beside = model;
    return beside.replace_extension(".reference.safetensors");
}

/// What the model gave, on the host.
struct HostRows {
    std::vector<float> values;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
};

HostRows toHost(ExecContext& context, ConstView view) {
    HostRows host{
        std::vector<float>(static_cast<std::size_t>(view.elementCount())), view.shape[0],
        view.shape.rowElements()};
    copy(context, view, viewOf(std::span(host.values), view.shape));
    return host;
}

/// Rows of `host` in the order of `positions`.
HostRows
pickRows(const HostRows& host, const std::vector<TokenId>& positions, const std::string& file) {
    HostRows picked{{}, static_cast<std::int64_t>(positions.size()), host.columns};
    for (const TokenId position : positions) {
        if (position < 0 || position >= host.rows) {
            throw FormatError(
                file + ": position " + std::to_string(position) + " is outside of the " +
                std::to_string(host.rows) + " input ids");
        }
        const auto from = host.values.begin() + position * host.columns;
        picked.values.insert(picked.values.end(), from, from + host.columns);
    }
    return picked;
}

/// A reference file as far as this study reads it.
struct Reference {
    SafetensorsFile file;
    std::string logits = "logits";
    std::string greedy = "greedy_ids";
    bool dequantized = false;

    explicit Reference(const std::filesystem::path& path) : file(SafetensorsFile::open(path)) {
        if (file.contains("logits_dequantized")) {
            logits = "logits_dequantized";
            greedy = "greedy_ids_dequantized";
            dequantized = true;
        }
        for (const std::string& name : {std::string("input_ids"), logits}) {
            if (!file.contains(name)) {
                throw FormatError(path.string() + ": tensor '" + name + "' is missing");
            }
        }
    }

    std::vector<int> hiddenLayers() const {
        static const std::string kPrefix = "hidden_after_layer_";
        std::vector<int> layers;
        for (const auto& [name, entry] : file.entries()) {
            if (name.starts_with(kPrefix)) {
                layers.push_back(std::atoi(name.c_str() + kPrefix.size()));
            }
        }
        return layers;
    }
};

/// Largest deviations of `got` from a tensor of the reference. Anything not finite counts as
/// infinite.
Json compare(
    const Reference& reference, const std::string& name, const HostRows& got, double bound) {
    const Tensor tensor = reference.file.tensor(name);
    const Shape shape{got.rows, got.columns};
    if (tensor.dtype() != DType::F32 || !(tensor.shape() == shape)) {
        throw FormatError(
            reference.file.path().string() + ": '" + name + "' is " +
            std::string(nameOf(tensor.dtype())) + " " + tensor.shape().text() +
            ", the model gives F32 " + shape.text());
    }
    const auto wanted = tensor.view().as<float>();
    double largest = 0.0;
    for (const float value : wanted) {
        largest = std::max(largest, std::fabs(static_cast<double>(value)));
    }
    const double floor = std::max(largest * 1e-3, std::numeric_limits<double>::min());
    double absolute = 0.0;
    double relative = 0.0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double want = wanted[i];
        double away = std::fabs(static_cast<double>(got.values[i]) - want);
        if (!std::isfinite(away)) {
            away = std::numeric_limits<double>::infinity();
        }
        absolute = std::max(absolute, away);
        relative = std::max(relative, away / std::max(std::fabs(want), floor));
    }
    return {
        {"name", name},
        {"max_abs", jsonNumber(absolute)},
        {"max_rel", jsonNumber(relative)},
        {"bound", bound},
        {"pass", absolute <= bound}};
}

/// Logits of the input ids fed as they are when text is made.
HostRows
logitsByStep(StudyContext& context, const LlamaModel& model, std::span<const TokenId> input) {
    const auto state = model.begin(context.exec, static_cast<std::int64_t>(input.size()));
    HostRows all;
    for (std::size_t i = 0; i < input.size(); ++i) {
        context.run.checkpoint();
        const DecodeSlot slot{*state, input.subspan(i, 1)};
        const HostRows row = toHost(context.exec, model.forward(context.exec, {&slot, 1}));
        all.values.insert(all.values.end(), row.values.begin(), row.values.end());
        all.rows += row.rows;
        all.columns = row.columns;
    }
    return all;
}

/// Runs the input ids once, and token by token, and compares hidden states and logits.
Json compareOutputs(
    StudyContext& context, const LlamaModel& model, const Reference& reference, double bound) {
    const std::vector<TokenId> input = readIds(reference.file, "input_ids");
    LATHE_CHECK(
        !input.empty() && static_cast<std::int64_t>(input.size()) <= model.maxPositions(),
        reference.file.path().string() + ": " + std::to_string(input.size()) +
            " input ids do not fit the model's " + std::to_string(model.maxPositions()) +
            " positions");
    const std::vector<int> wantedLayers = reference.hiddenLayers();
    std::map<int, HostRows> hidden;
    const auto observer = [&](int layer, ConstView view) {
        if (std::ranges::find(wantedLayers, layer) != wantedLayers.end()) {
            hidden[layer] = toHost(context.exec, view);
        }
    };
    const auto state = model.begin(context.exec, static_cast<std::int64_t>(input.size()));
    const DecodeSlot slot{*state, input};
    HostRows logits =
        toHost(context.exec, model.forwardObserved(context.exec, {&slot, 1}, observer));
    Json outputs = Json::array();
    for (const int layer : wantedLayers) {
        const std::string name = "hidden_after_layer_" + std::to_string(layer);
        if (!hidden.contains(layer)) {
            throw FormatError(
                reference.file.path().string() + ": '" + name +
                "' is of a layer that the model lacks");
        }
        outputs.push_back(compare(reference, name, hidden[layer], bound));
    }
    const auto pick = [&](HostRows rows) {
        return reference.file.contains("positions")
                   ? pickRows(
                         rows, readIds(reference.file, "positions"), reference.file.path().string())
                   : std::move(rows);
    };
    logits = pick(std::move(logits));
    outputs.push_back(compare(reference, reference.logits, logits, bound));
    Json steps =
        compare(reference, reference.logits, pick(logitsByStep(context, model, input)), bound);
    steps["name"] = reference.logits + ", one token a step";
    outputs.push_back(std::move(steps));
    return outputs;
}

/// Makes exactly as many ids as the reference has, end-of-text ignored.
std::vector<TokenId> greedyIds(
    const Spec& spec, StudyContext& context, const LlamaModel& model,
    const std::vector<TokenId>& prompt, std::size_t total) {
    LATHE_CHECK(
        !prompt.empty() && prompt.size() < total,
        "the reference's greedy ids must continue its prompt ids");
    GenerateOptions options{.maxNew = static_cast<int>(total - prompt.size()), .stopAtEos = false};
    Random random(spec.seed);
    return generate(
        context.run, context.exec, model, prompt, std::nullopt, options, random,
        [](const GeneratedToken&) {});
}

class ModelCheck : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    bool failed(const Json& metrics) const override { return !metrics.value("pass", false); }
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        const auto file = referencePath(spec.params, resolveModel(textOf(spec.params, "model")));
        return std::filesystem::is_regular_file(file) ? std::vector{file}
                                                      : std::vector<std::filesystem::path>{};
    }

private:
    StudyInfo m_info = describeStudy();
};

Json ModelCheck::run(const Spec& spec, StudyContext& context) const {
    const std::string name = textOf(spec.params, "model");
    // First the reference: a folder without one needs no loading to be refused.
    const Reference reference(referencePath(spec.params, resolveModel(name)));
    const auto model = context.models.load(name, context.exec, context.run);
    double bound = reference.dequantized ? kGgufBound : kCpuBound;
    if (context.exec.device().isCuda()) {
        bound = std::max(bound, kCudaBound);
    }
    context.run.progress(0.3, "comparing outputs");
    Json outputs = compareOutputs(context, *model->model, reference, bound);
    bool pass = std::ranges::all_of(
        outputs, [](const Json& output) { return output.at("pass").get<bool>(); });
    Json metrics{{"reference", reference.file.path().string()}, {"bound", bound}};
    if (reference.file.contains(reference.greedy) && reference.file.contains("prompt_ids")) {
        context.run.progress(0.6, "comparing greedy text");
        const std::vector<TokenId> wanted = readIds(reference.file, reference.greedy);
        const std::vector<TokenId> made = greedyIds(
            spec, context, *model->model, readIds(reference.file, "prompt_ids"), wanted.size());
        metrics["greedy_equal"] = made == wanted;
        metrics["greedy_ids"] = made;
        metrics["output_hash"] = hashIds(made);
        pass = pass && made == wanted;
    } else {
        context.run.log(LogLevel::Warning, "the reference has no greedy ids to compare");
        metrics["greedy_equal"] = nullptr;
    }
    double largest = 0.0;
    for (const Json& output : outputs) {
        largest = std::max(
            largest, output.at("max_abs").is_null() ? std::numeric_limits<double>::infinity()
                                                    : output.at("max_abs").get<double>());
    }
    metrics["max_abs"] = jsonNumber(largest);
    metrics["outputs"] = std::move(outputs);
    metrics["pass"] = pass;
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeModelCheck() { return std::make_unique<ModelCheck>(); }

} // namespace lathe
