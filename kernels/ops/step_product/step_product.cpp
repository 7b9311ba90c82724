// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/step_product/step_product.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/relu/relu.h"
#include "kernels/ops/rms_norm/rms_norm.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const StepProduct& op);
}
#endif

namespace {

/// By way of the ops that it is made of: they are specified on their own.
void stepProductScalar(ExecContext& context, const StepProduct& op) {
    Arena::Scope scope(context.scratch());
    ConstView x = op.x;
    if (!op.gamma.empty()) {
        const TensorView normed = context.scratch().take(op.x.shape, DType::F32);
        run(context, RmsNorm{.x = x, .gamma = op.gamma, .y = normed, .epsilon = op.epsilon});
        x = normed;
    }
    const bool adds = op.result == StepProduct::Result::Add;
    const TensorView product = adds ? context.scratch().take(op.y.shape, DType::F32) : op.y;
    run(context, Gemm{.x = x, .w = op.w, .y = product});
    if (adds) {
        run(context, Add{.a = op.y, .b = product, .y = op.y});
    } else if (op.result == StepProduct::Result::Relu) {
        run(context, Relu{.x = op.y, .y = op.y});
    }
}

} // namespace

template <>
std::span<const Kernel<StepProduct>> kernelsOf<StepProduct>() {
    static constexpr Kernel<StepProduct> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", stepProductScalar},
    };
    return kTable;
}

void run(ExecContext& context, const StepProduct& op) {
    const Arguments arguments("step_product", context.device());
    arguments.rank("x", op.x, 2);
    arguments.rank("w", op.w, 2);
    const std::int64_t in = op.x.shape[1], out = op.w.shape[0];
    arguments.f32("x", op.x, op.x.shape);
    arguments.weight("w", op.w, {out, in});
    arguments.f32("y", op.y, {op.x.shape[0], out});
    if (!op.gamma.empty()) {
        arguments.f32("gamma", op.gamma, {in});
    }
    arguments.disjoint("y", op.y, "x", op.x);
    arguments.disjoint("y", op.y, "w", op.w);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "step_product");
    }
}

} // namespace lathe
