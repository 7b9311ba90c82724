// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/geglu/geglu.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/geglu/geglu_simd.h"

#include <cmath>
#include <numbers>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const GeGlu& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 8192;

void gegluScalar(ExecContext&, const GeGlu& op) {
    const double scale = std::sqrt(2.0 * std::numbers::inv_pi);
    for (std::int64_t i = 0; i < op.y.elementCount(); ++i) {
        const double z = op.gate.ptr<float>()[i];
        const double up = op.up.ptr<float>()[i];
        const double inner = scale * (z + 0.044715 * z * z * z);
        op.y.ptr<float>()[i] = static_cast<float>(0.5 * z * (1.0 + std::tanh(inner)) * up);
    }
}

template <auto Kernel>
void gegluSimd(ExecContext& context, const GeGlu& op) {
    context.pool().parallelFor(
        op.y.elementCount(), kGrain, [&](std::int64_t from, std::int64_t to) {
            Kernel(
                op.gate.ptr<float>() + from, op.up.ptr<float>() + from, op.y.ptr<float>() + from,
                to - from);
        });
}

} // namespace

template <>
std::span<const Kernel<GeGlu>> kernelsOf<GeGlu>() {
    static constexpr Kernel<GeGlu> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", gegluSimd<avx512::geglu>},
        {Target::Avx2, "avx2", gegluSimd<avx2::geglu>},
        {Target::Scalar, "scalar", gegluScalar},
    };
    return kTable;
}

void run(ExecContext& context, const GeGlu& op) {
    const Arguments arguments("geglu", context.device());
    arguments.f32("gate", op.gate, op.y.shape);
    arguments.f32("up", op.up, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    arguments.sameOrDisjoint("y", op.y, "gate", op.gate);
    arguments.sameOrDisjoint("y", op.y, "up", op.up);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "geglu");
    }
}

} // namespace lathe
