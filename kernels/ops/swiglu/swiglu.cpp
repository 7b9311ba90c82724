// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu/swiglu.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/swiglu/swiglu_simd.h"

#include <cmath>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const SwiGlu& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 8192;

void swigluScalar(ExecContext&, const SwiGlu& op) {
    const auto* gate = op.gate.ptr<float>();
    const auto* up = op.up.ptr<float>();
    auto* y = op.y.ptr<float>();
    for (std::int64_t i = 0; i < op.y.elementCount(); ++i) {
        const double z = gate[i];
        y[i] = static_cast<float>(z / (1.0 + std::exp(-z)) * static_cast<double>(up[i]));
    }
}

template <auto Kernel>
void swigluSimd(ExecContext& context, const SwiGlu& op) {
    context.pool().parallelFor(
        op.y.elementCount(), kGrain, [&](std::int64_t from, std::int64_t to) {
            Kernel(
                op.gate.ptr<float>() + from, op.up.ptr<float>() + from, op.y.ptr<float>() + from,
                to - from);
        });
}

} // namespace

template <>
std::span<const Kernel<SwiGlu>> kernelsOf<SwiGlu>() {
    static constexpr Kernel<SwiGlu> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", swigluSimd<avx512::swiglu>},
        {Target::Avx2, "avx2", swigluSimd<avx2::swiglu>},
        {Target::Scalar, "scalar", swigluScalar},
    };
    return kTable;
}

void run(ExecContext& context, const SwiGlu& op) {
    const Arguments arguments("swiglu", context.device());
    arguments.f32("gate", op.gate, op.y.shape);
    arguments.f32("up", op.up, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    arguments.sameOrDisjoint("y", op.y, "gate", op.gate);
    arguments.sameOrDisjoint("y", op.y, "up", op.up);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "swiglu");
    }
}

} // namespace lathe
