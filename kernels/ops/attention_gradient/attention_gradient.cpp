// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention_gradient/attention_gradient.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/attention_gradient/attention_gradient_simd.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const AttentionGradient& op);
}
#endif

namespace {

double dot(const float* a, const float* b, std::int64_t count) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
        sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return sum;
}

/// What one query head of one token adds. Scores are computed once per pass instead of stored: the
/// reference needs no memory of its own.
void addGradients(const AttentionGradient& op, std::int64_t token, std::int64_t head) {
    const std::int64_t heads = op.q.shape[1];
    const std::int64_t headDim = op.q.shape[2];
    const std::int64_t kvHeads = op.keys.shape[1];
    const std::int64_t stride = kvHeads * headDim;
    const std::int64_t query = (token * heads + head) * headDim;
    const std::int64_t row = head / (heads / kvHeads) * headDim;
    const float* q = op.q.ptr<float>() + query;
    const float* dy = op.dy.ptr<float>() + query;
    const auto score = [&](std::int64_t j) {
        return static_cast<double>(op.scale) *
               dot(q, op.keys.ptr<float>() + j * stride + row, headDim);
    };
    const auto weightGradient = [&](std::int64_t j) {
        return dot(dy, op.values.ptr<float>() + j * stride + row, headDim);
    };
    double largest = -std::numeric_limits<double>::infinity();
    for (std::int64_t j = 0; j <= token; ++j) {
        largest = std::max(largest, score(j));
    }
    double total = 0.0;
    double mixed = 0.0;
    for (std::int64_t j = 0; j <= token; ++j) {
        const double weight = std::exp(score(j) - largest);
        total += weight;
        mixed += weight * weightGradient(j);
    }
    for (std::int64_t j = 0; j <= token; ++j) {
        const double weight = std::exp(score(j) - largest) / total; // P
        const double gradient =
            static_cast<double>(op.scale) * weight * (weightGradient(j) - mixed / total); // dS
        const std::int64_t at = j * stride + row;
        for (std::int64_t d = 0; d < headDim; ++d) {
            op.dq.ptr<float>()[query + d] +=
                static_cast<float>(gradient * static_cast<double>(op.keys.ptr<float>()[at + d]));
            op.dkeys.ptr<float>()[at + d] +=
                static_cast<float>(gradient * static_cast<double>(q[d]));
            op.dvalues.ptr<float>()[at + d] +=
                static_cast<float>(weight * static_cast<double>(dy[d]));
        }
    }
}

void attentionGradientScalar(ExecContext&, const AttentionGradient& op) {
    for (const TensorView& result : {op.dq, op.dkeys, op.dvalues}) {
        std::fill_n(result.ptr<float>(), result.elementCount(), 0.0F);
    }
    for (std::int64_t token = 0; token < op.q.shape[0]; ++token) {
        for (std::int64_t head = 0; head < op.q.shape[1]; ++head) {
            addGradients(op, token, head);
        }
    }
}

/// Work items are key heads: what their query heads add to a key is summed on one thread.
template <auto KeyHead>
void attentionGradientSimd(ExecContext& context, const AttentionGradient& op) {
    const AttentionGradientArguments a{
        .q = op.q.ptr<float>(),
        .keys = op.keys.ptr<float>(),
        .values = op.values.ptr<float>(),
        .dy = op.dy.ptr<float>(),
        .dq = op.dq.ptr<float>(),
        .dkeys = op.dkeys.ptr<float>(),
        .dvalues = op.dvalues.ptr<float>(),
        .tokens = op.q.shape[0],
        .heads = op.q.shape[1],
        .kvHeads = op.keys.shape[1],
        .headDim = op.q.shape[2],
        .scale = op.scale};
    const std::int64_t slots = std::min<std::int64_t>(a.kvHeads, context.pool().threadCount());
    const std::int64_t floats = attentionGradientScratch(a.tokens, a.headDim);
    const Arena::Scope scope(context.scratch());
    float* scratch = context.scratch().take({slots, floats}, DType::F32).ptr<float>();
    std::atomic<std::int64_t> next{0};
    context.pool().parallelFor(slots, 1, [&](std::int64_t from, std::int64_t) {
        for (std::int64_t kvHead = next++; kvHead < a.kvHeads; kvHead = next++) {
            KeyHead(a, kvHead, scratch + from * floats);
        }
    });
}

} // namespace

template <>
std::span<const Kernel<AttentionGradient>> kernelsOf<AttentionGradient>() {
    static constexpr Kernel<AttentionGradient> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", attentionGradientSimd<avx512::attentionGradient>},
        {Target::Avx2, "avx2", attentionGradientSimd<avx2::attentionGradient>},
        {Target::Scalar, "scalar", attentionGradientScalar},
    };
    return kTable;
}

void run(ExecContext& context, const AttentionGradient& op) {
    const Arguments arguments("attention_gradient", context.device());
    arguments.rank("q", op.q, 3);
    arguments.rank("keys", op.keys, 3);
    const std::int64_t heads = op.q.shape[1];
    const std::int64_t kvHeads = op.keys.shape[1];
    arguments.f32("q", op.q, op.q.shape);
    arguments.f32("keys", op.keys, {op.q.shape[0], kvHeads, op.q.shape[2]});
    arguments.f32("values", op.values, op.keys.shape);
    arguments.f32("dy", op.dy, op.q.shape);
    arguments.f32("dq", op.dq, op.q.shape);
    arguments.f32("dkeys", op.dkeys, op.keys.shape);
    arguments.f32("dvalues", op.dvalues, op.keys.shape);
    LATHE_CHECK(
        kvHeads > 0 ? heads % kvHeads == 0 : heads == 0,
        "attention_gradient: q is " + op.q.shape.text() + ", keys are " + op.keys.shape.text() +
            "; the query heads are not a multiple of the key heads");
    for (const auto& [name, result] :
         {std::pair{"dq", op.dq}, {"dkeys", op.dkeys}, {"dvalues", op.dvalues}}) {
        arguments.disjoint(name, result, "q", op.q);
        arguments.disjoint(name, result, "keys", op.keys);
        arguments.disjoint(name, result, "values", op.values);
        arguments.disjoint(name, result, "dy", op.dy);
    }
    arguments.disjoint("dq", op.dq, "dkeys", op.dkeys);
    arguments.disjoint("dq", op.dq, "dvalues", op.dvalues);
    arguments.disjoint("dkeys", op.dkeys, "dvalues", op.dvalues);
    if (op.q.elementCount() > 0) {
        dispatch(context, op, "attention_gradient");
    }
}

} // namespace lathe
