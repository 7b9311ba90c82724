// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/add/add.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/add/add_simd.h"

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Add& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 32768;

void addScalar(ExecContext&, const Add& op) {
    const auto* a = op.a.ptr<float>();
    const auto* b = op.b.ptr<float>();
    auto* y = op.y.ptr<float>();
    for (std::int64_t i = 0; i < op.y.elementCount(); ++i) {
        y[i] = a[i] + b[i];
    }
}

template <auto Kernel>
void addSimd(ExecContext& context, const Add& op) {
    context.pool().parallelFor(
        op.y.elementCount(), kGrain, [&](std::int64_t from, std::int64_t to) {
            Kernel(
                op.a.ptr<float>() + from, op.b.ptr<float>() + from, op.y.ptr<float>() + from,
                to - from);
        });
}

} // namespace

template <>
std::span<const Kernel<Add>> kernelsOf<Add>() {
    static constexpr Kernel<Add> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", addSimd<avx512::add>},
        {Target::Avx2, "avx2", addSimd<avx2::add>},
        {Target::Scalar, "scalar", addScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Add& op) {
    const Arguments arguments("add", context.device());
    arguments.f32("a", op.a, op.y.shape);
    arguments.f32("b", op.b, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    arguments.sameOrDisjoint("y", op.y, "a", op.a);
    arguments.sameOrDisjoint("y", op.y, "b", op.b);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "add");
    }
}

} // namespace lathe
