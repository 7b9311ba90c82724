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
void launch(ExecContext& context, const SwiGluGradient& op);
} // namespace cuda
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

void swigluGradientScalar(ExecContext&, const SwiGluGradient& op) {
    for (std::int64_t i = 0; i < op.dy.elementCount(); ++i) {
        const double z = op.gate.ptr<float>()[i];
        const double up = op.up.ptr<float>()[i];
        const double dy = op.dy.ptr<float>()[i];
        const double sigmoid = 1.0 / (1.0 + std::exp(-z));
        op.dgate.ptr<float>()[i] =
            static_cast<float>(dy * up * sigmoid * (1.0 + z * (1.0 - sigmoid)));
        op.dup.ptr<float>()[i] = static_cast<float>(dy * z * sigmoid);
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

template <auto Kernel>
void swigluGradientSimd(ExecContext& context, const SwiGluGradient& op) {
    const SwiGluGradientArguments a{
        .gate = op.gate.ptr<float>(),
        .up = op.up.ptr<float>(),
        .dy = op.dy.ptr<float>(),
        .dgate = op.dgate.ptr<float>(),
        .dup = op.dup.ptr<float>()};
    context.pool().parallelFor(
        op.dy.elementCount(), kGrain,
        [&](std::int64_t from, std::int64_t to) { Kernel(a, from, to); });
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

template <>
std::span<const Kernel<SwiGluGradient>> kernelsOf<SwiGluGradient>() {
    static constexpr Kernel<SwiGluGradient> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", swigluGradientSimd<avx512::swigluGradient>},
        {Target::Avx2, "avx2", swigluGradientSimd<avx2::swigluGradient>},
        {Target::Scalar, "scalar", swigluGradientScalar},
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

void run(ExecContext& context, const SwiGluGradient& op) {
    const Arguments arguments("swiglu_gradient", context.device());
    arguments.f32("gate", op.gate, op.dy.shape);
    arguments.f32("up", op.up, op.dy.shape);
    arguments.f32("dy", op.dy, op.dy.shape);
    arguments.f32("dgate", op.dgate, op.dy.shape);
    arguments.f32("dup", op.dup, op.dy.shape);
    arguments.sameOrDisjoint("dgate", op.dgate, "gate", op.gate);
    arguments.sameOrDisjoint("dup", op.dup, "up", op.up);
    arguments.disjoint("dgate", op.dgate, "up", op.up);
    arguments.disjoint("dgate", op.dgate, "dy", op.dy);
    arguments.disjoint("dup", op.dup, "gate", op.gate);
    arguments.disjoint("dup", op.dup, "dy", op.dy);
    arguments.disjoint("dgate", op.dgate, "dup", op.dup);
    if (op.dy.elementCount() > 0) {
        dispatch(context, op, "swiglu_gradient");
    }
}

} // namespace lathe
