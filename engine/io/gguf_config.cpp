// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf_config.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <cmath>

namespace lathe {

namespace {

/// Keys of one file; those of the model begin with the architecture's name.
class ModelKeys {
public:
    explicit ModelKeys(const GgufFile& file)
        : m_file(file), m_prefix(ggufArchitecture(file) + ".") {}

    std::int64_t positive(const std::string& key) const {
        const std::optional<std::int64_t> value = optional(key);
        if (!value) {
            throw FormatError(m_file.name() + ": key '" + m_prefix + key + "' is missing");
        }
        return *value;
    }
    std::optional<std::int64_t> optional(const std::string& key) const {
        const std::optional<std::int64_t> value = m_file.integer(m_prefix + key);
        if (value && (*value <= 0 || *value > kMaxCount)) {
            throw FormatError(
                m_file.name() + ": key '" + m_prefix + key + "' is " + std::to_string(*value));
        }
        return value;
    }
    std::optional<double> number(const std::string& key) const {
        return m_file.number(m_prefix + key);
    }
    /// Zero or absent are the same for counts of things that may not be there.
    std::int64_t count(const std::string& key) const {
        return m_file.integer(m_prefix + key).value_or(0);
    }
    const std::string* text(const std::string& key) const { return m_file.text(m_prefix + key); }

private:
    static constexpr std::int64_t kMaxCount = std::int64_t{1} << 31;
    const GgufFile& m_file;
    std::string m_prefix;
};

std::int64_t headDimOf(const GgufFile& file, const ModelKeys& keys) {
    const std::int64_t hidden = keys.positive("embedding_length");
    const std::int64_t heads = keys.positive("attention.head_count");
    const std::optional<std::int64_t> given = keys.optional("attention.key_length");
    if (!given && hidden % heads != 0) {
        throw FormatError(
            file.name() + ": " + std::to_string(heads) + " heads do not divide an embedding of " +
            std::to_string(hidden) + ", and attention.key_length is missing");
    }
    const std::int64_t headDim = given.value_or(hidden / heads);
    const std::int64_t valueDim = keys.optional("attention.value_length").value_or(headDim);
    if (valueDim != headDim) {
        throw Unsupported(
            file.name() + ": keys of " + std::to_string(headDim) + " and values of " +
            std::to_string(valueDim) + " per head; unequal sizes are not supported");
    }
    const std::int64_t rotated = keys.optional("rope.dimension_count").value_or(headDim);
    if (rotated != headDim) {
        throw Unsupported(
            file.name() + ": rotates " + std::to_string(rotated) + " of " +
            std::to_string(headDim) + " elements per head; partial rotation is not supported");
    }
    return headDim;
}

std::int64_t vocabularySize(const GgufFile& file, const ModelKeys& keys) {
    const auto embedding = file.entries().find("token_embd.weight");
    if (embedding != file.entries().end() && embedding->second.shape.rank() == 2) {
        return embedding->second.shape[0];
    }
    if (const auto* tokens = file.texts("tokenizer.ggml.tokens")) {
        return static_cast<std::int64_t>(tokens->size());
    }
    return keys.positive("vocab_size");
}

void addRopeFactors(const GgufFile& file, std::int64_t headDim, Json& config) {
    const auto found = file.entries().find("rope_freqs.weight");
    if (found == file.entries().end()) {
        return;
    }
    const GgufFile::Entry& entry = found->second;
    if (entry.type->dtype != DType::F32 || entry.shape.elementCount() != headDim / 2) {
        throw FormatError(
            file.name() + ": tensor 'rope_freqs.weight' is " + entry.shape.text() + " " +
            std::string(entry.type->name) + ", " + std::to_string(headDim / 2) +
            " F32 elements are needed");
    }
    const Tensor tensor = file.tensor(found->first);
    const std::span<const float> factors = tensor.view().as<float>();
    for (const float factor : factors) {
        if (!std::isfinite(factor) || factor <= 0.0F) {
            throw FormatError(file.name() + ": tensor 'rope_freqs.weight' holds a factor <= 0");
        }
    }
    if (const auto scaling = config.find("rope_scaling"); scaling != config.end()) {
        throw Unsupported(
            file.name() + ": gives both the tensor 'rope_freqs.weight' and rope scaling of type '" +
            printable(scaling->at("rope_type").get_ref<const std::string&>()) +
            "'; only one of them is supported");
    }
    config["lathe_rope_factors"] = std::vector<float>(factors.begin(), factors.end());
}

void addRopeScaling(const ModelKeys& keys, Json& config) {
    const std::string* type = keys.text("rope.scaling.type");
    if (type == nullptr || *type == "none") {
        if (const auto linear = keys.number("rope.scale_linear"); linear && *linear != 1.0) {
            config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", *linear}};
        }
        return;
    }
    Json scaling = {{"rope_type", *type}};
    if (const auto factor = keys.number("rope.scaling.factor")) {
        scaling["factor"] = *factor;
    }
    if (const auto original = keys.optional("rope.scaling.original_context_length")) {
        scaling["original_max_position_embeddings"] = *original;
    }
    config["rope_scaling"] = std::move(scaling);
}

/// The type of the block matrices, as config.json spells it.
std::string weightType(const GgufFile& file) {
    const auto found = file.entries().find("blk.0.attn_q.weight");
    const DType dtype = found == file.entries().end() ? DType::F32 : found->second.type->dtype;
    return dtype == DType::F16 ? "float16" : dtype == DType::BF16 ? "bfloat16" : "float32";
}

void addTokenIds(const GgufFile& file, Json& config) {
    for (const char* which : {"bos", "eos"}) {
        const auto id = file.integer("tokenizer.ggml." + std::string(which) + "_token_id");
        // Some writers store -1 for "none", as a signed or as an unsigned number.
        if (id && *id != -1 && *id != 0xFFFFFFFF) {
            config[std::string(which) + "_token_id"] = *id;
        }
    }
}

void refuseVariants(const GgufFile& file, const ModelKeys& keys) {
    if (const std::int64_t experts = keys.count("expert_count"); experts != 0) {
        throw Unsupported(
            file.name() + ": a mixture of " + std::to_string(experts) +
            " experts; only dense models can be read");
    }
    if (file.integer("split.count").value_or(1) > 1) {
        throw Unsupported(
            file.name() + ": is one part of a split model; merge the parts into one file first");
    }
}

} // namespace

std::string ggufArchitecture(const GgufFile& file) {
    const std::string* name = file.text("general.architecture");
    if (name == nullptr) {
        throw FormatError(file.name() + ": key 'general.architecture' is missing");
    }
    return *name;
}

std::int64_t ggufHeadCount(const GgufFile& file, bool keyValue) {
    const ModelKeys keys(file);
    const std::int64_t heads = keys.positive("attention.head_count");
    return keyValue ? keys.optional("attention.head_count_kv").value_or(heads) : heads;
}

Json ggufConfig(const GgufFile& file) {
    const std::string architecture = ggufArchitecture(file);
    if (architecture != "llama" && architecture != "qwen2") {
        throw Unsupported(
            file.name() + ": architecture '" + printable(architecture) +
            "' cannot be read; llama (with mistral) and qwen2 can");
    }
    const ModelKeys keys(file);
    refuseVariants(file, keys);
    const std::int64_t headDim = headDimOf(file, keys);
    const double theta = keys.number("rope.freq_base").value_or(10000.0);
    const auto epsilon = keys.number("attention.layer_norm_rms_epsilon");
    if (!epsilon) {
        throw FormatError(
            file.name() + ": key '" + architecture +
            ".attention.layer_norm_rms_epsilon' is missing");
    }
    Json config = {
        {"model_type", architecture},
        {"hidden_act", "silu"},
        {"hidden_size", keys.positive("embedding_length")},
        {"intermediate_size", keys.positive("feed_forward_length")},
        {"num_hidden_layers", keys.positive("block_count")},
        {"num_attention_heads", ggufHeadCount(file, false)},
        {"num_key_value_heads", ggufHeadCount(file, true)},
        {"head_dim", headDim},
        {"max_position_embeddings", keys.positive("context_length")},
        {"rms_norm_eps", *epsilon},
        {"rope_theta", theta},
        {"vocab_size", vocabularySize(file, keys)},
        {"tie_word_embeddings", !file.entries().contains("output.weight")},
        {"torch_dtype", weightType(file)}};
    if (architecture == "llama" && file.entries().contains("blk.0.attn_q.bias")) {
        config["attention_bias"] = true;
    }
    if (const std::int64_t window = keys.count("attention.sliding_window"); window != 0) {
        config["sliding_window"] = window;
        config["use_sliding_window"] = true;
        if (architecture == "llama") {
            config["model_type"] = "mistral";
        }
    }
    addTokenIds(file, config);
    addRopeScaling(keys, config);
    addRopeFactors(file, headDim, config);
    return config;
}

} // namespace lathe
