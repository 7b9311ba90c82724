// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/relu/relu.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/relu/relu_simd.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Relu& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 32768;

void reluScalar(ExecContext&, const Relu& op) {
    const auto* x = op.x.ptr<float>();
    auto* y = op.y.ptr<float>();
    for (std::int64_t i = 0; i < op.y.elementCount(); ++i) {
        y[i] = x[i] < 0.0F ? 0.0F : x[i];
    }
}

template <auto Kernel>
void reluSimd(ExecContext& context, const Relu& op) {
    context.pool().parallelFor(
        op.y.elementCount(), kGrain, [&](std::int64_t from, std::int64_t to) {
            Kernel(op.x.ptr<float>() + from, op.y.ptr<float>() + from, to - from);
        });
}

} // namespace

template <>
std::span<const Kernel<Relu>> kernelsOf<Relu>() {
    static constexpr Kernel<Relu> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", reluSimd<avx512::relu>},
        {Target::Avx2, "avx2", reluSimd<avx2::relu>},
        {Target::Scalar, "scalar", reluScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Relu& op) {
    const Arguments arguments("relu", context.device());
    arguments.f32("x", op.x, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    arguments.sameOrDisjoint("y", op.y, "x", op.x);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "relu");
    }
}

} // namespace lathe
