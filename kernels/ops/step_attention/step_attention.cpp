// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/step_attention/step_attention.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/rope/rope.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const StepAttention& op);
bool acceptsCache(const StepAttention& op);
} // namespace cuda
#endif

namespace {

std::int64_t rowElements(const ConstView& view) { return view.shape[1] * view.shape[2]; }

/// Row `row` of a view whose rows are `stride` elements apart.
ConstView rowOf(ConstView view, std::int64_t stride, std::int64_t row) {
    const std::int64_t step = stride == 0 ? rowElements(view) : stride;
    view.data += static_cast<std::size_t>(row * step) * sizeof(float);
    view.shape = {1, view.shape[1], view.shape[2]};
    return view;
}

/// By way of the op that it is made of: that is specified on its own.
void stepAttentionScalar(ExecContext& context, const StepAttention& op) {
    const std::int64_t length = op.length.ptr<std::int32_t>()[0];
    const std::int64_t capacity = op.keys.shape[0];
    const bool fresh = !op.k.empty();
    for (std::int64_t row = 0; row < op.q.shape[0]; ++row) {
        const TensorView y = op.y.slice(row, row + 1);
        const std::int64_t visible = fresh ? length + row + 1 : length;
        if (length < 0 || visible < 1 || visible > capacity) {
            std::ranges::fill(y.as<float>(), std::numeric_limits<float>::quiet_NaN());
            continue;
        }
        Arena::Scope scope(context.scratch());
        ConstView q = rowOf(op.q, op.qStride, row);
        if (fresh) {
            const TensorView key = op.keys.slice(visible - 1, visible);
            copy(context, rowOf(op.k, op.kvStride, row), key);
            copy(context, rowOf(op.v, op.kvStride, row), op.values.slice(visible - 1, visible));
            if (!op.frequencies.empty()) {
                const std::array<std::int32_t, 1> at{static_cast<std::int32_t>(visible - 1)};
                const ConstView position = constViewOf(std::span<const std::int32_t>(at), {1});
                const TensorView turned = context.scratch().take(q.shape, DType::F32);
                copy(context, q, turned);
                for (const TensorView& x : {key, turned}) {
                    run(context,
                        Rope{.x = x, .frequencies = op.frequencies, .positions = position});
                }
                q = turned;
            }
        }
        run(context, Attention{
                         .q = q,
                         .keys = op.keys.slice(0, visible),
                         .values = op.values.slice(0, visible),
                         .past = fresh ? visible - 1 : 0,
                         .scale = op.scale,
                         .y = y,
                         .causal = fresh,
                         .bias = op.bias,
                         .biasOrigin = op.biasOrigin});
    }
}

void checkStride(const char* name, const ConstView& view, std::int64_t stride) {
    LATHE_CHECK(
        stride == 0 || stride >= rowElements(view),
        "step_attention: " + std::string(name) + " is " + std::to_string(stride) +
            ", the rows have " + std::to_string(rowElements(view)) + " elements");
}

} // namespace

template <>
std::span<const Kernel<StepAttention>> kernelsOf<StepAttention>() {
    static constexpr Kernel<StepAttention> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch, cuda::acceptsCache},
#endif
        {Target::Scalar, "scalar", stepAttentionScalar},
    };
    return kTable;
}

void run(ExecContext& context, const StepAttention& op) {
    const Arguments arguments("step_attention", context.device());
    arguments.rank("q", op.q, 3);
    arguments.rank("keys", op.keys, 3);
    const std::int64_t heads = op.q.shape[1], headDim = op.q.shape[2];
    const std::int64_t kvHeads = op.keys.shape[1];
    arguments.f32("q", op.q, op.q.shape);
    arguments.f32("y", op.y, op.q.shape);
    arguments.i32("length", op.length, {1});
    arguments.f32("keys", op.keys, {op.keys.shape[0], kvHeads, headDim});
    arguments.f32("values", op.values, op.keys.shape);
    LATHE_CHECK(
        kvHeads > 0 ? heads % kvHeads == 0 : heads == 0,
        "step_attention: q is " + op.q.shape.text() + ", keys are " + op.keys.shape.text() +
            "; a multiple of the key heads is needed");
    checkStride("qStride", op.q, op.qStride);
    if (!op.k.empty()) {
        arguments.f32("k", op.k, {op.q.shape[0], kvHeads, headDim});
        arguments.f32("v", op.v, op.k.shape);
        checkStride("kvStride", op.k, op.kvStride);
        arguments.disjoint("keys", op.keys, "values", op.values);
        arguments.disjoint("keys", op.keys, "k", op.k);
        arguments.disjoint("values", op.values, "v", op.v);
    }
    if (!op.frequencies.empty()) {
        LATHE_CHECK(
            !op.k.empty() && headDim % 2 == 0,
            "step_attention: frequencies need k and v and an even headDim, q is " +
                op.q.shape.text());
        arguments.f32("frequencies", op.frequencies, {headDim / 2});
    }
    arguments.disjoint("y", op.y, "keys", op.keys);
    arguments.disjoint("y", op.y, "values", op.values);
    if (!op.bias.empty()) {
        arguments.rank("bias", op.bias, 2);
        arguments.f32("bias", op.bias, {heads, op.bias.shape[1]});
        LATHE_CHECK(!op.k.empty(), "step_attention: a bias needs k and v; a source has none");
        LATHE_CHECK(
            op.biasOrigin >= op.keys.shape[0] - 1 && op.biasOrigin < op.bias.shape[1],
            "step_attention: distance 0 is column " + std::to_string(op.biasOrigin) +
                " of a bias that is " + op.bias.shape.text() + ", the cache has " +
                std::to_string(op.keys.shape[0]) + " rows");
    }
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "step_attention");
    }
}

} // namespace lathe
