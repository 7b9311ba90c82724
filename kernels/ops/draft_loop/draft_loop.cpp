// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/draft_loop/draft_loop.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/draft_loop/draft_loop_plan.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/geglu/geglu.h"
#include "kernels/ops/row_statistics/row_statistics.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/step_product/step_product.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>
#include <array>
#include <vector>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const DraftLoop& op);
int draftLoopBlocks(ExecContext& context, const DraftLoop& op);
} // namespace cuda
#endif

namespace {

/// The op by way of those that it is made of, which are specified on their own: on any device.
class LoopByParts {
public:
    LoopByParts(ExecContext& context, const DraftLoop& op)
        : m_context(context), m_op(op), m_scope(context.scratch()) {
        const DraftLoop::Layer& layer = op.layers.front();
        const Shape heads{1, layer.keys.shape[1], layer.keys.shape[2]};
        const Shape inner{1, layer.in.shape[0]};
        const auto floats = [&context](Shape shape) {
            return context.scratch().take(shape, DType::F32);
        };
        m_x = floats({1, op.embedding.shape[1]});
        m_q = floats(heads), m_k = floats(heads), m_v = floats(heads), m_mixed = floats(heads);
        m_gate = floats(inner), m_up = floats(inner);
        m_logits = floats({1, op.head.shape[0]});
        m_values = floats({1, 3});
        m_argmax = context.scratch().take({1}, DType::I32);
        m_target = context.scratch().take({1}, DType::I32);
        m_length = context.scratch().take({1}, DType::I32);
        const std::array<std::int32_t, 1> none{-1};
        toDevice(none, m_target);
    }

    void run() {
        std::array<std::int32_t, DraftStep::kStateSize> state{};
        toHost(m_op.state, state);
        const std::int64_t positions = draftPositions(m_op.positions, m_op.layers.front().keys);
        if (!isInRange(state, positions)) {
            state[DraftStep::Go] = 0;
            toDevice(state, m_op.state);
            return;
        }
        std::vector<std::int32_t> ids(static_cast<std::size_t>(m_op.ids.shape[0]));
        toHost(m_op.ids, ids);
        const auto fed = static_cast<std::size_t>(state[DraftStep::Fed]);
        for (std::size_t i = 0; i + 1 < fed; ++i) {
            const auto at = static_cast<std::int64_t>(i);
            step(m_op.ids.slice(at, at + 1), state[DraftStep::Length] + static_cast<int>(i));
        }
        std::int32_t position = state[DraftStep::Length] + static_cast<std::int32_t>(fed) - 1;
        auto last = static_cast<std::int64_t>(fed) - 1;
        do {
            step(m_op.ids.slice(last, last + 1), position++);
            decide(state);
            last = 0; // where the draft is
        } while (state[DraftStep::Go] != 0 && position < positions);
        state[DraftStep::Go] = 0;
        toDevice(state, m_op.state);
    }

private:
    void toHost(ConstView from, std::span<std::int32_t> to) {
        copy(m_context, from, viewOf(to, from.shape));
    }
    void toDevice(std::span<const std::int32_t> from, TensorView to) {
        copy(m_context, constViewOf(from, to.shape), to);
    }
    bool isInRange(std::span<const std::int32_t> state, std::int64_t positions) {
        std::array<std::int32_t, 1> source{};
        toHost(m_op.sourceLength, source);
        const std::int64_t fed = state[DraftStep::Fed], count = state[DraftStep::Count];
        const std::int64_t length = state[DraftStep::Length];
        return fed >= 1 && fed <= m_op.ids.shape[0] && count >= 0 && count < m_op.rows.shape[0] &&
               length >= 0 && length + fed <= positions && source[0] >= 1 &&
               source[0] <= draftPositions(m_op.sourcePositions, m_op.layers.front().sourceKeys);
    }
    void multiply(
        ConstView x, ConstView gamma, ConstView w, TensorView y,
        StepProduct::Result result = StepProduct::Result::Store) {
        const auto row = [](auto view) { return view.reshaped({1, view.elementCount()}); };
        lathe::run(
            m_context, StepProduct{
                           .x = row(x),
                           .gamma = gamma,
                           .epsilon = m_op.epsilon,
                           .w = w,
                           .result = result,
                           .y = row(y)});
    }
    void step(ConstView id, std::int32_t position) {
        const std::array<std::int32_t, 1> at{position};
        toDevice(at, m_length);
        lathe::run(m_context, Embedding{.table = m_op.embedding, .ids = id, .y = m_x});
        for (const DraftLoop::Layer& layer : m_op.layers) {
            multiply(m_x, layer.selfNorm, layer.q, m_q);
            multiply(m_x, layer.selfNorm, layer.k, m_k);
            multiply(m_x, layer.selfNorm, layer.v, m_v);
            lathe::run(
                m_context, StepAttention{
                               .q = m_q,
                               .k = m_k,
                               .v = m_v,
                               .length = m_length,
                               .keys = layer.keys,
                               .values = layer.values,
                               .bias = m_op.bias,
                               .biasOrigin = m_op.biasOrigin,
                               .y = m_mixed});
            multiply(m_mixed, {}, layer.o, m_x, StepProduct::Result::Add);
            multiply(m_x, layer.sourceNorm, layer.sourceQ, m_q);
            attendSource(layer);
            multiply(m_mixed, {}, layer.sourceO, m_x, StepProduct::Result::Add);
            feedForward(layer);
        }
    }
    void attendSource(const DraftLoop::Layer& layer) {
        lathe::run(
            m_context, StepAttention{
                           .q = m_q,
                           .length = m_op.sourceLength,
                           .keys = unwritten(layer.sourceKeys),
                           .values = unwritten(layer.sourceValues),
                           .y = m_mixed});
    }
    void feedForward(const DraftLoop::Layer& layer) {
        const bool gated = m_op.activation != DraftLoop::Activation::Relu;
        multiply(
            m_x, layer.innerNorm, layer.in, m_gate,
            gated ? StepProduct::Result::Store : StepProduct::Result::Relu);
        if (gated) {
            multiply(m_x, layer.innerNorm, layer.up, m_up);
        }
        if (m_op.activation == DraftLoop::Activation::GatedGelu) {
            lathe::run(m_context, GeGlu{.gate = m_gate, .up = m_up, .y = m_gate});
        } else if (gated) {
            lathe::run(m_context, SwiGlu{.gate = m_gate, .up = m_up, .y = m_gate});
        }
        multiply(m_gate, {}, layer.out, m_x, StepProduct::Result::Add);
    }
    /// What the step leads to. @param state as of the device
    void decide(std::array<std::int32_t, DraftStep::kStateSize>& state) {
        multiply(m_x, m_op.finalNorm, m_op.head, m_logits);
        lathe::run(
            m_context, RowStatistics{
                           .logits = m_logits,
                           .targets = m_target,
                           .columns = m_op.columns,
                           .argmax = m_argmax,
                           .values = m_values});
        // One row stands for all that were fed.
        const std::int32_t fed = state[DraftStep::Fed];
        state[DraftStep::Length] += fed - 1;
        state[DraftStep::Fed] = 1;
        toDevice(state, m_op.state);
        lathe::run(
            m_context, DraftStep{
                           .argmax = m_argmax,
                           .values = m_values,
                           .limits = m_op.limits,
                           .state = m_op.state,
                           .id = m_op.ids.slice(0, 1),
                           .rows = m_op.rows});
        toHost(m_op.state, state);
    }

    ExecContext& m_context;
    const DraftLoop& m_op;
    Arena::Scope m_scope;
    TensorView m_x, m_q, m_k, m_v, m_mixed, m_gate, m_up, m_logits, m_values;
    TensorView m_argmax, m_target, m_length;
};

void draftLoopScalar(ExecContext& context, const DraftLoop& op) { LoopByParts(context, op).run(); }

void checkLayer(
    const Arguments& arguments, const DraftLoop& op, const DraftLoop::Layer& layer,
    const DraftLoop::Layer& first) {
    const std::int64_t hidden = op.embedding.shape[1], inner = first.in.shape[0];
    const std::int64_t wide = first.keys.shape[1] * first.keys.shape[2];
    for (const ConstView* norm : {&layer.selfNorm, &layer.sourceNorm, &layer.innerNorm}) {
        arguments.f32("norm", *norm, {hidden});
    }
    for (const ConstView* w : {&layer.q, &layer.k, &layer.v, &layer.sourceQ}) {
        arguments.weight("q, k, v", *w, {wide, hidden});
    }
    arguments.weight("o", layer.o, {hidden, wide});
    arguments.weight("o of the source", layer.sourceO, {hidden, wide});
    arguments.weight("in", layer.in, {inner, hidden});
    arguments.weight("out", layer.out, {hidden, inner});
    if (op.activation != DraftLoop::Activation::Relu) {
        arguments.weight("up", layer.up, {inner, hidden});
    }
    arguments.f32("keys", layer.keys, first.keys.shape);
    arguments.f32("values", layer.values, first.keys.shape);
    arguments.f32("keys of the source", layer.sourceKeys, first.sourceKeys.shape);
    arguments.f32("values of the source", layer.sourceValues, first.sourceKeys.shape);
    arguments.disjoint("keys", layer.keys, "values", layer.values);
}

} // namespace

template <>
std::span<const Kernel<DraftLoop>> kernelsOf<DraftLoop>() {
    static constexpr Kernel<DraftLoop> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", draftLoopScalar},
    };
    return kTable;
}

void run(ExecContext& context, const DraftLoop& op) {
    const Arguments arguments("draft_loop", context.device());
    LATHE_CHECK(!op.layers.empty(), "draft_loop: there are no layers");
    const DraftLoop::Layer& first = op.layers.front();
    arguments.rank("embedding", op.embedding, 2);
    arguments.rank("in", first.in, 2);
    arguments.rank("keys", first.keys, 3);
    arguments.rank("keys of the source", first.sourceKeys, 3);
    arguments.rank("bias", op.bias, 2);
    arguments.rank("ids", op.ids, 1);
    arguments.rank("rows", op.rows, 2);
    arguments.weight("embedding", op.embedding, op.embedding.shape);
    arguments.weight("head", op.head, op.embedding.shape);
    arguments.f32("final norm", op.finalNorm, {op.embedding.shape[1]});
    arguments.f32("bias", op.bias, {first.keys.shape[1], op.bias.shape[1]});
    arguments.f32(
        "keys of the source", first.sourceKeys,
        {first.sourceKeys.shape[0], first.keys.shape[1], first.keys.shape[2]});
    for (const DraftLoop::Layer& layer : op.layers) {
        checkLayer(arguments, op, layer, first);
    }
    LATHE_CHECK(
        op.biasOrigin >= first.keys.shape[0] - 1 && op.biasOrigin < op.bias.shape[1],
        "draft_loop: distance 0 is column " + std::to_string(op.biasOrigin) +
            " of a bias that is " + op.bias.shape.text() + ", the cache has " +
            std::to_string(first.keys.shape[0]) + " rows");
    LATHE_CHECK(
        op.columns >= 1 && op.columns <= op.head.shape[0],
        "draft_loop: " + std::to_string(op.columns) + " columns of " +
            std::to_string(op.head.shape[0]));
    arguments.i32("source length", op.sourceLength, {1});
    arguments.i32("limits", op.limits, {DraftStep::kLimitSize});
    arguments.i32("state", op.state, {DraftStep::kStateSize});
    arguments.i32("ids", op.ids, op.ids.shape);
    arguments.i32("rows", op.rows, {op.rows.shape[0], 4});
    dispatch(context, op, "draft_loop");
}

int draftLoopBlocks(ExecContext& context, const DraftLoop& op) {
#ifdef LATHE_HAVE_CUDA
    if (context.device().isCuda()) {
        return cuda::draftLoopBlocks(context, op);
    }
#endif
    static_cast<void>(context), static_cast<void>(op);
    return 0;
}

} // namespace lathe
