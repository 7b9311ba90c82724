// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/source_attention/source_attention.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "kernels/ops/step_product/step_product.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const SourceAttention& op);
bool attendsInOneLaunch(ExecContext& context, const SourceAttention& op);
} // namespace cuda
#endif

namespace {

/// By way of the ops that it is made of: they are specified on their own.
void sourceAttentionScalar(ExecContext& context, const SourceAttention& op) {
    Arena::Scope scope(context.scratch());
    const TensorView q = context.scratch().take(op.y.shape, DType::F32);
    run(context, StepProduct{
                     .x = op.x,
                     .gamma = op.gamma,
                     .epsilon = op.epsilon,
                     .w = op.w,
                     .y = q.reshaped({op.x.shape[0], op.w.shape[0]})});
    run(context, StepAttention{
                     .q = q,
                     .length = op.length,
                     .keys = unwritten(op.keys),
                     .values = unwritten(op.values),
                     .y = op.y});
}

} // namespace

template <>
std::span<const Kernel<SourceAttention>> kernelsOf<SourceAttention>() {
    static constexpr Kernel<SourceAttention> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", sourceAttentionScalar},
    };
    return kTable;
}

void run(ExecContext& context, const SourceAttention& op) {
    const Arguments arguments("source_attention", context.device());
    arguments.rank("x", op.x, 2);
    arguments.rank("keys", op.keys, 3);
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1];
    const std::int64_t heads = op.keys.shape[1], headDim = op.keys.shape[2];
    arguments.f32("x", op.x, op.x.shape);
    if (!op.gamma.empty()) {
        arguments.f32("gamma", op.gamma, {in});
    }
    arguments.weight("w", op.w, {heads * headDim, in});
    arguments.i32("length", op.length, {1});
    arguments.f32("keys", op.keys, op.keys.shape);
    arguments.f32("values", op.values, op.keys.shape);
    arguments.f32("y", op.y, {rows, heads, headDim});
    for (const auto& [name, view] :
         {std::pair{"x", op.x}, {"w", op.w}, {"keys", op.keys}, {"values", op.values}}) {
        arguments.disjoint("y", op.y, name, view);
    }
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "source_attention");
    }
}

bool attendsInOneLaunch(ExecContext& context, const SourceAttention& op) {
#ifdef LATHE_HAVE_CUDA
    if (context.device().isCuda()) {
        return cuda::attendsInOneLaunch(context, op);
    }
#endif
    static_cast<void>(context), static_cast<void>(op);
    return false;
}

} // namespace lathe
