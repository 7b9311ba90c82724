// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5.h"

#include "engine/core/check.h"
#include "engine/models/t5_state.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/geglu/geglu.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/relu/relu.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <string>

namespace lathe {

namespace {

T5State& stateOf(const DecodeSlot& slot) {
    auto* state = dynamic_cast<T5State*>(&slot.state);
    LATHE_CHECK(state != nullptr, "forward: the state was begun by another kind of model");
    return *state;
}

const T5Attention& sourceOf(const T5Block& block) {
    if (!block.source) {
        throw InternalError("a block of the decoder does not read the source");
    }
    return *block.source;
}

/// One pass of some rows through a stack, in scratch memory that lives as long as the pass.
class T5Pass {
public:
    T5Pass(ExecContext& context, const T5Config& config, const T5Stack& stack, std::int64_t rows)
        : m_context(context), m_config(config), m_stack(stack), m_scope(context.scratch()),
          m_rows(rows) {
        Arena& scratch = context.scratch();
        const Shape hidden{rows, config.hiddenSize};
        m_x = scratch.take(hidden, DType::F32);
        m_normed = scratch.take(hidden, DType::F32);
        m_delta = scratch.take(hidden, DType::F32);
        m_qkv = scratch.take({3, rows, config.heads * config.headDim}, DType::F32);
        m_mixed = scratch.take({rows, config.heads, config.headDim}, DType::F32);
        m_inner = scratch.take({2, rows, config.intermediateSize}, DType::F32);
    }

    /// Hidden states that were read in, normed for the first layer.
    void begin(ConstView embedding, std::span<const TokenId> ids) {
        run(m_context, Embedding{.table = embedding, .ids = onDevice(m_context, ids), .y = m_x});
        run(m_context, RmsNorm{
                           .x = m_x,
                           .gamma = m_stack.blocks.front().self.norm.view(),
                           .y = m_normed,
                           .epsilon = m_config.rmsEpsilon});
    }
    /// What the stack made, [rows, hidden].
    ConstView result() const { return m_normed; }
    /// Distance 0 in the stack's biases.
    static constexpr std::int64_t kBiasOrigin = kT5Positions - 1;

    /// Every row to every row of the pass.
    void attendAll(const T5Block& block) {
        project(block.self);
        run(m_context, Attention{
                           .q = part(0),
                           .keys = part(1),
                           .values = part(2),
                           .y = m_mixed,
                           .causal = false,
                           .bias = m_stack.bias.view(),
                           .biasOrigin = kBiasOrigin});
        finishAttention(block.self, nextNorm(block));
    }
    /// Rows of each slot to those before them, which the caches hold.
    void attendBack(const T5Block& block, int layer, std::span<const DecodeSlot> slots) {
        project(block.self);
        std::int64_t from = 0;
        for (const DecodeSlot& slot : slots) {
            KvCache& cache = slot.state.cache();
            const std::int64_t past = cache.length();
            const auto fresh = static_cast<std::int64_t>(slot.tokens.size());
            const std::int64_t to = from + fresh;
            const TensorView keys = cache.keys(layer);
            const TensorView values = cache.values(layer);
            copy(m_context, part(1).slice(from, to), keys.slice(past, past + fresh));
            copy(m_context, part(2).slice(from, to), values.slice(past, past + fresh));
            run(m_context, Attention{
                               .q = part(0).slice(from, to),
                               .keys = keys,
                               .values = values,
                               .past = past,
                               .y = m_mixed.slice(from, to),
                               .bias = m_stack.bias.view(),
                               .biasOrigin = kBiasOrigin});
            from = to;
        }
        finishAttention(block.self, nextNorm(block));
    }
    /// Rows of each slot to all of its source.
    void attendSource(const T5Block& block, int layer, std::span<const DecodeSlot> slots) {
        const T5Attention& attention = sourceOf(block);
        attention.q.apply(m_context, m_normed, m_qkv.slice(0, 1).reshaped(flat()));
        std::int64_t from = 0;
        for (const DecodeSlot& slot : slots) {
            KvCache& source = stateOf(slot).source();
            const std::int64_t to = from + static_cast<std::int64_t>(slot.tokens.size());
            run(m_context, Attention{
                               .q = part(0).slice(from, to),
                               .keys = source.keys(layer).slice(0, source.length()),
                               .values = source.values(layer).slice(0, source.length()),
                               .y = m_mixed.slice(from, to),
                               .causal = false});
            from = to;
        }
        finishAttention(attention, block.feedForwardNorm);
    }
    /// @param norm of the layer behind it.
    void feedForward(const T5Block& block, const Tensor& norm) {
        const Shape shape{m_rows, m_config.intermediateSize};
        const TensorView gate = m_inner.slice(0, 1).reshaped(shape);
        const TensorView up = m_inner.slice(1, 2).reshaped(shape);
        if (block.gateUp && m_rows == 1) {
            block.gateUp->apply(m_context, m_normed, m_inner.reshaped({1, 2 * shape[1]}));
        } else {
            block.in.apply(m_context, m_normed, gate);
            if (block.up) {
                block.up->apply(m_context, m_normed, up);
            }
        }
        switch (m_config.activation) {
        case T5Activation::Relu:
            run(m_context, Relu{.x = gate, .y = gate});
            break;
        case T5Activation::GatedGelu:
            run(m_context, GeGlu{.gate = gate, .up = up, .y = gate});
            break;
        case T5Activation::GatedSilu:
            run(m_context, SwiGlu{.gate = gate, .up = up, .y = gate});
            break;
        }
        block.out.apply(m_context, gate, m_delta);
        addAndNorm(norm);
    }
    /// The norm in front of the block after this one, or behind the last one.
    const Tensor& normAfter(std::size_t layer) const {
        return layer + 1 < m_stack.blocks.size() ? m_stack.blocks[layer + 1].self.norm
                                                 : m_stack.finalNorm;
    }

private:
    Shape flat() const { return {m_rows, m_config.heads * m_config.headDim}; }
    /// Queries, keys or values: [rows, heads, headDim].
    TensorView part(std::int64_t index) const {
        return m_qkv.slice(index, index + 1).reshaped(m_mixed.shape);
    }
    static const Tensor& nextNorm(const T5Block& block) {
        return block.source ? block.source->norm : block.feedForwardNorm;
    }
    void project(const T5Attention& attention) {
        if (attention.qkv && m_rows == 1) {
            attention.qkv->apply(m_context, m_normed, m_qkv.reshaped({1, 3 * flat()[1]}));
            return;
        }
        std::int64_t index = 0;
        for (const Linear* linear : {&attention.q, &attention.k, &attention.v}) {
            linear->apply(m_context, m_normed, part(index++).reshaped(flat()));
        }
    }
    void finishAttention(const T5Attention& attention, const Tensor& norm) {
        attention.o.apply(m_context, m_mixed.reshaped(flat()), m_delta);
        addAndNorm(norm);
    }
    /// x += delta, normed for the next layer.
    void addAndNorm(const Tensor& norm) {
        run(m_context, AddRmsNorm{
                           .x = m_x,
                           .delta = m_delta,
                           .gamma = norm.view(),
                           .y = m_normed,
                           .epsilon = m_config.rmsEpsilon});
    }

    ExecContext& m_context;
    const T5Config& m_config;
    const T5Stack& m_stack;
    Arena::Scope m_scope;
    std::int64_t m_rows;
    TensorView m_x, m_normed, m_delta; ///< [rows, hidden]
    TensorView m_qkv;                  ///< [3, rows, heads * headDim]
    TensorView m_mixed;                ///< [rows, heads, headDim]
    TensorView m_inner;                ///< [2, rows, intermediate]
};

} // namespace

T5Model::T5Model() : m_pool(std::make_shared<T5MemoryPool>()) {}

void T5Model::checkDevice(ExecContext& context) const {
    LATHE_CHECK(
        context.device() == m_device,
        "the model is on " + m_device.name() + ", the context on " + context.device().name());
    LATHE_CHECK(
        context.products() == Products::Float32,
        "a model of the T5 family takes products in single precision alone: in half precision its "
        "feed-forward layers overflow");
}

void T5Model::checkSlots(std::span<const DecodeSlot> slots) const {
    checkStates(slots);
    for (const DecodeSlot& slot : slots) {
        const TensorView keys = stateOf(slot).cache().keys(m_config.decoderLayers - 1);
        LATHE_CHECK(
            keys.shape[1] == m_config.heads && keys.shape[2] == m_config.headDim &&
                keys.device == m_device,
            "forward: the state was begun by another model or on another device");
        checkTokens(slot, m_config.vocabularySize);
    }
}

EncoderOutput T5Model::encode(ExecContext& context, std::span<const TokenId> source) const {
    checkDevice(context);
    const auto tokens = static_cast<std::int64_t>(source.size());
    LATHE_CHECK(
        tokens >= 1 && tokens <= maxSourceTokens(), "the source has " + std::to_string(tokens) +
                                                        " tokens, it must have 1 to " +
                                                        std::to_string(maxSourceTokens()));
    for (const TokenId id : source) {
        LATHE_CHECK(
            id >= 0 && id < m_config.vocabularySize, "encode: token " + std::to_string(id) +
                                                         " is not in a vocabulary of " +
                                                         std::to_string(m_config.vocabularySize));
    }
    EncoderOutput output{m_pool->takeHidden(context, tokens, m_config.hiddenSize)};
    if (context.device().isCuda()) {
        if (tokens <= T5EncodeStep::kMostTokens) {
            auto encoder = m_pool->takeEncoder(context, *this, tokens);
            copy(context, encoder->run(context, source), output.hidden.view());
            m_pool->giveBack(std::move(encoder));
        } else {
            Arena::Scope scope(context.scratch());
            T5DecodeStep(context, *this, tokens)
                .encode(context, onDevice(context, source), output.hidden.view());
            context.synchronize(); // before its buffers are given back
        }
        return output;
    }
    T5Pass pass(context, m_config, m_encoder, tokens);
    pass.begin(m_embedding.view(), source);
    for (std::size_t layer = 0; layer < m_encoder.blocks.size(); ++layer) {
        const T5Block& block = m_encoder.blocks[layer];
        pass.attendAll(block);
        pass.feedForward(block, pass.normAfter(layer));
    }
    copy(context, pass.result(), output.hidden.view());
    return output;
}

std::unique_ptr<DecoderState>
T5Model::begin(ExecContext& context, std::int64_t capacity, const EncoderOutput* encoder) const {
    LATHE_CHECK(
        encoder != nullptr && !encoder->hidden.isNull(),
        "a model of the T5 family continues nothing without an encoder output");
    LATHE_CHECK(
        capacity >= 1 && capacity <= maxPositions(),
        "a cache of " + std::to_string(capacity) + " positions was asked for, the model has " +
            std::to_string(maxPositions()));
    checkDevice(context);
    const ConstView hidden = encoder->hidden.view();
    LATHE_CHECK(
        hidden.shape.rank() == 2 && hidden.shape[0] >= 1 && hidden.shape[0] <= maxSourceTokens() &&
            hidden.shape[1] == m_config.hiddenSize && hidden.device == m_device,
        "the encoder output is " + hidden.shape.text() + " on " + hidden.device.name() +
            ", one of [tokens, " + std::to_string(m_config.hiddenSize) + "] on " + m_device.name() +
            " is needed");
    const std::int64_t tokens = hidden.shape[0];
    auto state =
        std::make_unique<T5State>(m_pool, m_pool->take(context, m_config, capacity, tokens));
    const Shape flat{tokens, m_config.heads * m_config.headDim};
    for (int layer = 0; layer < m_config.decoderLayers; ++layer) {
        const T5Attention& source = sourceOf(m_decoder.blocks[static_cast<std::size_t>(layer)]);
        T5DecodeStep::multiplyAll(
            context, source.k, hidden, state->source().keys(layer).slice(0, tokens).reshaped(flat));
        T5DecodeStep::multiplyAll(
            context, source.v, hidden,
            state->source().values(layer).slice(0, tokens).reshaped(flat));
    }
    state->source().commit(tokens);
    return state;
}

ConstView T5Model::forward(ExecContext& context, std::span<const DecodeSlot> slots) const {
    if (context.device().isCuda()) {
        return forwardDecode(context, slots);
    }
    checkDevice(context);
    checkSlots(slots);
    ForwardBuffers& first = stateOf(slots.front()).memory().buffers;
    gatherIds(slots, first.ids());
    const auto rows = static_cast<std::int64_t>(first.ids().size());
    const TensorView logits = first.logits(rows, m_config.vocabularySize, m_device);

    T5Pass pass(context, m_config, m_decoder, rows);
    pass.begin(m_embedding.view(), first.ids());
    for (std::size_t layer = 0; layer < m_decoder.blocks.size(); ++layer) {
        const T5Block& block = m_decoder.blocks[layer];
        pass.attendBack(block, static_cast<int>(layer), slots);
        pass.attendSource(block, static_cast<int>(layer), slots);
        pass.feedForward(block, pass.normAfter(layer));
    }
    if (m_head) {
        m_head->apply(context, pass.result(), logits);
    } else {
        run(context, Gemm{.x = pass.result(), .w = m_embedding.view(), .y = logits});
    }
    for (const DecodeSlot& slot : slots) {
        slot.state.cache().commit(static_cast<std::int64_t>(slot.tokens.size()));
    }
    return logits;
}

ConstView T5Model::forwardDecode(ExecContext& context, std::span<const DecodeSlot> slots) const {
    checkDevice(context);
    checkSlots(slots);
    T5Memory& first = stateOf(slots.front()).memory();
    ConstView logits;
    if (slots.size() == 1 && RecordedSteps::suits(slots.front().tokens)) {
        logits = first.steps.run(
            context, T5DecodeStep::subjectOf(context, *this, first), slots.front().tokens);
    } else {
        std::vector<T5DecodeStep::Part> parts;
        for (const DecodeSlot& slot : slots) {
            T5Memory& memory = stateOf(slot).memory();
            memory.steps.load(
                context, {.cache = memory.cache, .sourceLength = memory.source.length()},
                slot.tokens);
            parts.push_back({&memory, static_cast<std::int64_t>(slot.tokens.size())});
        }
        std::vector<TokenId>& ids = first.buffers.ids();
        gatherIds(slots, ids);
        const TensorView rows = first.buffers.logits(
            static_cast<std::int64_t>(ids.size()), m_config.vocabularySize, m_device);
        Arena::Scope scope(context.scratch());
        T5DecodeStep step(context, *this, std::move(parts), rows);
        step.enqueue(context, onDevice(context, ids));
        logits = rows;
    }
    for (const DecodeSlot& slot : slots) {
        slot.state.cache().commit(static_cast<std::int64_t>(slot.tokens.size()));
    }
    return logits;
}

bool T5Model::makesDrafts(ExecContext& context, const DraftLimits& limits) const {
    return RecordedSteps::canDraft(context, limits);
}

std::vector<DraftedRow> T5Model::makeDrafts(
    ExecContext& context, DecoderState& state, std::span<const TokenId> tokens,
    const DraftLimits& limits, std::int64_t columns) const {
    checkDevice(context);
    const DecodeSlot slot{state, tokens};
    checkSlots({&slot, 1});
    T5Memory& memory = stateOf(slot).memory();
    std::vector<DraftedRow> rows = memory.steps.draft(
        context, T5DecodeStep::subjectOf(context, *this, memory), tokens, limits, columns);
    memory.cache.commit(static_cast<std::int64_t>(tokens.size() + rows.size() - 1));
    return rows;
}

} // namespace lathe
