// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"
#include "experiments/studies/reference_check.h"

#include <algorithm>
#include <map>

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
            {"rows_equal", "Rows independent of their call", "", 1,
             "Of encoder-decoders: logits of 2 to 12 tokens a call, and of all texts in one batch, "
             "bit for bit those of one token a call. Drafts that are undone wherever the big model "
             "differs then give its own text"},
            {"pass", "Passed", "", 1, {}},
            {"max_abs", "Largest absolute error", "", -1, "Over all outputs"},
            {"bound", "Allowed absolute error", "", 0, {}},
            {"output_hash", "Hash of the greedy ids", "", 0, {}}}};
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

    explicit Reference(SafetensorsFile opened) : file(std::move(opened)) {
        if (file.contains("logits_dequantized")) {
            logits = "logits_dequantized";
            greedy = "greedy_ids_dequantized";
            dequantized = true;
        }
        for (const std::string& name : {std::string("input_ids"), logits}) {
            if (!file.contains(name)) {
                throw FormatError(file.path().string() + ": tensor '" + name + "' is missing");
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
        outputs.push_back(compareRows(reference.file, name, hidden[layer], bound));
    }
    const auto pick = [&](HostRows rows) {
        return reference.file.contains("positions")
                   ? pickRows(
                         rows, readIds(reference.file, "positions"), reference.file.path().string())
                   : std::move(rows);
    };
    logits = pick(std::move(logits));
    outputs.push_back(compareRows(reference.file, reference.logits, logits, bound));
    Json steps = compareRows(
        reference.file, reference.logits, pick(logitsByStep(context, model, nullptr, input)),
        bound);
    steps["name"] = reference.logits + ", one token a step";
    outputs.push_back(std::move(steps));
    return outputs;
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
    Json checkTranslator(
        const Spec& spec, StudyContext& context, const SafetensorsFile& reference) const;
    Json checkContinuer(const Spec& spec, StudyContext& context, const Reference& reference) const;
    StudyInfo m_info = describeStudy();
};

Json ModelCheck::run(const Spec& spec, StudyContext& context) const {
    const std::string name = textOf(spec.params, "model");
    // First the reference: a folder without one needs no loading to be refused.
    SafetensorsFile file = SafetensorsFile::open(referencePath(spec.params, resolveModel(name)));
    return file.contains("0.input_ids") ? checkTranslator(spec, context, file)
                                        : checkContinuer(spec, context, Reference(std::move(file)));
}

Json ModelCheck::checkTranslator(
    const Spec& spec, StudyContext& context, const SafetensorsFile& reference) const {
    const std::string name = textOf(spec.params, "model");
    const auto model = context.models.loadAny(name, context.exec, context.run);
    LATHE_CHECK(
        model->translator != nullptr, reference.path().string() +
                                          " is the reference of an encoder-decoder, which " + name +
                                          " is not");
    const double bound = context.exec.device().isCuda() ? kCudaBound : kCpuBound;
    Json metrics{{"reference", reference.path().string()}, {"bound", bound}};
    checkTranslations(spec, context, *model, reference, bound, metrics);
    return metrics;
}

Json ModelCheck::checkContinuer(
    const Spec& spec, StudyContext& context, const Reference& reference) const {
    const auto model = context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    double bound = reference.dequantized ? kGgufBound : kCpuBound;
    if (context.exec.device().isCuda()) {
        bound = std::max(bound, kCudaBound);
    }
    context.run.progress(0.3, "comparing outputs");
    Json metrics{
        {"reference", reference.file.path().string()}, {"bound", bound}, {"rows_equal", nullptr}};
    summarize(compareOutputs(context, *model->model, reference, bound), metrics);
    if (reference.file.contains(reference.greedy) && reference.file.contains("prompt_ids")) {
        context.run.progress(0.6, "comparing greedy text");
        const std::vector<TokenId> wanted = readIds(reference.file, reference.greedy);
        const std::vector<TokenId> made = greedyIds(
            spec, context, *model->model, nullptr, readIds(reference.file, "prompt_ids"),
            wanted.size());
        compareGreedy(made, wanted, metrics);
    } else {
        context.run.log(LogLevel::Warning, "the reference has no greedy ids to compare");
        metrics["greedy_equal"] = nullptr;
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeModelCheck() { return std::make_unique<ModelCheck>(); }

} // namespace lathe
