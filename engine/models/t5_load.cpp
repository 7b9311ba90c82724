// SPDX-License-Identifier: Apache-2.0
// From a checkpoint to a T5Model, and what it will take.
#include "engine/core/check.h"
#include "engine/models/forward_slots.h"
#include "engine/models/t5.h"
#include "engine/models/weight_loader.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/transpose/transpose.h"

#include <cmath>
#include <string>

namespace lathe {

namespace {

/// Caches that a model must leave room for when it is loaded.
constexpr std::int64_t kPositionsAtLoad = 1024;

} // namespace

/// Claims the tensors of a checkpoint, part by part.
class T5Loader {
public:
    T5Loader(const Checkpoint& checkpoint, ExecContext& context)
        : m_context(context), m_model(std::make_unique<T5Model>()),
          m_config(m_model->m_config = t5ConfigFrom(checkpoint)),
          m_loader(checkpoint, context, m_config.architecture) {}

    std::unique_ptr<T5Model> load() {
        const std::string embedding = "shared.weight";
        m_model->m_device = m_context.device();
        m_model->m_embedding =
            m_loader.matrix(embedding, m_config.vocabularySize, m_config.hiddenSize);
        for (const char* copy : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}) {
            m_loader.duplicate(copy, embedding);
        }
        loadStack(m_model->m_encoder, "encoder", m_config.encoderLayers);
        loadStack(m_model->m_decoder, "decoder", m_config.decoderLayers);
        if (m_config.tiedHead) {
            m_loader.duplicate("lm_head.weight", embedding);
        } else {
            m_model->m_head =
                m_loader.linear("lm_head", m_config.vocabularySize, m_config.hiddenSize, false);
        }
        m_loader.finish();
        scaleHead();
        m_model->m_encoder.bias = biases(m_encoderTable, true);
        m_model->m_decoder.bias = biases(m_decoderTable, false);
        m_model->fuseProducts(m_context);
        return std::move(m_model);
    }

private:
    void loadStack(T5Stack& stack, const std::string& name, int layers) {
        const bool decodes = name == "decoder";
        for (int layer = 0; layer < layers; ++layer) {
            const std::string at = name + ".block." + std::to_string(layer) + ".layer.";
            T5Block block;
            block.self = attention(at + "0.", "SelfAttention");
            if (decodes) {
                block.source = attention(at + "1.", "EncDecAttention");
            }
            loadFeedForward(block, at + (decodes ? "2." : "1."));
            stack.blocks.push_back(std::move(block));
        }
        stack.finalNorm = m_loader.vector(name + ".final_layer_norm.weight", m_config.hiddenSize);
        (decodes ? m_decoderTable : m_encoderTable) = m_loader.matrix(
            name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
            m_config.buckets, m_config.heads);
    }
    T5Attention attention(const std::string& at, const std::string& kind) {
        const std::int64_t inner = m_config.heads * m_config.headDim;
        const std::int64_t hidden = m_config.hiddenSize;
        T5Attention all;
        all.norm = m_loader.vector(at + "layer_norm.weight", hidden);
        all.q = m_loader.linear(at + kind + ".q", inner, hidden, false);
        all.k = m_loader.linear(at + kind + ".k", inner, hidden, false);
        all.v = m_loader.linear(at + kind + ".v", inner, hidden, false);
        all.o = m_loader.linear(at + kind + ".o", hidden, inner, false);
        return all;
    }
    void loadFeedForward(T5Block& block, const std::string& at) {
        const std::int64_t inner = m_config.intermediateSize;
        const std::int64_t hidden = m_config.hiddenSize;
        const std::string module = at + "DenseReluDense.";
        const bool gated = m_config.activation != T5Activation::Relu;
        block.feedForwardNorm = m_loader.vector(at + "layer_norm.weight", hidden);
        block.in = m_loader.linear(module + (gated ? "wi_0" : "wi"), inner, hidden, false);
        if (gated) {
            block.up = m_loader.linear(module + "wi_1", inner, hidden, false);
        }
        block.out = m_loader.linear(module + "wo", hidden, inner, false);
    }

    /// What a scaled head multiplies hidden states with goes into the norm in front of it.
    void scaleHead() {
        if (!m_config.scaledHead) {
            return;
        }
        Tensor host = Tensor::empty({m_config.hiddenSize}, DType::F32, Device{});
        copy(m_context, m_model->m_decoder.finalNorm.view(), host.view());
        const double scale = 1.0 / std::sqrt(static_cast<double>(m_config.hiddenSize));
        for (float& gamma : host.view().as<float>()) {
            gamma = static_cast<float>(static_cast<double>(gamma) * scale);
        }
        m_model->m_decoder.finalNorm = host.to(m_context.device(), m_context);
    }
    /// Biases by distance, from their table by bucket.
    Tensor biases(const Tensor& table, bool bothDirections) {
        const std::vector<std::int32_t> buckets = t5Buckets(
            m_config, bothDirections, kT5Positions - 1, bothDirections ? kT5Positions - 1 : 0);
        const auto distances = static_cast<std::int64_t>(buckets.size());
        Arena::Scope scope(m_context.scratch());
        const TensorView rows = m_context.scratch().take({distances, m_config.heads}, DType::F32);
        run(m_context,
            Embedding{.table = table.view(), .ids = onDevice(m_context, buckets), .y = rows});
        Tensor turned = Tensor::empty({m_config.heads, distances}, DType::F32, m_context.device());
        run(m_context, Transpose{.x = rows, .y = turned.view()});
        m_context.synchronize(); // before the scratch memory is given back
        return turned;
    }

    ExecContext& m_context;
    std::unique_ptr<T5Model> m_model;
    const T5Config& m_config;
    WeightLoader m_loader;
    Tensor m_encoderTable, m_decoderTable; ///< [buckets, heads]
};

std::unique_ptr<T5Model> T5Model::load(const Checkpoint& checkpoint, ExecContext& context) {
    requireMemory(
        checkpoint.path().string(), estimateT5Bytes(checkpoint, kPositionsAtLoad),
        deviceInfo(context.device()));
    return T5Loader(checkpoint, context).load();
}

std::int64_t estimateT5Bytes(const Checkpoint& checkpoint, std::int64_t positions) {
    const T5Config config = t5ConfigFrom(checkpoint);
    LATHE_CHECK(
        positions >= 0 && positions <= kT5Positions,
        "caches of " + std::to_string(positions) + " positions were asked for, the model has " +
            std::to_string(kT5Positions));
    // Keys and values of the text and of the source; biases by distance.
    constexpr std::int64_t kCaches = 4;
    const std::int64_t biases = 3 * kT5Positions * config.heads;
    return estimateBytes(
        checkpoint, {kCaches, config.decoderLayers, positions, config.heads, config.headDim},
        biases);
}

} // namespace lathe
