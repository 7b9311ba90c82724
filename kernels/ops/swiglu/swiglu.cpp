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

std::int64_t strideOf(const SwiGlu& op) { return op.stride == 0 ? op.y.shape[1] : op.stride; }

void swigluScalar(ExecContext&, const SwiGlu& op) {
    for (std::int64_t row = 0; row < op.y.shape[0]; ++row) {
        const float* gate = op.gate.ptr<float>() + row * strideOf(op);
        const float* up = op.up.ptr<float>() + row * strideOf(op);
        float* y = op.y.ptr<float>() + row * op.y.shape[1];
        for (std::int64_t i = 0; i < op.y.shape[1]; ++i) {
            const double z = gate[i];
            y[i] = static_cast<float>(z / (1.0 + std::exp(-z)) * static_cast<double>(up[i]));
        }
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
    // Rows without a gap between them are one.
    const bool gaps = strideOf(op) != op.y.shape[1];
    const std::int64_t rows = gaps ? op.y.shape[0] : 1;
    const std::int64_t cols = op.y.elementCount() / rows;
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* gate = op.gate.ptr<float>() + row * strideOf(op);
        const float* up = op.up.ptr<float>() + row * strideOf(op);
        float* y = op.y.ptr<float>() + row * cols;
        context.pool().parallelFor(cols, kGrain, [&](std::int64_t from, std::int64_t to) {
            Kernel(gate + from, up + from, y + from, to - from);
        });
    }
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
    arguments.rank("y", op.y, 2);
    arguments.f32("gate", op.gate, op.y.shape);
    arguments.f32("up", op.up, op.y.shape);
    arguments.f32("y", op.y, op.y.shape);
    LATHE_CHECK(
        op.stride == 0 || op.stride >= op.y.shape[1],
        "swiglu: the stride is " + std::to_string(op.stride) + ", y is " + op.y.shape.text());
    if (op.y.elementCount() == 0) {
        return;
    }
    if (op.stride == 0) {
        arguments.sameOrDisjoint("y", op.y, "gate", op.gate);
        arguments.sameOrDisjoint("y", op.y, "up", op.up);
    } else {
        for (const auto& [name, view] : {std::pair("gate", op.gate), std::pair("up", op.up)}) {
            ConstView read = view;
            read.shape = Shape{(op.y.shape[0] - 1) * op.stride + op.y.shape[1]};
            arguments.disjoint("y", op.y, name, read);
        }
    }
    dispatch(context, op, "swiglu");
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
