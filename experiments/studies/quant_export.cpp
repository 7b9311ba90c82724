// SPDX-License-Identifier: Apache-2.0
#include "engine/core/check.h"
#include "engine/core/hash.h"
#include "engine/quant/quantizer.h"
#include "experiments/quantize_model.h"
#include "experiments/runner.h"
#include "experiments/scoring.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <cstring>

namespace lathe {

namespace {

StudyInfo describeStudy() {
    StudyInfo info{
        .id = "quant.export",
        .title = "Export a quantized model",
        .summary =
            "Quantizes a language model, writes it as a folder, reads that back and compares",
        .params = {modelParam()}};
    append(info.params, quantizerParams(false));
    append(info.params, calibrationParams());
    info.params.push_back(
        {.name = "layout",
         .kind = ParamKind::Choice,
         .defaultValue = "own",
         .help = "The own layout, smaller and with checksums, or that of SqueezeLLM's programs "
                 "(reference), for methods with tables",
         .choices = {"own", "reference"}});
    info.params.push_back(
        {.name = "out",
         .kind = ParamKind::Folder,
         .help = "Folder to write; made when absent, refused when it is not empty",
         .required = true});
    info.metrics = {
        {"bytes", "Size", "byte", -1, "All weights as held in memory"},
        {"file_bytes", "Size on disk", "byte", -1, {}},
        {"average_bits", "Average bits", "bit", -1,
         "Of the quantized matrices, their tables, scales and zeros counted"},
        {"path", "Folder", "", 0, {}},
        {"hash", "Hash of the folder", "", 0, "XXH3-128"},
        {"verified_tokens", "Verified tokens", "token", 0,
         "Inputs whose logits the folder read back gives bit for bit"}};
    return info;
}

/// A few ids spread over the vocabulary: enough to touch every matrix.
std::vector<TokenId> probeIds(const LlamaModel& model) {
    const auto count = static_cast<TokenId>(std::min<std::int64_t>(8, model.maxPositions()));
    const auto vocabulary = static_cast<TokenId>(model.vocabularySize());
    std::vector<TokenId> ids;
    for (TokenId i = 0; i < count; ++i) {
        ids.push_back(static_cast<TokenId>((std::int64_t{vocabulary} * (2 * i + 1)) / (2 * count)));
    }
    return ids;
}

std::vector<float> logitsOf(ExecContext& context, const LlamaModel& model) {
    const std::vector<TokenId> ids = probeIds(model);
    const auto state = model.begin(context, static_cast<std::int64_t>(ids.size()));
    const DecodeSlot slot{*state, ids};
    const ConstView logits = model.forward(context, {&slot, 1});
    std::vector<float> host(static_cast<std::size_t>(logits.elementCount()));
    copy(context, logits, viewOf(std::span(host), logits.shape));
    return host;
}

/// Refused before anything is computed. @throws InputError when the layout lacks what the method
/// makes.
WeightLayout layoutOf(const Spec& spec, const QuantizeChoice& choice) {
    if (textOf(spec.params, "layout") != "reference") {
        return WeightLayout::Own;
    }
    LATHE_CHECK(
        !quantizers().at(choice.method).info().usesGroups,
        "the method " + choice.method +
            " makes scales, and SqueezeLLM's layout (--layout reference) holds look-up tables "
            "only; choose a method with tables such as kmeans or squeezellm, or --layout own");
    return WeightLayout::Reference;
}

/// What the file says of its own making.
Json provenanceOf(
    const QuantizeChoice& choice, const LoadedModel& source, const QuantizedModel& made) {
    Json provenance{{"method", choice.method},
                    {"bits", choice.bits},
                    {"group", choice.group},
                    {"sparsity", choice.sparsity},
                    {"sensitive", choice.sensitive},
                    {"source", std::filesystem::path(source.name).filename().string()},
                    {"source_hash", source.hash},
                    {"build", buildId()}};
    if (made.sensitivities) {
        provenance["calibration"] = originOf(*made.sensitivities);
    }
    return provenance;
}

class QuantExport : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    std::vector<std::filesystem::path> inputFiles(const Spec& spec) const override {
        return trainingRecords(spec.params);
    }

private:
    StudyInfo m_info = describeStudy();
};

Json QuantExport::run(const Spec& spec, StudyContext& context) const {
    const std::filesystem::path folder = textOf(spec.params, "out");
    requireFree(folder);
    const QuantizeChoice choice = quantizeChoiceFrom(spec);
    const WeightLayout layout = layoutOf(spec, choice);
    const auto source =
        context.models.load(textOf(spec.params, "model"), context.exec, context.run);
    requireFloatWeights(*source->checkpoint, source->name);
    requireSavable(*source->checkpoint);
    const QuantizedModel made =
        quantizeModel(context, *source, choice, [&](double share, const std::string& what) {
            context.run.progress(0.7 * share, choice.title() + ": " + what);
        });
    const LlamaModel& quantized = *made.model;
    context.run.progress(0.7, "writing " + folder.string());
    saveQuantized(
        quantized, *source->checkpoint, provenanceOf(choice, *source, made), folder, layout);
    context.run.checkpoint();
    context.run.progress(0.9, "reading it back");
    const auto written = Checkpoint::open(folder);
    const auto reread = LlamaModel::load(*written, context.exec);
    const std::vector<float> before = logitsOf(context.exec, quantized);
    const std::vector<float> after = logitsOf(context.exec, *reread);
    if (before.size() != after.size() ||
        std::memcmp(before.data(), after.data(), before.size() * sizeof(float)) != 0) {
        throw InternalError(
            folder.string() + ": the model read back gives other logits than the one written");
    }
    return {
        {"bytes", quantized.weightBytes()},
        {"file_bytes", written->fileBytes()},
        {"average_bits", quantized.averageQuantizedBits()},
        {"path", folder.string()},
        {"hash", hashPath(folder)},
        {"verified_tokens", probeIds(quantized).size()},
        {"output_hash", hashBytes(std::as_bytes(std::span(after)))}};
}

} // namespace

std::unique_ptr<Study> makeQuantExport() { return std::make_unique<QuantExport>(); }

} // namespace lathe
