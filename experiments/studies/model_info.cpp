// SPDX-License-Identifier: Apache-2.0
#include "engine/core/hash.h"
#include "experiments/model_cache.h"
#include "experiments/studies/factories.h"
#include "experiments/studies/params.h"

namespace lathe {

namespace {

StudyInfo describeStudy() {
    return {
        .id = "model.info",
        .title = "What a model is",
        .summary = "Reads a model's files and says what is in them, without loading the weights",
        .params = {modelParam()},
        .metrics = {
            {"architecture", "Architecture", "", 0, {}},
            {"parameters", "Parameters", "", 0, {}},
            {"bytes", "Size on disk", "byte", 0, "Of the weight files"},
            {"memory_bytes", "Memory to run it", "byte", 0, "Weights and a cache of the positions"},
            {"dtype", "Stored as", "", 0, {}},
            {"container", "Container", "", 0, {}},
            {"config", "Configuration", "", 0, {}},
            {"tokenizer", "Vocabulary", "", 0, {}},
            {"modules", "Tensors", "", 0, "Name, shape and type of everything stored"},
            {"hash", "Hash of the files", "", 0, "XXH3-128"}}};
}

Json configOf(const LlamaConfig& c) {
    Json config{
        {"hidden_size", c.hiddenSize},
        {"intermediate_size", c.intermediateSize},
        {"layers", c.layers},
        {"heads", c.heads},
        {"kv_heads", c.kvHeads},
        {"head_dim", c.headDim},
        {"vocabulary_size", c.vocabularySize},
        {"max_positions", c.maxPositions},
        {"rope_theta", c.ropeTheta},
        {"rms_epsilon", c.rmsEpsilon},
        {"tied_head", c.tiedHead},
        {"qkv_bias", c.qkvBias}};
    if (c.ropeScaling.factor != 1.0) {
        config["rope_scaling"] = {
            {"factor", c.ropeScaling.factor},
            {"low_frequency_factor", c.ropeScaling.lowFrequencyFactor},
            {"high_frequency_factor", c.ropeScaling.highFrequencyFactor},
            {"original_max_positions", c.ropeScaling.originalMaxPositions}};
    }
    return config;
}

const char* nameOf(T5Activation activation) {
    switch (activation) {
    case T5Activation::Relu:
        return "relu";
    case T5Activation::GatedGelu:
        return "gated-gelu";
    case T5Activation::GatedSilu:
        return "gated-silu";
    }
    throw InternalError("an activation has no name");
}

Json configOf(const T5Config& c) {
    return {
        {"hidden_size", c.hiddenSize},
        {"intermediate_size", c.intermediateSize},
        {"encoder_layers", c.encoderLayers},
        {"decoder_layers", c.decoderLayers},
        {"heads", c.heads},
        {"head_dim", c.headDim},
        {"vocabulary_size", c.vocabularySize},
        {"max_positions", kT5Positions},
        {"relative_buckets", c.buckets},
        {"relative_max_distance", c.maxDistance},
        {"feed_forward", nameOf(c.activation)},
        {"rms_epsilon", c.rmsEpsilon},
        {"tied_head", c.tiedHead},
        {"scaled_head", c.scaledHead}};
}

/// What depends on the family.
void describeFamily(const Checkpoint& checkpoint, Json& metrics) {
    if (isT5(checkpoint.config())) {
        const T5Config config = t5ConfigFrom(checkpoint);
        metrics["architecture"] = config.architecture;
        metrics["parameters"] = parameterCount(config);
        metrics["memory_bytes"] = runningBytes(checkpoint, kT5Positions);
        metrics["config"] = configOf(config);
        return;
    }
    const LlamaConfig config = llamaConfigFrom(checkpoint);
    metrics["architecture"] = config.architecture;
    metrics["parameters"] = describeModel(checkpoint.path()).parameters;
    metrics["memory_bytes"] = runningBytes(checkpoint, config.maxPositions);
    metrics["config"] = configOf(config);
}

Json tokenizerOf(const Tokenizer* tokenizer) {
    if (tokenizer == nullptr) {
        return nullptr;
    }
    Json json{{"size", tokenizer->size()}, {"fingerprint", tokenizer->fingerprint()}};
    json["bos"] = tokenizer->bos() ? Json(*tokenizer->bos()) : Json();
    json["eos"] = tokenizer->eos() ? Json(*tokenizer->eos()) : Json();
    return json;
}

Json modulesOf(const Checkpoint& checkpoint) {
    Json modules = Json::array();
    for (const auto& [name, entry] : checkpoint.entries()) {
        const auto extents = entry.shape.extents();
        modules.push_back(
            {{"name", name},
             {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
             {"dtype", std::string(nameOf(entry.dtype))}});
    }
    return modules;
}

/// The type that most stored bytes have.
std::string mainType(const Checkpoint& checkpoint) {
    std::map<std::string, std::int64_t> bytes;
    for (const auto& [name, entry] : checkpoint.entries()) {
        bytes[std::string(nameOf(entry.dtype))] +=
            entry.shape.elementCount() * static_cast<std::int64_t>(sizeOf(entry.dtype));
    }
    std::string main;
    for (const auto& [type, count] : bytes) {
        if (main.empty() || count > bytes[main]) {
            main = type;
        }
    }
    return main;
}

class ModelInformation : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    Json run(const Spec& spec, StudyContext& context) const override;
    bool loadsModels() const override { return false; }

private:
    StudyInfo m_info = describeStudy();
};

Json ModelInformation::run(const Spec& spec, StudyContext& context) const {
    const std::filesystem::path path = resolveModel(textOf(spec.params, "model"));
    context.run.progress(0.0, "reading " + path.filename().string());
    const auto checkpoint = Checkpoint::open(path);
    context.run.checkpoint();
    Json metrics{
        {"bytes", checkpoint->fileBytes()},
        {"dtype", mainType(*checkpoint)},
        {"container", checkpoint->container()},
        {"path", path.string()},
        {"tokenizer", tokenizerOf(checkpoint->tokenizer().get())},
        {"modules", modulesOf(*checkpoint)},
        {"hash", hashPath(path)}};
    describeFamily(*checkpoint, metrics);
    if (checkpoint->config().contains("quantization_config")) {
        metrics["quantization"] = checkpoint->config().at("quantization_config");
    }
    return metrics;
}

} // namespace

std::unique_ptr<Study> makeModelInfo() { return std::make_unique<ModelInformation>(); }

} // namespace lathe
