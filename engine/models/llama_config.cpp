// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama_config.h"

#include "engine/core/error.h"
#include "engine/models/config_reader.h"
#include "engine/models/reference_layout.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace lathe {

namespace {

// Far beyond any model of these families, small enough that no product of sizes overflows.
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 18;
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxHeads = 1024;
constexpr std::int64_t kMaxHeadDim = 1024;
constexpr double kMaxTheta = 1e15;

/// What transformers assumes where config.json is silent.
struct Family {
    const char* name;
    double rmsEpsilon;
    std::int64_t maxPositions;
    std::int64_t slidingWindow; ///< 0: none
};
constexpr std::array<Family, 3> kFamilies{{
    {"llama", 1e-6, 2048, 0},
    {"mistral", 1e-6, 131072, 4096},
    {"qwen2", 1e-6, 32768, 4096},
}};

const Family& familyOf(const ConfigReader& reader) {
    const std::string name = reader.text("model_type", "");
    if (name.empty()) {
        throw FormatError(reader.where() + ": 'model_type' is missing");
    }
    std::string known;
    for (const Family& family : kFamilies) {
        if (name == family.name) {
            return family;
        }
        known += (known.empty() ? "" : ", ") + std::string(family.name);
    }
    throw Unsupported(
        reader.where() + ": the model type '" + printable(name) + "' is not known; known are " +
        known);
}

void refuse(const ConfigReader& reader, const std::string& what) {
    throw Unsupported(reader.where() + ": " + what + " is not supported");
}

void checkQuantization(const ConfigReader& reader) {
    const Json* found = reader.find("quantization_config");
    if (found == nullptr) {
        return;
    }
    const ConfigReader quantization(*found, reader.where() + " quantization_config");
    const std::string method = quantization.text("quant_method", "unnamed");
    if (method != "lathe" && method != kReferenceMethod) {
        throw Unsupported(
            reader.where() + ": weights quantized by '" + printable(method) +
            "' are not supported; use the unquantized model, a GGUF file, one saved by Lathe, or "
            "one in "
            "SqueezeLLM's layout");
    }
}

/// 0 means none. Null says so; where the key is absent, transformers takes the family's default.
std::int64_t slidingWindow(const ConfigReader& reader, const Family& family) {
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (reader.find("sliding_window") == nullptr) {
        return reader.isNull("sliding_window") ? 0 : family.slidingWindow;
    }
    return reader.integer("sliding_window", 1, kMost);
}

void checkVariant(const ConfigReader& reader, const Family& family, const LlamaConfig& config) {
    const std::string activation = reader.text("hidden_act", "silu");
    if (activation != "silu") {
        refuse(reader, "the activation '" + printable(activation) + "' (only silu is)");
    }
    if (config.architecture == "qwen2") {
        if (reader.flag("use_sliding_window", false)) {
            refuse(reader, "sliding-window attention (use_sliding_window is true)");
        }
    } else if (const std::int64_t window = slidingWindow(reader, family);
               window > 0 && window < config.maxPositions) {
        refuse(
            reader, "sliding-window attention (sliding_window " + std::to_string(window) +
                        " below " + std::to_string(config.maxPositions) + " positions)");
    }
    if (const Json* types = reader.find("layer_types"); types != nullptr) {
        for (const Json& type : *types) {
            if (!type.is_string() || type.get_ref<const std::string&>() != "full_attention") {
                refuse(reader, "a layer type other than full_attention (layer_types)");
            }
        }
    }
    if (config.architecture == "mistral" && reader.flag("attention_bias", false)) {
        refuse(reader, "attention_bias in a " + std::string(family.name) + " model");
    }
    if (config.architecture != "llama" && reader.flag("mlp_bias", false)) {
        refuse(reader, "mlp_bias in a " + std::string(family.name) + " model");
    }
    if (reader.number("partial_rotary_factor", 0.0, 1.0, 1.0) < 1.0) {
        refuse(reader, "a partial_rotary_factor below 1");
    }
}

void readSizes(const ConfigReader& reader, const Family& family, LlamaConfig& config) {
    config.hiddenSize = reader.integer("hidden_size", 1, kMaxWidth);
    config.intermediateSize = reader.integer("intermediate_size", 1, 4 * kMaxWidth);
    config.vocabularySize = reader.integer("vocab_size", 1, kMaxVocabulary);
    config.layers = static_cast<int>(reader.integer("num_hidden_layers", 1, kMaxLayers));
    config.heads = static_cast<int>(reader.integer("num_attention_heads", 1, kMaxHeads));
    config.kvHeads =
        static_cast<int>(reader.integer("num_key_value_heads", 1, kMaxHeads, config.heads));
    config.maxPositions =
        reader.integer("max_position_embeddings", 1, kMaxPositions, family.maxPositions);
    if (config.heads % config.kvHeads != 0) {
        throw FormatError(
            reader.where() + ": num_attention_heads " + std::to_string(config.heads) +
            " is not a multiple of num_key_value_heads " + std::to_string(config.kvHeads));
    }
    if (reader.find("head_dim") == nullptr && config.hiddenSize % config.heads != 0) {
        throw FormatError(
            reader.where() + ": hidden_size " + std::to_string(config.hiddenSize) +
            " is not a multiple of num_attention_heads " + std::to_string(config.heads) +
            " and there is no head_dim");
    }
    config.headDim = reader.integer("head_dim", 1, kMaxHeadDim, config.hiddenSize / config.heads);
    if (config.headDim > kMaxHeadDim || config.headDim % 2 != 0) {
        throw FormatError(
            reader.where() + ": a head size of " + std::to_string(config.headDim) +
            " is not possible; it must be even and at most " + std::to_string(kMaxHeadDim));
    }
}

void readLlama3Scaling(const ConfigReader& rope, LlamaConfig& config) {
    RopeScaling& scaling = config.ropeScaling;
    scaling.factor = rope.number("factor", 1.0, 1e6);
    scaling.lowFrequencyFactor = rope.number("low_freq_factor", 1e-6, 1e6);
    scaling.highFrequencyFactor = rope.number("high_freq_factor", 1e-6, 1e6);
    scaling.originalMaxPositions =
        rope.integer("original_max_position_embeddings", 1, kMaxPositions);
    if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor) {
        throw FormatError(
            rope.where() + ": high_freq_factor " + dumpJson(Json(scaling.highFrequencyFactor)) +
            " is not above low_freq_factor " + dumpJson(Json(scaling.lowFrequencyFactor)));
    }
}

void readRopeFactors(const ConfigReader& reader, LlamaConfig& config) {
    const Json* factors = reader.find("lathe_rope_factors");
    if (factors == nullptr) {
        return;
    }
    const auto expected = static_cast<std::size_t>(config.headDim / 2);
    if (!factors->is_array() || factors->size() != expected) {
        throw FormatError(
            reader.where() + ": the rope factors must be a list of " + std::to_string(expected) +
            " numbers, one for each pair of a head");
    }
    if (config.ropeScaling.factor != 1.0) {
        throw FormatError(reader.where() + ": gives both rope factors and llama3 rope scaling");
    }
    for (const Json& factor : *factors) {
        const double value = factor.is_number() ? factor.get<double>() : 0.0;
        if (!(value >= 1e-6 && value <= 1e6)) {
            throw FormatError(
                reader.where() + ": a rope factor is " + dumpJson(factor).substr(0, 40) +
                ", must be a number from 1e-6 to 1e6");
        }
        config.ropeFactors.push_back(value);
    }
}

void readRope(const ConfigReader& reader, LlamaConfig& config) {
    config.ropeTheta = reader.number("rope_theta", 1.0, kMaxTheta, 10000.0);
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
        const Json* found = reader.find(key);
        if (found == nullptr) {
            continue;
        }
        const ConfigReader rope(*found, reader.where() + " " + key);
        config.ropeTheta = rope.number("rope_theta", 1.0, kMaxTheta, config.ropeTheta);
        const std::string type = rope.text("rope_type", rope.text("type", ""));
        if (type == "llama3") {
            readLlama3Scaling(rope, config);
        } else if (type.empty() && !found->empty() && !found->contains("rope_theta")) {
            throw FormatError(rope.where() + ": 'rope_type' is missing");
        } else if (!type.empty() && type != "default") {
            refuse(rope, "the rope type '" + printable(type) + "' (default and llama3 are)");
        }
        if (rope.number("partial_rotary_factor", 0.0, 1.0, 1.0) < 1.0) {
            refuse(rope, "a partial_rotary_factor below 1");
        }
    }
    readRopeFactors(reader, config);
}

/// A special token: one id, or a list whose first entry counts.
std::optional<TokenId>
readToken(const ConfigReader& reader, const std::string& key, std::int64_t vocabulary) {
    const Json* found = reader.find(key);
    if (found == nullptr || (found->is_array() && found->empty())) {
        return std::nullopt;
    }
    const Json single = {{key, found->is_array() ? found->front() : *found}};
    return static_cast<TokenId>(
        ConfigReader(single, reader.where()).integer(key, 0, vocabulary - 1));
}

} // namespace

LlamaConfig llamaConfigFrom(const Checkpoint& checkpoint) {
    return llamaConfigFrom(checkpoint.config(), configName(checkpoint));
}

LlamaConfig llamaConfigFrom(const Json& json, const std::string& where) {
    const ConfigReader reader(json, where);
    const Family& family = familyOf(reader);
    LlamaConfig config;
    config.architecture = family.name;
    checkQuantization(reader);
    readSizes(reader, family, config);
    config.rmsEpsilon =
        static_cast<float>(reader.number("rms_norm_eps", 1e-12, 1.0, family.rmsEpsilon));
    checkVariant(reader, family, config);
    readRope(reader, config);
    config.tiedHead = reader.flag("tie_word_embeddings", false);
    const bool attentionBias =
        config.architecture == "llama" && reader.flag("attention_bias", false);
    config.qkvBias = attentionBias || config.architecture == "qwen2";
    config.outputBias = attentionBias;
    config.mlpBias = config.architecture == "llama" && reader.flag("mlp_bias", false);
    config.bos = readToken(reader, "bos_token_id", config.vocabularySize);
    config.eos = readToken(reader, "eos_token_id", config.vocabularySize);
    config.dtype = reader.text("dtype", reader.text("torch_dtype", ""));
    return config;
}

std::vector<float> ropeFrequencies(const LlamaConfig& config) {
    const RopeScaling& scaling = config.ropeScaling;
    const auto original = static_cast<double>(scaling.originalMaxPositions);
    std::vector<float> frequencies;
    for (std::int64_t pair = 0; pair < config.headDim / 2; ++pair) {
        const double exponent =
            2.0 * static_cast<double>(pair) / static_cast<double>(config.headDim);
        double frequency = std::pow(config.ropeTheta, -exponent);
        if (scaling.factor != 1.0) {
            // LLaMA 3.1: long waves are slowed by the factor, short ones kept, those between
            // blended.
            const double turns = original * frequency / (2.0 * std::numbers::pi);
            const double kept = std::clamp(
                (turns - scaling.lowFrequencyFactor) /
                    (scaling.highFrequencyFactor - scaling.lowFrequencyFactor),
                0.0, 1.0);
            frequency = (1.0 - kept) * frequency / scaling.factor + kept * frequency;
        }
        if (!config.ropeFactors.empty()) {
            frequency /= config.ropeFactors[static_cast<std::size_t>(pair)];
        }
        frequencies.push_back(static_cast<float>(frequency));
    }
    return frequencies;
}

} // namespace lathe
