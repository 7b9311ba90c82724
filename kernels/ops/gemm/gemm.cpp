// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm/gemm.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/core/weight_kind.h"
#include "kernels/ops/gemm/gemm_onednn.h"
#include "kernels/ops/gemm/gemm_simd.h"

#include <algorithm>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Gemm& op);
}
#endif

namespace {

/// Bytes of weights that are worth sharing with another thread: one row of x takes 2 us for them,
/// about what it takes to hand over x and to get back y.
constexpr std::int64_t kGemvGrainBytes = 196608;
/// The same bytes take a few rows as many times as long; smaller pieces than for these do not pay.
constexpr std::int64_t kMostRowsOfGrain = 3;

float weightAt(const ConstView& w, std::int64_t index) {
    if (w.dtype == DType::F32) {
        return w.ptr<float>()[index];
    }
    return w.dtype == DType::F16 ? toFloat(w.ptr<Half>()[index])
                                 : toFloat(w.ptr<BFloat16>()[index]);
}

std::int64_t strideOf(const Gemm& op) { return op.yStride == 0 ? op.w.shape[0] : op.yStride; }

void gemmScalar(ExecContext&, const Gemm& op) {
    const std::int64_t in = op.w.shape[1];
    const std::int64_t out = op.w.shape[0];
    for (std::int64_t row = 0; row < op.x.shape[0]; ++row) {
        const float* x = op.x.ptr<float>() + row * in;
        float* y = op.y.ptr<float>() + row * strideOf(op);
        for (std::int64_t o = 0; o < out; ++o) {
            double sum = op.bias.empty() ? 0.0 : static_cast<double>(op.bias.ptr<float>()[o]);
            for (std::int64_t i = 0; i < in; ++i) {
                sum += static_cast<double>(x[i]) * static_cast<double>(weightAt(op.w, o * in + i));
            }
            y[o] = static_cast<float>(sum);
        }
    }
}

GemmArguments argumentsOf(const Gemm& op) {
    return {
        .x = op.x.ptr<float>(),
        .w = op.w.data,
        .bias = op.bias.empty() ? nullptr : op.bias.ptr<float>(),
        .y = op.y.ptr<float>(),
        .rows = op.x.shape[0],
        .in = op.x.shape[1],
        .out = op.w.shape[0],
        .yStride = strideOf(op),
        .kind = weightKindOf(op.w.dtype),
    };
}

template <auto Kernel>
void gemvSimd(ExecContext& context, const Gemm& op) {
    const GemmArguments g = argumentsOf(op);
    const auto rowBytes =
        std::max<std::int64_t>(1, g.in * static_cast<std::int64_t>(sizeOf(op.w.dtype)));
    const std::int64_t grain = std::max<std::int64_t>(
        4, kGemvGrainBytes / (rowBytes * std::min(g.rows, kMostRowsOfGrain)));
    context.pool().parallelFor(
        g.out, grain, [&](std::int64_t from, std::int64_t to) { Kernel(g, from, to); });
}

bool hasFewRows(const Gemm& op) { return op.x.shape[0] <= kGemvMostRows; }

template <auto Kernel, auto PanelWidth>
void tiledSimd(ExecContext& context, const Gemm& op) {
    const GemmArguments g = argumentsOf(op);
    const std::int64_t width = PanelWidth();
    context.pool().parallelFor(
        (g.out + width - 1) / width, 1,
        [&](std::int64_t from, std::int64_t to) { Kernel(g, from, to); });
}

} // namespace

template <>
std::span<const Kernel<Gemm>> kernelsOf<Gemm>() {
    static constexpr Kernel<Gemm> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512 gemv", gemvSimd<avx512::gemv>, hasFewRows},
        {Target::Avx2, "avx2 gemv", gemvSimd<avx2::gemv>, hasFewRows},
#ifdef LATHE_HAVE_ONEDNN
        {Target::Avx512, "avx512 onednn", gemmOneDnn, suitsOneDnn},
        {Target::Avx2, "avx2 onednn", gemmOneDnn, suitsOneDnnAvx2},
#endif
        {Target::Avx512, "avx512 tiled", tiledSimd<avx512::gemmPanels, avx512::gemmPanelWidth>},
        {Target::Avx2, "avx2 tiled", tiledSimd<avx2::gemmPanels, avx2::gemmPanelWidth>},
        {Target::Scalar, "scalar", gemmScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Gemm& op) {
    const Arguments arguments("gemm", context.device());
    arguments.rank("x", op.x, 2);
    arguments.rank("w", op.w, 2);
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    const std::int64_t out = op.w.shape[0];
    arguments.f32("x", op.x, op.x.shape);
    arguments.weight("w", op.w, {out, in});
    arguments.f32("y", op.y, {rows, out});
    if (!op.bias.empty()) {
        arguments.f32("bias", op.bias, {out});
    }
    LATHE_CHECK(
        op.yStride == 0 || op.yStride >= out,
        "gemm: yStride is " + std::to_string(op.yStride) + ", y is " + op.y.shape.text());
    if (op.y.elementCount() == 0) {
        return;
    }
    ConstView written = op.y;
    written.shape = Shape{(rows - 1) * strideOf(op) + out};
    arguments.disjoint("y", written, "x", op.x);
    arguments.disjoint("y", written, "w", op.w);
    dispatch(context, op, "gemm");
}

} // namespace lathe
