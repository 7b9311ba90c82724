// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/models/tiny_model.h"

#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::test {

void MemoryCheckpoint::put(const std::string& name, Shape shape, Random& random) {
    Tensor tensor = Tensor::empty(shape, DType::F32, Device{});
    for (float& value : tensor.view().as<float>()) {
        const double normal = random.normal();
        value = static_cast<float>(shape.rank() == 1 ? 1.0 + 0.2 * normal : 0.3 * normal);
    }
    tensors.insert_or_assign(name, std::move(tensor));
}

void MemoryCheckpoint::seal() {
    m_entries.clear();
    for (const auto& [name, tensor] : tensors) {
        m_entries.emplace(name, Entry{tensor.dtype(), tensor.shape()});
    }
}

Json tinyConfig(const std::string& modelType) {
    return {{"model_type", modelType},  {"hidden_size", 16},
            {"intermediate_size", 24},  {"num_hidden_layers", 2},
            {"num_attention_heads", 4}, {"num_key_value_heads", 2},
            {"vocab_size", 40},         {"max_position_embeddings", 64},
            {"rms_norm_eps", 1e-5}};
}

MemoryCheckpoint tinyCheckpoint(const Json& config, std::uint64_t seed) {
    const LlamaConfig c = llamaConfigFrom(config);
    Random random(seed);
    MemoryCheckpoint checkpoint;
    checkpoint.json = config;
    const auto linear = [&](const std::string& module, std::int64_t out, std::int64_t in,
                            bool bias) {
        checkpoint.put(module + ".weight", {out, in}, random);
        if (bias) {
            checkpoint.put(module + ".bias", {out}, random);
        }
    };
    linear("model.embed_tokens", c.vocabularySize, c.hiddenSize, false);
    checkpoint.put("model.norm.weight", {c.hiddenSize}, random);
    if (!c.tiedHead) {
        linear("lm_head", c.vocabularySize, c.hiddenSize, false);
    }
    for (int layer = 0; layer < c.layers; ++layer) {
        const std::string at = "model.layers." + std::to_string(layer);
        checkpoint.put(at + ".input_layernorm.weight", {c.hiddenSize}, random);
        checkpoint.put(at + ".post_attention_layernorm.weight", {c.hiddenSize}, random);
        linear(at + ".self_attn.q_proj", c.heads * c.headDim, c.hiddenSize, c.qkvBias);
        linear(at + ".self_attn.k_proj", c.kvHeads * c.headDim, c.hiddenSize, c.qkvBias);
        linear(at + ".self_attn.v_proj", c.kvHeads * c.headDim, c.hiddenSize, c.qkvBias);
        linear(at + ".self_attn.o_proj", c.hiddenSize, c.heads * c.headDim, c.outputBias);
        linear(at + ".mlp.gate_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        linear(at + ".mlp.up_proj", c.intermediateSize, c.hiddenSize, c.mlpBias);
        linear(at + ".mlp.down_proj", c.hiddenSize, c.intermediateSize, c.mlpBias);
    }
    checkpoint.seal();
    return checkpoint;
}

namespace {

/// Random code words with the padding bits of each row left zero.
Tensor randomCodes(std::int64_t out, std::int64_t in, int bits, Random& random) {
    const std::int64_t words = packedWords(in, bits);
    Tensor packed = Tensor::empty({out, words}, DType::I32, Device{});
    const std::span<std::int32_t> all = packed.view().as<std::int32_t>();
    const std::int64_t tail = in * bits - (words - 1) * 32;
    const std::uint64_t mask = (std::uint64_t{1} << tail) - 1;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const bool last = (static_cast<std::int64_t>(i) + 1) % words == 0;
        const std::uint64_t word = random.next() >> 32;
        all[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(last ? word & mask : word));
    }
    return packed;
}

} // namespace

Weight randomLut(std::int64_t out, std::int64_t in, int bits, Random& random) {
    LutWeight weight;
    weight.packed = randomCodes(out, in, bits, random);
    weight.table = Tensor::empty({out, std::int64_t{1} << bits}, DType::F16, Device{});
    for (Half& entry : weight.table.view().as<Half>()) {
        entry = toHalf(static_cast<float>(0.3 * random.normal()));
    }
    weight.bits = bits;
    weight.in = in;
    return weight;
}

Weight
randomGroup(std::int64_t out, std::int64_t in, int bits, std::int64_t groupSize, Random& random) {
    const std::int64_t groups = groupSize == 0 ? 1 : (in + groupSize - 1) / groupSize;
    GroupWeight weight;
    weight.packed = randomCodes(out, in, bits, random);
    weight.scale = Tensor::empty({out, groups}, DType::F16, Device{});
    weight.zero = Tensor::empty({out, groups}, DType::U8, Device{});
    for (Half& scale : weight.scale.view().as<Half>()) {
        scale = toHalf(static_cast<float>(0.1 + 0.05 * random.uniform()));
    }
    for (std::uint8_t& zero : weight.zero.view().as<std::uint8_t>()) {
        zero = static_cast<std::uint8_t>(random.below(std::uint64_t{1} << bits));
    }
    weight.bits = bits;
    weight.groupSize = groupSize;
    weight.in = in;
    return weight;
}

std::vector<TokenId> randomIds(std::size_t count, std::int64_t vocabulary, Random& random) {
    std::vector<TokenId> ids(count);
    for (TokenId& id : ids) {
        id = static_cast<TokenId>(random.below(static_cast<std::uint64_t>(vocabulary)));
    }
    return ids;
}

std::vector<float> copied(ConstView view) {
    const std::span<const float> values = view.as<float>();
    return {values.begin(), values.end()};
}

std::vector<float> logitsOf(
    ExecContext& context, const LlamaModel& model, std::span<const TokenId> ids,
    std::size_t chunk) {
    const auto state = model.begin(context, static_cast<std::int64_t>(ids.size()));
    std::vector<float> all;
    for (std::size_t from = 0; from < ids.size();) {
        const std::size_t count = chunk == 0 ? ids.size() : std::min(chunk, ids.size() - from);
        const DecodeSlot slot{*state, ids.subspan(from, count)};
        const std::vector<float> rows = copied(model.forward(context, std::span(&slot, 1)));
        all.insert(all.end(), rows.begin(), rows.end());
        from += count;
    }
    return all;
}

double largestDifference(std::span<const float> a, std::span<const float> b) {
    double worst = a.size() == b.size() ? 0.0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
        worst = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                       : std::max(worst, difference);
    }
    return worst;
}

MemoryCheckpoint inMemory(const std::filesystem::path& folder) {
    const auto saved = Checkpoint::open(folder);
    MemoryCheckpoint checkpoint;
    checkpoint.json = saved->config();
    checkpoint.records = saved->metadata();
    for (const auto& [name, entry] : saved->entries()) {
        checkpoint.tensors.emplace(name, saved->tensor(name));
    }
    checkpoint.seal();
    return checkpoint;
}

std::unique_ptr<LlamaModel> dequantized(ExecContext& context, const LlamaModel& model) {
    auto result = model.share();
    for (const LlamaModel::Module& module : result->modules()) {
        module.linear->weight = DenseWeight{dequantize(context, module.linear->weight)};
    }
    return result;
}

} // namespace lathe::test
