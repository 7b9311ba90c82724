// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama_decode.h"

#include "engine/models/llama.h"
#include "engine/nn/fused_rows.h"
#include "kernels/ops/decode_attention/decode_attention.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/step_product/step_product.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lathe {

namespace {

/// Rows that the kernels of one product take at once, without scratch memory.
constexpr std::int64_t kProductRows = 8;

/// y = product(x) for any number of rows, a few at a time.
template <class Product>
void inPieces(ConstView x, TensorView y, Product product) {
    for (std::int64_t from = 0; from < x.shape[0]; from += kProductRows) {
        const std::int64_t to = std::min(x.shape[0], from + kProductRows);
        product(x.slice(from, to), y.slice(from, to));
    }
}

/// Several rows of a dense product go through its weights once.
void applyDense(ExecContext& context, ConstView w, ConstView x, TensorView y) {
    if (x.shape[0] == 1) {
        run(context, Gemm{.x = x, .w = w, .y = y});
    } else {
        run(context, StepProduct{.x = x, .w = w, .y = y});
    }
}

void apply(ExecContext& context, const Linear& linear, ConstView x, TensorView y) {
    if (const auto* dense = std::get_if<DenseWeight>(&linear.weight);
        dense != nullptr && !linear.bias) {
        applyDense(context, dense->w.view(), x, y);
        return;
    }
    inPieces(x, y, [&](ConstView xs, TensorView ys) { linear.apply(context, xs, ys); });
}

/// The results of several products of one x.
template <std::size_t Count>
struct Results {
    std::array<TensorView, Count> y;
    std::int64_t stride = 0; ///< elements between rows; 0: none between them
};

/// By one product where the matrices are fused, else one after another. In `buffer`
/// [rows, sum of out] a fused result has its members side by side, others lie behind each other.
template <std::size_t Count>
Results<Count> applyAll(
    ExecContext& context, const std::optional<Linear>& fused,
    const std::array<const Linear*, Count>& members, ConstView x, TensorView buffer, bool run) {
    Results<Count> results;
    const std::int64_t rows = x.shape[0];
    const bool together = fused && holdsRows(*fused, members);
    if (together) {
        results.stride = buffer.shape[1];
        if (run) {
            apply(context, *fused, x, buffer);
        }
    }
    std::int64_t from = 0; // in elements
    for (std::size_t i = 0; i < Count; ++i) {
        const std::int64_t out = outFeatures(members[i]->weight);
        TensorView y = buffer;
        y.data += static_cast<std::size_t>(from) * sizeof(float);
        y.shape = Shape{rows, out};
        from += together ? out : rows * out;
        if (run && !together) {
            apply(context, *members[i], x, y);
        }
        results.y[i] = y;
    }
    return results;
}

} // namespace

bool LlamaDecodeStep::suits(std::span<const DecodeSlot> slots) {
    return static_cast<std::int64_t>(slots.size()) <= kMostDecodeSlots &&
           std::ranges::all_of(slots, [](const DecodeSlot& s) { return s.tokens.size() == 1; });
}

LlamaDecodeStep::LlamaDecodeStep(
    ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots)
    : m_slots(static_cast<std::int64_t>(slots.size())),
      m_identity(identityOf(context, model, slots)) {
    makeBuffers(context, model.config());
    m_inputs = Tensor::empty({2, m_slots}, DType::I32, context.device());
    for (int layer = 0; layer < model.config().layers; ++layer) {
        auto& keys = m_keys.emplace_back();
        auto& values = m_values.emplace_back();
        for (const DecodeSlot& slot : slots) {
            keys.push_back(slot.state.cache().keys(layer));
            values.push_back(slot.state.cache().values(layer));
        }
    }
}

LlamaDecodeStep::LlamaDecodeStep(
    ExecContext& context, const LlamaModel& model, KvCache& cache, const RecordedSteps& steps,
    std::int64_t rows)
    : m_slots(rows), m_model(&model), m_position(&steps) {
    makeBuffers(context, model.config());
    for (int layer = 0; layer < model.config().layers; ++layer) {
        m_keys.push_back({cache.keys(layer)});
        m_values.push_back({cache.values(layer)});
    }
}

RecordedSteps::Subject LlamaDecodeStep::subjectOf(
    ExecContext& context, const LlamaModel& model, DecoderState& state,
    const RecordedSteps& steps) {
    const DecodeSlot slot{state, {}};
    return {
        .cache = state.cache(),
        .identity = identityOf(context, model, {&slot, 1}),
        .make = [&](std::int64_t rows) {
            return std::unique_ptr<RowsStep>(
                new LlamaDecodeStep(context, model, state.cache(), steps, rows));
        }};
}

void LlamaDecodeStep::makeBuffers(ExecContext& context, const LlamaConfig& config) {
    const auto floats = [&](std::int64_t columns) {
        return Tensor::empty({m_slots, columns}, DType::F32, context.device());
    };
    for (Tensor* hidden : {&m_x, &m_normed, &m_delta}) {
        *hidden = floats(config.hiddenSize);
    }
    m_qkv = floats((config.heads + 2 * config.kvHeads) * config.headDim);
    m_mixed = floats(config.heads * config.headDim);
    m_gateUp = floats(2 * config.intermediateSize);
    m_inner = floats(config.intermediateSize);
    m_logits = floats(config.vocabularySize);
}

/// Everything whose address the launches keep.
std::vector<std::uintptr_t> LlamaDecodeStep::identityOf(
    ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots) {
    std::vector<std::uintptr_t> list{
        reinterpret_cast<std::uintptr_t>(&context), reinterpret_cast<std::uintptr_t>(&model)};
    const auto add = [&list](const ConstView& view) {
        list.push_back(reinterpret_cast<std::uintptr_t>(view.data));
    };
    for (const DecodeSlot& slot : slots) {
        KvCache& cache = slot.state.cache();
        list.push_back(static_cast<std::uintptr_t>(cache.capacity()));
        for (int layer = 0; layer < model.config().layers; ++layer) {
            add(cache.keys(layer));
            add(cache.values(layer));
        }
    }
    add(model.m_embedding.view());
    for (const auto& block : model.m_blocks) {
        for (const Linear* linear :
             {&block.q, &block.k, &block.v, &block.o, &block.gate, &block.up, &block.down}) {
            appendIdentity(*linear, list);
        }
        for (const auto* fused : {&block.qkv, &block.gateUp}) {
            if (*fused) {
                appendIdentity(**fused, list);
            }
        }
    }
    return list;
}

bool LlamaDecodeStep::isFor(
    ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots) {
    return static_cast<std::int64_t>(slots.size()) == m_slots &&
           m_identity == identityOf(context, model, slots);
}

void LlamaDecodeStep::load(ExecContext& context, std::span<const DecodeSlot> slots) {
    std::array<std::int32_t, 2 * kMostDecodeSlots> inputs{};
    for (std::size_t i = 0; i < slots.size(); ++i) {
        inputs.at(i) = slots[i].tokens.front();
        inputs.at(slots.size() + i) = static_cast<std::int32_t>(slots[i].state.length());
    }
    put(context, std::span(inputs).first(2 * slots.size()), m_inputs.view());
}

ConstView LlamaDecodeStep::run(
    ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots) {
    load(context, slots);
    // The first step is not recorded: a short text would pay for it, and a kernel that is used for
    // the first time may have to be loaded, which cannot be recorded.
    if (!m_hasRun || !CapturedGraph::isAvailable(context)) {
        enqueue(context, model);
        m_hasRun = true;
        return m_logits.constView();
    }
    if (m_graph == nullptr) {
        m_graph = CapturedGraph::record(context, [&] { enqueue(context, model); });
    }
    m_graph->replay(context);
    return m_logits.constView();
}

void LlamaDecodeStep::enqueue(
    ExecContext& context, const LlamaModel& model, const DecodeParts& parts) {
    enqueue(context, model, m_inputs.view().slice(0, 1).reshaped({m_slots}), parts);
}

void LlamaDecodeStep::enqueue(ExecContext& context, ConstView ids) {
    enqueue(context, *m_model, ids, {});
}

void LlamaDecodeStep::enqueue(
    ExecContext& context, const LlamaModel& model, ConstView ids, const DecodeParts& parts) {
    const auto& blocks = model.m_blocks;
    if (parts.elementwise) {
        lathe::run(
            context, Embedding{.table = model.m_embedding.view(), .ids = ids, .y = m_x.view()});
        lathe::run(
            context, RmsNorm{
                         .x = m_x.view(),
                         .gamma = (blocks.empty() ? model.m_finalNorm : blocks[0].inputNorm).view(),
                         .y = m_normed.view(),
                         .epsilon = model.config().rmsEpsilon});
    }
    for (std::size_t layer = 0; layer < blocks.size(); ++layer) {
        const bool last = layer + 1 == blocks.size();
        attend(context, model, static_cast<int>(layer), parts);
        addNorm(context, model, blocks[layer].postAttentionNorm, parts);
        feedForward(context, blocks[layer], parts);
        addNorm(context, model, last ? model.m_finalNorm : blocks[layer + 1].inputNorm, parts);
    }
    if (!parts.head) {
        return;
    }
    if (model.m_head) {
        apply(context, *model.m_head, m_normed.view(), m_logits.view());
    } else {
        applyDense(context, model.m_embedding.view(), m_normed.view(), m_logits.view());
    }
}

/// mixed = attention(q, k, v).
void LlamaDecodeStep::mix(
    ExecContext& context, const LlamaModel& model, int layer, ConstView q, ConstView k, ConstView v,
    std::int64_t stride) {
    const auto at = static_cast<std::size_t>(layer);
    const float scale = 1.0F / std::sqrt(static_cast<float>(model.config().headDim));
    if (m_position != nullptr) {
        lathe::run(
            context, StepAttention{
                         .q = q,
                         .k = k,
                         .v = v,
                         .qStride = stride,
                         .kvStride = stride,
                         .frequencies = model.m_frequencies.view(),
                         .length = m_position->length(),
                         .keys = m_keys[at].front(),
                         .values = m_values[at].front(),
                         .scale = scale,
                         .y = m_mixed.view().reshaped(q.shape)});
        return;
    }
    lathe::run(
        context, DecodeAttention{
                     .q = q,
                     .k = k,
                     .v = v,
                     .qStride = stride,
                     .kvStride = stride,
                     .frequencies = model.m_frequencies.view(),
                     .positions = m_inputs.view().slice(1, 2).reshaped({m_slots}),
                     .keys = m_keys[at],
                     .values = m_values[at],
                     .scale = scale,
                     .y = m_mixed.view().reshaped(q.shape)});
}

/// delta = o(attention(q, k, v of normed)).
void LlamaDecodeStep::attend(
    ExecContext& context, const LlamaModel& model, int layer, const DecodeParts& parts) {
    const LlamaConfig& config = model.config();
    const auto at = static_cast<std::size_t>(layer);
    const LlamaBlock& block = model.m_blocks[at];
    const Results<3> qkv = applyAll<3>(
        context, block.qkv, {&block.q, &block.k, &block.v}, m_normed.view(), m_qkv.view(),
        parts.products);
    if (parts.attention) {
        const Shape keys{m_slots, config.kvHeads, config.headDim};
        mix(context, model, layer, qkv.y[0].reshaped({m_slots, config.heads, config.headDim}),
            qkv.y[1].reshaped(keys), qkv.y[2].reshaped(keys), qkv.stride);
    }
    if (parts.products) {
        apply(context, block.o, m_mixed.view(), m_delta.view());
    }
}

/// delta = down(silu(gate(normed)) * up(normed)).
void LlamaDecodeStep::feedForward(
    ExecContext& context, const LlamaBlock& block, const DecodeParts& parts) {
    const Results<2> gateUp = applyAll<2>(
        context, block.gateUp, {&block.gate, &block.up}, m_normed.view(), m_gateUp.view(),
        parts.products);
    if (parts.elementwise) {
        lathe::run(
            context, SwiGlu{
                         .gate = gateUp.y[0],
                         .up = gateUp.y[1],
                         .y = m_inner.view(),
                         .stride = gateUp.stride});
    }
    if (parts.products) {
        apply(context, block.down, m_inner.view(), m_delta.view());
    }
}

void LlamaDecodeStep::addNorm(
    ExecContext& context, const LlamaModel& model, const Tensor& gamma, const DecodeParts& parts) {
    if (parts.elementwise) {
        lathe::run(
            context, AddRmsNorm{
                         .x = m_x.view(),
                         .delta = m_delta.view(),
                         .gamma = gamma.view(),
                         .y = m_normed.view(),
                         .epsilon = model.config().rmsEpsilon});
    }
}

} // namespace lathe
