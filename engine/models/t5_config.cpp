// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_config.h"

#include "engine/core/error.h"
#include "engine/models/config_reader.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

// Far beyond any model of the family, small enough that no product of sizes overflows.
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 18;
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxHeads = 1024;
constexpr std::int64_t kMaxHeadDim = 1024;
constexpr std::int64_t kMaxBuckets = 4096;
constexpr std::int64_t kMaxDistance = std::int64_t{1} << 24;

std::string typeOf(const Json& config) {
    const auto type = config.find("model_type");
    return type != config.end() && type->is_string() ? type->get<std::string>() : std::string();
}

void checkVariant(const ConfigReader& reader) {
    if (reader.find("quantization_config") != nullptr) {
        throw Unsupported(
            reader.where() +
            ": quantized weights of a T5 model are not supported; use the unquantized model");
    }
    if (!reader.flag("is_encoder_decoder", true)) {
        throw Unsupported(
            reader.where() +
            ": half a T5 model (is_encoder_decoder is false) is not supported; use a whole one");
    }
}

void readSizes(const ConfigReader& reader, T5Config& config) {
    config.hiddenSize = reader.integer("d_model", 1, kMaxWidth);
    config.intermediateSize = reader.integer("d_ff", 1, 4 * kMaxWidth);
    config.vocabularySize = reader.integer("vocab_size", 1, kMaxVocabulary);
    config.encoderLayers = static_cast<int>(reader.integer("num_layers", 1, kMaxLayers));
    config.decoderLayers =
        static_cast<int>(reader.integer("num_decoder_layers", 1, kMaxLayers, config.encoderLayers));
    config.heads = static_cast<int>(reader.integer("num_heads", 1, kMaxHeads));
    config.headDim = reader.integer("d_kv", 1, kMaxHeadDim);
    config.buckets =
        static_cast<int>(reader.integer("relative_attention_num_buckets", 4, kMaxBuckets, 32));
    config.maxDistance = reader.integer("relative_attention_max_distance", 1, kMaxDistance, 128);
    if (config.maxDistance <= config.buckets / 2) {
        throw FormatError(
            reader.where() + ": relative_attention_max_distance " +
            std::to_string(config.maxDistance) + " is not above half of " +
            std::to_string(config.buckets) + " buckets, which are one distance each");
    }
}

T5Activation activationFrom(const ConfigReader& reader, const std::string& architecture) {
    const std::string name =
        reader.text("feed_forward_proj", architecture == "mt5" ? "gated-gelu" : "relu");
    if (name == "relu") {
        return T5Activation::Relu;
    }
    if (name == "gated-gelu") {
        return T5Activation::GatedGelu;
    }
    if (name == "gated-silu") {
        return T5Activation::GatedSilu;
    }
    throw Unsupported(
        reader.where() + ": the feed-forward layer '" + printable(name) +
        "' (feed_forward_proj) is not supported; relu, gated-gelu and gated-silu are");
}

/// One bucket per distance up to half of `buckets`, then ever wider ones.
std::int32_t bucketOf(std::int64_t distance, int buckets, std::int64_t maxDistance) {
    const int exact = buckets / 2;
    if (distance < exact) {
        return static_cast<std::int32_t>(distance);
    }
    const float ratio = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                        static_cast<float>(std::log(static_cast<double>(maxDistance) / exact)) *
                        static_cast<float>(buckets - exact);
    return std::min(exact + static_cast<std::int32_t>(ratio), buckets - 1);
}

} // namespace

bool isT5(const Json& config) {
    const std::string type = typeOf(config);
    return type == "t5" || type == "mt5";
}

T5Config t5ConfigFrom(const Checkpoint& checkpoint) {
    return t5ConfigFrom(
        checkpoint.config(), checkpoint.contains("lm_head.weight"), configName(checkpoint));
}

T5Config t5ConfigFrom(const Json& json, bool ownHead, const std::string& where) {
    const ConfigReader reader(json, where);
    if (!isT5(json)) {
        throw Unsupported(
            where + ": the model type '" + printable(typeOf(json)) +
            "' is not one of the T5 family; t5 and mt5 are");
    }
    T5Config config;
    config.architecture = typeOf(json);
    checkVariant(reader);
    readSizes(reader, config);
    config.activation = activationFrom(reader, config.architecture);
    config.rmsEpsilon = static_cast<float>(reader.number("layer_norm_epsilon", 1e-12, 1.0, 1e-6));
    config.tiedHead = reader.flag("tie_word_embeddings", config.architecture == "t5");
    config.scaledHead = reader.flag("scale_decoder_outputs", config.tiedHead);
    if (reader.find("scale_decoder_outputs") != nullptr) {
        config.tiedHead = !ownHead;
    }
    const std::int64_t last = config.vocabularySize - 1;
    const std::int64_t pad = reader.integer("pad_token_id", 0, last, 0);
    config.start = static_cast<TokenId>(reader.integer("decoder_start_token_id", 0, last, pad));
    config.eos = static_cast<TokenId>(reader.integer("eos_token_id", 0, last, 1));
    config.dtype = reader.text("dtype", reader.text("torch_dtype", ""));
    return config;
}

std::int64_t parameterCount(const T5Config& c) {
    const std::int64_t attention = 4 * c.hiddenSize * c.heads * c.headDim + c.hiddenSize;
    const std::int64_t products = c.activation == T5Activation::Relu ? 2 : 3;
    const std::int64_t feedForward = products * c.hiddenSize * c.intermediateSize + c.hiddenSize;
    const std::int64_t stacks = 2 * (std::int64_t{c.buckets} * c.heads + c.hiddenSize);
    return c.vocabularySize * c.hiddenSize * (c.tiedHead ? 1 : 2) + stacks +
           c.encoderLayers * (attention + feedForward) +
           c.decoderLayers * (2 * attention + feedForward);
}

std::vector<std::int32_t>
t5Buckets(const T5Config& config, bool bothDirections, std::int64_t back, std::int64_t ahead) {
    const int buckets = bothDirections ? config.buckets / 2 : config.buckets;
    std::vector<std::int32_t> all;
    all.reserve(static_cast<std::size_t>(back + ahead + 1));
    for (std::int64_t distance = -back; distance <= ahead; ++distance) {
        const std::int64_t length =
            bothDirections ? std::abs(distance) : std::max<std::int64_t>(-distance, 0);
        const std::int32_t upper = bothDirections && distance > 0 ? buckets : 0;
        all.push_back(upper + bucketOf(length, buckets, config.maxDistance));
    }
    return all;
}

} // namespace lathe
