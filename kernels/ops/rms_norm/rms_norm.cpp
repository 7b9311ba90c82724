// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm/rms_norm.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/rms_norm/rms_norm_simd.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const RmsNorm& op);
void launch(ExecContext& context, const AddRmsNorm& op);
void launch(ExecContext& context, const RmsNormGradient& op);
} // namespace cuda
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 16384;

void rmsNormScalar(ExecContext&, const RmsNorm& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t cols = op.x.shape[1];
    const auto* gamma = op.gamma.ptr<float>();
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* x = op.x.ptr<float>() + row * cols;
        float* y = op.y.ptr<float>() + row * cols;
        double squares = 0.0;
        for (std::int64_t i = 0; i < cols; ++i) {
            squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
        }
        const double mean = squares / static_cast<double>(cols);
        const double factor = 1.0 / std::sqrt(mean + static_cast<double>(op.epsilon));
        for (std::int64_t i = 0; i < cols; ++i) {
            y[i] = static_cast<float>(
                static_cast<double>(x[i]) * factor * static_cast<double>(gamma[i]));
        }
    }
}

/// By way of the ops that it is made of, whose kernels are those of the context's target.
void addRmsNormByParts(ExecContext& context, const AddRmsNorm& op) {
    run(context, Add{.a = op.x, .b = op.delta, .y = op.x});
    run(context, RmsNorm{.x = op.x, .gamma = op.gamma, .y = op.y, .epsilon = op.epsilon});
}

void rmsNormGradientScalar(ExecContext&, const RmsNormGradient& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t cols = op.x.shape[1];
    const auto* gamma = op.gamma.ptr<float>();
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* x = op.x.ptr<float>() + row * cols;
        const float* dy = op.dy.ptr<float>() + row * cols;
        float* dx = op.dx.ptr<float>() + row * cols;
        double squares = 0.0;
        double products = 0.0;
        for (std::int64_t i = 0; i < cols; ++i) {
            const double value = x[i];
            squares += value * value;
            products += value * static_cast<double>(gamma[i]) * static_cast<double>(dy[i]);
        }
        const auto count = static_cast<double>(cols);
        const double factor = 1.0 / std::sqrt(squares / count + static_cast<double>(op.epsilon));
        const double pull = factor * factor * factor * products / count;
        for (std::int64_t i = 0; i < cols; ++i) {
            const double gradient = static_cast<double>(gamma[i]) * static_cast<double>(dy[i]);
            dx[i] = static_cast<float>(factor * gradient - static_cast<double>(x[i]) * pull);
        }
    }
}

template <auto Kernel>
void rmsNormSimd(ExecContext& context, const RmsNorm& op) {
    const std::int64_t cols = op.x.shape[1];
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / cols);
    context.pool().parallelFor(op.x.shape[0], grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            Kernel(
                op.x.ptr<float>() + row * cols, op.gamma.ptr<float>(),
                op.y.ptr<float>() + row * cols, cols, op.epsilon);
        }
    });
}

template <auto Kernel>
void rmsNormGradientSimd(ExecContext& context, const RmsNormGradient& op) {
    const std::int64_t cols = op.x.shape[1];
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / cols);
    context.pool().parallelFor(op.x.shape[0], grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            Kernel(RmsNormGradientRow{
                .x = op.x.ptr<float>() + row * cols,
                .gamma = op.gamma.ptr<float>(),
                .dy = op.dy.ptr<float>() + row * cols,
                .dx = op.dx.ptr<float>() + row * cols,
                .cols = cols,
                .epsilon = op.epsilon});
        }
    });
}

void checkEpsilon(const char* op, float epsilon) {
    LATHE_CHECK(
        epsilon >= 0.0F, std::string(op) + ": epsilon is " + std::to_string(epsilon) +
                             ", a number from 0 is needed");
}

} // namespace

template <>
std::span<const Kernel<RmsNorm>> kernelsOf<RmsNorm>() {
    static constexpr Kernel<RmsNorm> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", rmsNormSimd<avx512::rmsNorm>},
        {Target::Avx2, "avx2", rmsNormSimd<avx2::rmsNorm>},
        {Target::Scalar, "scalar", rmsNormScalar},
    };
    return kTable;
}

template <>
std::span<const Kernel<AddRmsNorm>> kernelsOf<AddRmsNorm>() {
    static constexpr Kernel<AddRmsNorm> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Scalar, "scalar", addRmsNormByParts},
    };
    return kTable;
}

template <>
std::span<const Kernel<RmsNormGradient>> kernelsOf<RmsNormGradient>() {
    static constexpr Kernel<RmsNormGradient> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", rmsNormGradientSimd<avx512::rmsNormGradient>},
        {Target::Avx2, "avx2", rmsNormGradientSimd<avx2::rmsNormGradient>},
        {Target::Scalar, "scalar", rmsNormGradientScalar},
    };
    return kTable;
}

void run(ExecContext& context, const RmsNorm& op) {
    const Arguments arguments("rms_norm", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("gamma", op.gamma, {op.x.shape[1]});
    arguments.f32("y", op.y, op.x.shape);
    arguments.sameOrDisjoint("y", op.y, "x", op.x);
    arguments.disjoint("y", op.y, "gamma", op.gamma);
    checkEpsilon("rms_norm", op.epsilon);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "rms_norm");
    }
}

void run(ExecContext& context, const AddRmsNorm& op) {
    const Arguments arguments("add_rms_norm", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("delta", op.delta, op.x.shape);
    arguments.f32("gamma", op.gamma, {op.x.shape[1]});
    arguments.f32("y", op.y, op.x.shape);
    arguments.disjoint("x", op.x, "delta", op.delta);
    arguments.disjoint("x", op.x, "gamma", op.gamma);
    arguments.disjoint("y", op.y, "x", op.x);
    arguments.disjoint("y", op.y, "delta", op.delta);
    arguments.disjoint("y", op.y, "gamma", op.gamma);
    checkEpsilon("add_rms_norm", op.epsilon);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "add_rms_norm");
    }
}

void run(ExecContext& context, const RmsNormGradient& op) {
    const Arguments arguments("rms_norm_gradient", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("gamma", op.gamma, {op.x.shape[1]});
    arguments.f32("dy", op.dy, op.x.shape);
    arguments.f32("dx", op.dx, op.x.shape);
    arguments.sameOrDisjoint("dx", op.dx, "dy", op.dy);
    arguments.disjoint("dx", op.dx, "x", op.x);
    arguments.disjoint("dx", op.dx, "gamma", op.gamma);
    checkEpsilon("rms_norm_gradient", op.epsilon);
    if (op.dx.elementCount() > 0) {
        dispatch(context, op, "rms_norm_gradient");
    }
}

} // namespace lathe
