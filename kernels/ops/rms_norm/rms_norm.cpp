// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm/rms_norm.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/rms_norm/rms_norm_simd.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const RmsNorm& op);
}
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

void run(ExecContext& context, const RmsNorm& op) {
    const Arguments arguments("rms_norm", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("gamma", op.gamma, {op.x.shape[1]});
    arguments.f32("y", op.y, op.x.shape);
    arguments.sameOrDisjoint("y", op.y, "x", op.x);
    arguments.disjoint("y", op.y, "gamma", op.gamma);
    LATHE_CHECK(
        op.epsilon >= 0.0F,
        "rms_norm: epsilon is " + std::to_string(op.epsilon) + ", a number from 0 is needed");
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "rms_norm");
    }
}

} // namespace lathe
