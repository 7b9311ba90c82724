// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5_decode.h"

#include "engine/core/check.h"
#include "engine/models/t5.h"
#include "engine/models/t5_draft.h"
#include "engine/models/t5_state.h"
#include "engine/nn/fused_rows.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/geglu/geglu.h"
#include "kernels/ops/relu/relu.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/source_attention/source_attention.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/step_product/step_product.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>

namespace lathe {

namespace {

std::int64_t rowsOf(std::span<const T5DecodeStep::Part> parts) {
    std::int64_t rows = 0;
    for (const T5DecodeStep::Part& part : parts) {
        rows += part.rows;
    }
    return rows;
}

/// Rows that the kernels of a weight with codes take at once, without scratch memory.
constexpr std::int64_t kPackedRows = 8;

const T5Attention& sourceOf(const T5Block& block) {
    if (!block.source) {
        throw InternalError("a block of the decoder does not read the source");
    }
    return *block.source;
}

} // namespace

T5DecodeStep::T5DecodeStep(const T5Model& model, std::int64_t rows)
    : m_model(model), m_rows(rows), m_epsilon(model.config().rmsEpsilon) {}

T5DecodeStep::T5DecodeStep(ExecContext& context, const T5Model& model, std::vector<Part> parts)
    : T5DecodeStep(model, rowsOf(parts)) {
    m_parts = std::move(parts);
    const Allocate owned = [&](Shape shape) {
        return m_owned.emplace_back(Tensor::empty(shape, DType::F32, context.device())).view();
    };
    makeBuffers(owned);
    m_logits = owned({m_rows, model.config().vocabularySize});
}

T5DecodeStep::T5DecodeStep(
    ExecContext& context, const T5Model& model, std::vector<Part> parts, TensorView logits)
    : T5DecodeStep(model, rowsOf(parts)) {
    m_parts = std::move(parts);
    makeBuffers([&](Shape shape) { return context.scratch().take(shape, DType::F32); });
    m_logits = logits;
}

void T5DecodeStep::makeBuffers(const Allocate& floats) {
    const T5Config& config = m_model.config();
    for (TensorView* hidden : {&m_x, &m_normed, &m_delta}) {
        *hidden = floats({m_rows, config.hiddenSize});
    }
    m_qkv = floats({3, m_rows, config.heads * config.headDim});
    m_mixed = floats({m_rows, config.heads, config.headDim});
    m_inner = floats({2, m_rows, config.intermediateSize});
}

T5DecodeStep::T5DecodeStep(ExecContext& context, const T5Model& model, std::int64_t sourceTokens)
    : T5DecodeStep(model, sourceTokens) {
    makeBuffers([&](Shape shape) {
        return m_owned.emplace_back(Tensor::empty(shape, DType::F32, context.device())).view();
    });
}

void T5DecodeStep::encode(ExecContext& context, ConstView ids, TensorView hidden) {
    run(context, Embedding{.table = m_model.m_embedding.view(), .ids = ids, .y = m_x});
    for (const T5Block& block : m_model.m_encoder.blocks) {
        attendAll(context, block);
        feedForward(context, block);
    }
    run(context, RmsNorm{
                     .x = m_x,
                     .gamma = m_model.m_encoder.finalNorm.view(),
                     .y = hidden,
                     .epsilon = m_epsilon});
}

T5EncodeStep::T5EncodeStep(ExecContext& context, const T5Model& model, std::int64_t tokens)
    : m_identity(T5DecodeStep::identityOf(context, model, true)), m_pass(context, model, tokens),
      m_ids(Tensor::empty({tokens}, DType::I32, context.device())),
      m_hidden(Tensor::empty({tokens, model.config().hiddenSize}, DType::F32, context.device())) {}

bool T5EncodeStep::isFor(ExecContext& context, const T5Model& model, std::int64_t tokens) const {
    return m_pass.rows() == tokens && m_identity == T5DecodeStep::identityOf(context, model, true);
}

ConstView T5EncodeStep::run(ExecContext& context, std::span<const TokenId> ids) {
    put(context, ids, m_ids.view());
    const auto pass = [&] { m_pass.encode(context, m_ids.view(), m_hidden.view()); };
    if (!m_hasRun || !CapturedGraph::isAvailable(context)) {
        pass();
        m_hasRun = true;
    } else {
        if (m_graph == nullptr) {
            m_graph = CapturedGraph::record(context, pass);
        }
        m_graph->replay(context);
    }
    return m_hidden.constView();
}

std::vector<std::uintptr_t>
T5DecodeStep::identityOf(ExecContext& context, const T5Model& model, bool encoder) {
    const T5Stack& stack = encoder ? model.m_encoder : model.m_decoder;
    std::vector<std::uintptr_t> list{
        reinterpret_cast<std::uintptr_t>(&context), reinterpret_cast<std::uintptr_t>(&model),
        reinterpret_cast<std::uintptr_t>(model.m_embedding.view().data)};
    const auto add = [&list](const std::optional<Linear>& linear) {
        if (linear) {
            appendIdentity(*linear, list);
        }
    };
    for (const T5Block& block : stack.blocks) {
        for (const T5Attention* attention :
             {&block.self, block.source ? &*block.source : nullptr}) {
            if (attention != nullptr) {
                for (const Linear* linear :
                     {&attention->q, &attention->k, &attention->v, &attention->o}) {
                    appendIdentity(*linear, list);
                }
                add(attention->qkv);
            }
        }
        appendIdentity(block.in, list);
        appendIdentity(block.out, list);
        add(block.up);
        add(block.gateUp);
    }
    add(model.m_head);
    return list;
}

RecordedSteps::Subject
T5DecodeStep::subjectOf(ExecContext& context, const T5Model& model, T5Memory& memory) {
    return {
        .cache = memory.cache,
        .sourceLength = memory.source.length(),
        .identity = identityOf(context, model, false),
        .make = [&context, &model, &memory](std::int64_t rows) -> std::unique_ptr<RowsStep> {
            return std::make_unique<T5DecodeStep>(
                context, model, std::vector<Part>{{&memory, rows}});
        },
        .makeLoop = [&model, &memory] { return T5Draft::loopOf(model, memory); }};
}

void T5DecodeStep::enqueue(ExecContext& context, ConstView ids) {
    run(context, Embedding{.table = m_model.m_embedding.view(), .ids = ids, .y = m_x});
    for (std::size_t layer = 0; layer < m_model.m_decoder.blocks.size(); ++layer) {
        attend(context, layer);
        attendSource(context, layer);
        feedForward(context, m_model.m_decoder.blocks[layer]);
    }
    const Tensor& norm = m_model.m_decoder.finalNorm;
    if (m_model.m_head) {
        multiply(context, *m_model.m_head, &norm, m_x, m_logits);
    } else {
        run(context, StepProduct{
                         .x = m_x,
                         .gamma = norm.view(),
                         .epsilon = m_epsilon,
                         .w = m_model.m_embedding.view(),
                         .y = m_logits});
    }
}

void T5DecodeStep::multiplyAll(
    ExecContext& context, const Linear& linear, ConstView x, TensorView y) {
    const auto* dense = std::get_if<DenseWeight>(&linear.weight);
    if (dense != nullptr && !linear.bias && context.device().isCuda()) {
        run(context, StepProduct{.x = x, .w = dense->w.view(), .y = y});
    } else {
        linear.apply(context, x, y);
    }
}

void T5DecodeStep::multiply(
    ExecContext& context, const Linear& linear, const Tensor* gamma, ConstView x, TensorView y,
    bool relu) {
    const auto* dense = std::get_if<DenseWeight>(&linear.weight);
    if (dense != nullptr && !linear.bias) {
        run(context, StepProduct{
                         .x = x,
                         .gamma = gamma != nullptr ? gamma->view() : ConstView{},
                         .epsilon = m_epsilon,
                         .w = dense->w.view(),
                         .result = relu ? StepProduct::Result::Relu : StepProduct::Result::Store,
                         .y = y});
        return;
    }
    if (gamma != nullptr) {
        run(context, RmsNorm{.x = x, .gamma = gamma->view(), .y = m_normed, .epsilon = m_epsilon});
        x = m_normed;
    }
    for (std::int64_t from = 0; from < m_rows; from += kPackedRows) {
        const std::int64_t to = std::min(m_rows, from + kPackedRows);
        linear.apply(context, x.slice(from, to), y.slice(from, to));
    }
    if (relu) {
        run(context, Relu{.x = y, .y = y});
    }
}

void T5DecodeStep::addTo(ExecContext& context, const Linear& linear, ConstView x) {
    const auto* dense = std::get_if<DenseWeight>(&linear.weight);
    if (dense != nullptr && !linear.bias) {
        run(context,
            StepProduct{
                .x = x, .w = dense->w.view(), .result = StepProduct::Result::Add, .y = m_x});
        return;
    }
    multiply(context, linear, nullptr, x, m_delta);
    run(context, Add{.a = m_x, .b = m_delta, .y = m_x});
}

std::int64_t T5DecodeStep::project(
    ExecContext& context, const T5Attention& attention, std::array<TensorView, 3>& qkv) {
    const std::int64_t inner = m_mixed.shape[1] * m_mixed.shape[2];
    const std::array<const Linear*, 3> members{&attention.q, &attention.k, &attention.v};
    const bool together = attention.qkv && holdsRows(*attention.qkv, members);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto before = static_cast<std::int64_t>(i) * (together ? 1 : m_rows) * inner;
        qkv[i] = m_qkv;
        qkv[i].data += static_cast<std::size_t>(before) * sizeof(float);
        qkv[i].shape = m_mixed.shape;
        if (!together) {
            multiply(context, *members[i], &attention.norm, m_x, qkv[i].reshaped({m_rows, inner}));
        }
    }
    if (together) {
        multiply(
            context, *attention.qkv, &attention.norm, m_x, m_qkv.reshaped({m_rows, 3 * inner}));
    }
    return together ? 3 * inner : inner;
}

void T5DecodeStep::attend(ExecContext& context, std::size_t layer) {
    const T5Attention& self = m_model.m_decoder.blocks[layer].self;
    const Shape flat{m_rows, m_mixed.shape[1] * m_mixed.shape[2]};
    std::array<TensorView, 3> qkv{};
    const std::int64_t stride = project(context, self, qkv);
    std::int64_t from = 0;
    for (const Part& part : m_parts) {
        const auto partOf = [&](TensorView view) {
            view.data += static_cast<std::size_t>(from * stride) * sizeof(float);
            view.shape = Shape{part.rows, view.shape[1], view.shape[2]};
            return view;
        };
        run(context, StepAttention{
                         .q = partOf(qkv[0]),
                         .k = partOf(qkv[1]),
                         .v = partOf(qkv[2]),
                         .qStride = stride,
                         .kvStride = stride,
                         .length = part.memory->steps.length(),
                         .keys = part.memory->cache.keys(static_cast<int>(layer)),
                         .values = part.memory->cache.values(static_cast<int>(layer)),
                         .bias = m_model.m_decoder.bias.view(),
                         .biasOrigin = kT5Positions - 1,
                         .y = m_mixed.slice(from, from + part.rows)});
        from += part.rows;
    }
    addTo(context, self.o, m_mixed.reshaped(flat));
}

void T5DecodeStep::attendAll(ExecContext& context, const T5Block& block) {
    const Shape flat{m_rows, m_mixed.shape[1] * m_mixed.shape[2]};
    for (std::int64_t i = 0; i < 3; ++i) {
        const std::array<const Linear*, 3> members{&block.self.q, &block.self.k, &block.self.v};
        multiply(
            context, *members[static_cast<std::size_t>(i)], &block.self.norm, m_x,
            m_qkv.slice(i, i + 1).reshaped(flat));
    }
    run(context, Attention{
                     .q = m_qkv.slice(0, 1).reshaped(m_mixed.shape),
                     .keys = m_qkv.slice(1, 2).reshaped(m_mixed.shape),
                     .values = m_qkv.slice(2, 3).reshaped(m_mixed.shape),
                     .y = m_mixed,
                     .causal = false,
                     .bias = m_model.m_encoder.bias.view(),
                     .biasOrigin = kT5Positions - 1});
    addTo(context, block.self.o, m_mixed.reshaped(flat));
}

/// Queries and attention to the source of one text together, where a GPU takes that. @return
/// whether
bool T5DecodeStep::attendAtOnce(
    ExecContext& context, const T5Attention& source, std::size_t layer) {
    const auto* dense = std::get_if<DenseWeight>(&source.q.weight);
    if (dense == nullptr || source.q.bias || m_parts.size() != 1) {
        return false;
    }
    T5Memory& memory = *m_parts.front().memory;
    const SourceAttention op{
        .x = m_x,
        .gamma = source.norm.view(),
        .epsilon = m_epsilon,
        .w = dense->w.view(),
        .length = memory.steps.sourceLength(),
        .keys = memory.source.keys(static_cast<int>(layer)),
        .values = memory.source.values(static_cast<int>(layer)),
        .y = m_mixed};
    if (!attendsInOneLaunch(context, op)) {
        return false;
    }
    run(context, op);
    return true;
}

void T5DecodeStep::attendSource(ExecContext& context, std::size_t layer) {
    const T5Attention& source = sourceOf(m_model.m_decoder.blocks[layer]);
    const Shape flat{m_rows, m_mixed.shape[1] * m_mixed.shape[2]};
    if (!attendAtOnce(context, source, layer)) {
        attendByParts(context, source, layer);
    }
    addTo(context, source.o, m_mixed.reshaped(flat));
}

void T5DecodeStep::attendByParts(
    ExecContext& context, const T5Attention& source, std::size_t layer) {
    const Shape flat{m_rows, m_mixed.shape[1] * m_mixed.shape[2]};
    const TensorView q = m_qkv.slice(0, 1).reshaped(flat);
    multiply(context, source.q, &source.norm, m_x, q);
    std::int64_t from = 0;
    for (const Part& part : m_parts) {
        run(context, StepAttention{
                         .q = q.reshaped(m_mixed.shape).slice(from, from + part.rows),
                         .length = part.memory->steps.sourceLength(),
                         .keys = part.memory->source.keys(static_cast<int>(layer)),
                         .values = part.memory->source.values(static_cast<int>(layer)),
                         .y = m_mixed.slice(from, from + part.rows)});
        from += part.rows;
    }
}

void T5DecodeStep::feedForward(ExecContext& context, const T5Block& block) {
    const Shape shape{m_rows, m_inner.shape[2]};
    const TensorView gate = m_inner.slice(0, 1).reshaped(shape);
    const TensorView up = m_inner.slice(1, 2).reshaped(shape);
    const T5Activation activation = m_model.config().activation;
    const bool relu = activation == T5Activation::Relu;
    if (!relu && m_rows == 1 && block.gateUp && block.up &&
        holdsRows(*block.gateUp, std::array<const Linear*, 2>{&block.in, &*block.up})) {
        multiply(
            context, *block.gateUp, &block.feedForwardNorm, m_x,
            m_inner.reshaped({1, 2 * shape[1]}));
    } else {
        multiply(context, block.in, &block.feedForwardNorm, m_x, gate, relu);
        if (block.up) {
            multiply(context, *block.up, &block.feedForwardNorm, m_x, up);
        }
    }
    if (activation == T5Activation::GatedGelu) {
        run(context, GeGlu{.gate = gate, .up = up, .y = gate});
    } else if (activation == T5Activation::GatedSilu) {
        run(context, SwiGlu{.gate = gate, .up = up, .y = gate});
    }
    addTo(context, block.out, gate);
}

} // namespace lathe
