// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama.h"

#include "engine/core/check.h"
#include "engine/models/forward_slots.h"
#include "engine/models/llama_state.h"
#include "engine/models/weight_loader.h"
#include "engine/nn/fused_rows.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/rope/rope.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

/// Cache that a model must leave room for when it is loaded.
constexpr std::int64_t kPositionsAtLoad = 1024;

LlamaState& stateOf(const DecodeSlot& slot) {
    auto* state = dynamic_cast<LlamaState*>(&slot.state);
    LATHE_CHECK(state != nullptr, "forward: the state was begun by another kind of model");
    return *state;
}

void checkSlot(const LlamaConfig& config, Device device, const DecodeSlot& slot) {
    KvCache& cache = stateOf(slot).cache();
    const TensorView keys = cache.keys(config.layers - 1);
    LATHE_CHECK(
        keys.shape[1] == config.kvHeads && keys.shape[2] == config.headDim && keys.device == device,
        "forward: the state was begun by another model or on another device");
    checkTokens(slot, config.vocabularySize);
}

} // namespace

std::unique_ptr<LlamaModel> LlamaModel::load(const Checkpoint& checkpoint, ExecContext& context) {
    auto model = std::make_unique<LlamaModel>();
    LlamaConfig& config = model->m_config;
    config = llamaConfigFrom(checkpoint);
    model->m_device = context.device();
    const std::int64_t hidden = config.hiddenSize;
    const std::int64_t queries = config.heads * config.headDim;
    const std::int64_t keys = config.kvHeads * config.headDim;
    requireMemory(
        checkpoint.path().string(),
        estimateBytes(checkpoint, std::min(config.maxPositions, kPositionsAtLoad)),
        deviceInfo(context.device()));

    WeightLoader loader(checkpoint, context, config.architecture);
    const std::string embedding = "model.embed_tokens.weight";
    model->m_embedding = loader.matrix(embedding, config.vocabularySize, hidden);
    for (int layer = 0; layer < config.layers; ++layer) {
        const std::string at = "model.layers." + std::to_string(layer) + ".";
        const std::string attention = at + "self_attn.";
        const std::string mlp = at + "mlp.";
        LlamaBlock block;
        block.inputNorm = loader.vector(at + "input_layernorm.weight", hidden);
        block.q = loader.linear(attention + "q_proj", queries, hidden, config.qkvBias);
        block.k = loader.linear(attention + "k_proj", keys, hidden, config.qkvBias);
        block.v = loader.linear(attention + "v_proj", keys, hidden, config.qkvBias);
        block.o = loader.linear(attention + "o_proj", hidden, queries, config.outputBias);
        block.postAttentionNorm = loader.vector(at + "post_attention_layernorm.weight", hidden);
        block.gate =
            loader.linear(mlp + "gate_proj", config.intermediateSize, hidden, config.mlpBias);
        block.up = loader.linear(mlp + "up_proj", config.intermediateSize, hidden, config.mlpBias);
        block.down =
            loader.linear(mlp + "down_proj", hidden, config.intermediateSize, config.mlpBias);
        model->m_blocks.push_back(std::move(block));
    }
    model->m_finalNorm = loader.vector("model.norm.weight", hidden);
    if (config.tiedHead) {
        loader.duplicate("lm_head.weight", embedding);
    } else {
        model->m_head = loader.linear("lm_head", config.vocabularySize, hidden, false);
    }
    loader.finish();
    model->m_tableRounding = loader.tableRounding();

    const std::vector<float> frequencies = ropeFrequencies(config);
    const ConstView host = constViewOf(std::span<const float>(frequencies), {config.headDim / 2});
    model->m_frequencies = Tensor::empty(host.shape, DType::F32, context.device());
    copy(context, host, model->m_frequencies.view());
    context.synchronize();
    if (context.device().isCuda()) {
        model->fuseProducts(context);
    }
    return model;
}

std::unique_ptr<DecoderState>
LlamaModel::begin(ExecContext& context, std::int64_t capacity, const EncoderOutput* encoder) const {
    LATHE_CHECK(encoder == nullptr, "a model of the LLaMA family takes no encoder output");
    LATHE_CHECK(
        capacity >= 1 && capacity <= m_config.maxPositions,
        "a cache of " + std::to_string(capacity) + " positions was asked for, the model has " +
            std::to_string(m_config.maxPositions));
    LATHE_CHECK(
        context.device() == m_device,
        "the model is on " + m_device.name() + ", the context on " + context.device().name());
    return std::make_unique<LlamaState>(m_config, capacity, m_device);
}

ConstView LlamaModel::forward(ExecContext& context, std::span<const DecodeSlot> slots) const {
    if (context.device().isCuda() && LlamaDecodeStep::suits(slots)) {
        return forwardDecode(context, slots);
    }
    if (context.device().isCuda() && slots.size() == 1 && takesRows() &&
        RecordedSteps::suits(slots.front().tokens)) {
        return forwardRows(context, slots.front());
    }
    return forwardObserved(context, slots, {});
}

ConstView LlamaModel::forwardRows(ExecContext& context, const DecodeSlot& slot) const {
    checkCall(context, {&slot, 1});
    RecordedSteps& steps = stateOf(slot).steps();
    const ConstView logits = steps.run(
        context, LlamaDecodeStep::subjectOf(context, *this, slot.state, steps), slot.tokens);
    slot.state.cache().commit(static_cast<std::int64_t>(slot.tokens.size()));
    return logits;
}

bool LlamaModel::takesRows() const {
    return m_config.maxPositions <= kMostStepKeys && m_config.headDim <= kMostStepHead;
}

bool LlamaModel::makesDrafts(ExecContext& context, const DraftLimits& limits) const {
    return takesRows() && RecordedSteps::canDraft(context, limits);
}

std::vector<DraftedRow> LlamaModel::makeDrafts(
    ExecContext& context, DecoderState& state, std::span<const TokenId> tokens,
    const DraftLimits& limits, std::int64_t columns) const {
    const DecodeSlot slot{state, tokens};
    checkCall(context, {&slot, 1});
    RecordedSteps& steps = stateOf(slot).steps();
    const auto rows = steps.draft(
        context, LlamaDecodeStep::subjectOf(context, *this, state, steps), tokens, limits, columns);
    state.cache().commit(static_cast<std::int64_t>(tokens.size() + rows.size() - 1));
    return rows;
}

ConstView LlamaModel::forwardDecode(ExecContext& context, std::span<const DecodeSlot> slots) const {
    LATHE_CHECK(
        LlamaDecodeStep::suits(slots),
        "forward: a decoding step takes one token for each of at most " +
            std::to_string(kMostDecodeSlots) + " sequences");
    checkCall(context, slots);
    std::unique_ptr<LlamaDecodeStep>& step = stateOf(slots.front()).decodeStep();
    if (step == nullptr || !step->isFor(context, *this, slots)) {
        step = std::make_unique<LlamaDecodeStep>(context, *this, slots);
    }
    const ConstView logits = step->run(context, *this, slots);
    for (const DecodeSlot& slot : slots) {
        slot.state.cache().commit(1);
    }
    return logits;
}

void LlamaModel::checkCall(ExecContext& context, std::span<const DecodeSlot> slots) const {
    LATHE_CHECK(
        context.device() == m_device,
        "the model is on " + m_device.name() + ", the context on " + context.device().name());
    checkStates(slots);
    for (const DecodeSlot& slot : slots) {
        checkSlot(m_config, m_device, slot);
    }
}

ConstView LlamaModel::forwardObserved(
    ExecContext& context, std::span<const DecodeSlot> slots, const HiddenObserver& observer) const {
    checkCall(context, slots);
    LlamaState& first = stateOf(slots.front());
    std::vector<TokenId>& ids = first.ids();
    std::vector<std::int32_t>& positions = first.positions();
    gatherIds(slots, ids);
    positions.clear();
    for (const DecodeSlot& slot : slots) {
        auto position = static_cast<std::int32_t>(slot.state.length());
        for (std::size_t i = 0; i < slot.tokens.size(); ++i) {
            positions.push_back(position++);
        }
    }
    const auto tokens = static_cast<std::int64_t>(ids.size());
    const TensorView logits = first.logits(tokens, m_config.vocabularySize, m_device);

    Arena::Scope scope(context.scratch());
    const ConstView at = onDevice(context, positions); // [tokens]
    const TensorView x = context.scratch().take({tokens, m_config.hiddenSize}, DType::F32);
    run(context, Embedding{.table = m_embedding.view(), .ids = onDevice(context, ids), .y = x});
    for (int layer = 0; layer < m_config.layers; ++layer) {
        attend(context, layer, slots, at, x);
        feedForward(context, m_blocks[static_cast<std::size_t>(layer)], x);
        if (observer) {
            observer(layer, x);
        }
    }
    run(context,
        RmsNorm{.x = x, .gamma = m_finalNorm.view(), .y = x, .epsilon = m_config.rmsEpsilon});
    if (m_head) {
        m_head->apply(context, x, logits); // [tokens, vocabulary]
    } else {
        run(context, Gemm{.x = x, .w = m_embedding.view(), .y = logits});
    }
    for (const DecodeSlot& slot : slots) {
        slot.state.cache().commit(static_cast<std::int64_t>(slot.tokens.size()));
    }
    return logits;
}

/// x += o(attention(rope(q(norm(x))), cache)).
void LlamaModel::attend(
    ExecContext& context, int layer, std::span<const DecodeSlot> slots, ConstView positions,
    TensorView x) const {
    const LlamaBlock& block = m_blocks[static_cast<std::size_t>(layer)];
    const std::int64_t tokens = x.shape[0];
    const std::int64_t heads = m_config.heads;
    const std::int64_t kvHeads = m_config.kvHeads;
    const std::int64_t headDim = m_config.headDim;
    Arena& scratch = context.scratch();
    Arena::Scope scope(scratch);
    const TensorView normed = scratch.take(x.shape, DType::F32); // [tokens, hidden]
    const TensorView q = scratch.take({tokens, heads, headDim}, DType::F32);
    const TensorView k = scratch.take({tokens, kvHeads, headDim}, DType::F32);
    const TensorView v = scratch.take({tokens, kvHeads, headDim}, DType::F32);
    const TensorView mixed = scratch.take(q.shape, DType::F32); // [tokens, heads, headDim]

    run(context,
        RmsNorm{
            .x = x, .gamma = block.inputNorm.view(), .y = normed, .epsilon = m_config.rmsEpsilon});
    block.q.apply(context, normed, q.reshaped({tokens, heads * headDim}));
    block.k.apply(context, normed, k.reshaped({tokens, kvHeads * headDim}));
    block.v.apply(context, normed, v.reshaped({tokens, kvHeads * headDim}));
    run(context, Rope{.x = q, .frequencies = m_frequencies.view(), .positions = positions});
    run(context, Rope{.x = k, .frequencies = m_frequencies.view(), .positions = positions});

    std::int64_t from = 0;
    for (const DecodeSlot& slot : slots) {
        KvCache& cache = slot.state.cache();
        const std::int64_t past = cache.length();
        const std::int64_t fresh = static_cast<std::int64_t>(slot.tokens.size());
        const std::int64_t to = from + fresh;
        copy(context, k.slice(from, to), cache.keys(layer).slice(past, past + fresh));
        copy(context, v.slice(from, to), cache.values(layer).slice(past, past + fresh));
        run(context, Attention{
                         .q = q.slice(from, to),
                         .keys = cache.keys(layer),
                         .values = cache.values(layer),
                         .past = past,
                         .scale = 1.0F / std::sqrt(static_cast<float>(headDim)),
                         .y = mixed.slice(from, to)});
        from = to;
    }
    block.o.apply(context, mixed.reshaped({tokens, heads * headDim}), normed);
    run(context, Add{.a = x, .b = normed, .y = x});
}

/// x += down(silu(gate(norm(x))) * up(norm(x))).
void LlamaModel::feedForward(ExecContext& context, const LlamaBlock& block, TensorView x) const {
    Arena& scratch = context.scratch();
    Arena::Scope scope(scratch);
    const Shape inner{x.shape[0], m_config.intermediateSize};
    const TensorView normed = scratch.take(x.shape, DType::F32); // [tokens, hidden]
    const TensorView gate = scratch.take(inner, DType::F32);     // [tokens, intermediate]
    const TensorView up = scratch.take(inner, DType::F32);       // [tokens, intermediate]
    run(context, RmsNorm{
                     .x = x,
                     .gamma = block.postAttentionNorm.view(),
                     .y = normed,
                     .epsilon = m_config.rmsEpsilon});
    block.gate.apply(context, normed, gate);
    block.up.apply(context, normed, up);
    run(context, SwiGlu{.gate = gate, .up = up, .y = gate});
    block.down.apply(context, gate, normed);
    run(context, Add{.a = x, .b = normed, .y = x});
}

} // namespace lathe
