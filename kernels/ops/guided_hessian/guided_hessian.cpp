// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/guided_hessian/guided_hessian.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/transpose/transpose.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void scaleRows(ExecContext& context, const GuidedHessian& op, OutputGroup group, float* scaled);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 32768;
/// Sums per tile: on a CPU they stay in the last cache, a GPU needs enough rows to fill it.
constexpr std::int64_t kCpuTileBytes = std::int64_t{4} << 20;
constexpr std::int64_t kCudaTileBytes = std::int64_t{32} << 20;

/// s(t, g).
double weightOf(const GuidedHessian& op, std::int64_t row, OutputGroup group) {
    const float* dy = op.dy.ptr<float>() + row * op.dy.shape[1];
    double sum = 0.0;
    for (std::int64_t o = group.from; o < group.to; ++o) {
        sum += static_cast<double>(dy[o]) * static_cast<double>(dy[o]);
    }
    return sum / static_cast<double>(group.to - group.from);
}

OutputGroup groupOf(const GuidedHessian& op, std::int64_t group) {
    return outputGroup(op.dy.shape[1], op.sums.shape[0], group);
}

void guidedHessianScalar(ExecContext&, const GuidedHessian& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    for (std::int64_t g = 0; g < op.sums.shape[0]; ++g) {
        std::vector<double> weights(static_cast<std::size_t>(rows));
        for (std::int64_t row = 0; row < rows; ++row) {
            weights[static_cast<std::size_t>(row)] = weightOf(op, row, groupOf(op, g));
        }
        for (std::int64_t i = 0; i < in; ++i) {
            for (std::int64_t j = 0; j < in; ++j) {
                float& sum = op.sums.ptr<float>()[(g * in + i) * in + j];
                auto total = static_cast<double>(sum);
                for (std::int64_t row = 0; row < rows; ++row) {
                    const float* x = op.x.ptr<float>() + row * in;
                    total += weights[static_cast<std::size_t>(row)] * static_cast<double>(x[i]) *
                             static_cast<double>(x[j]);
                }
                sum = static_cast<float>(total);
            }
        }
    }
}

/// scaled(t) = sqrt(s(t, g)) * x_t. The root keeps small gradients away from the end of float.
void scaleRowsOnHost(
    ExecContext& context, const GuidedHessian& op, OutputGroup group, float* scaled) {
    const std::int64_t in = op.x.shape[1];
    const std::int64_t touched = in + group.to - group.from;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / touched);
    context.pool().parallelFor(op.x.shape[0], grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            const auto factor = static_cast<float>(std::sqrt(weightOf(op, row, group)));
            const float* x = op.x.ptr<float>() + row * in;
            std::transform(x, x + in, scaled + row * in, [factor](float v) { return factor * v; });
        }
    });
}

/// Tiles of the sums by the target's own product.
template <auto ScaleRows>
void guidedHessianTiled(ExecContext& context, const GuidedHessian& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    Arena& scratch = context.scratch();
    const Arena::Scope scope(scratch);
    const TensorView scaled = scratch.take({rows, in}, DType::F32);
    const TensorView turned = scratch.take({in, rows}, DType::F32);
    const std::int64_t budget = context.device().isCuda() ? kCudaTileBytes : kCpuTileBytes;
    const std::int64_t tileRows =
        std::clamp<std::int64_t>(budget / (in * std::int64_t{sizeof(float)}), 1, in);
    const TensorView tile = scratch.take({tileRows, in}, DType::F32);
    for (std::int64_t g = 0; g < op.sums.shape[0]; ++g) {
        ScaleRows(context, op, groupOf(op, g), scaled.ptr<float>());
        run(context, Transpose{.x = scaled, .y = turned});
        const TensorView sums = op.sums.slice(g, g + 1).reshaped({in, in});
        for (std::int64_t from = 0; from < in; from += tileRows) {
            const std::int64_t to = std::min(in, from + tileRows);
            const TensorView part = tile.slice(0, to - from);
            const TensorView added = sums.slice(from, to);
            run(context, Gemm{.x = turned.slice(from, to), .w = turned, .y = part});
            run(context, Add{.a = added, .b = part, .y = added});
        }
    }
}

} // namespace

template <>
std::span<const Kernel<GuidedHessian>> kernelsOf<GuidedHessian>() {
    static constexpr Kernel<GuidedHessian> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", guidedHessianTiled<cuda::scaleRows>},
#endif
        {Target::Avx512, "avx512", guidedHessianTiled<scaleRowsOnHost>},
        {Target::Avx2, "avx2", guidedHessianTiled<scaleRowsOnHost>},
        {Target::Scalar, "scalar", guidedHessianScalar},
    };
    return kTable;
}

void run(ExecContext& context, const GuidedHessian& op) {
    const Arguments arguments("guided_hessian", context.device());
    arguments.rank("x", op.x, 2);
    arguments.rank("dy", op.dy, 2);
    arguments.rank("sums", op.sums, 3);
    const std::int64_t groups = op.sums.shape[0];
    const std::int64_t out = op.dy.shape[1];
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("dy", op.dy, {op.x.shape[0], out});
    arguments.f32("sums", op.sums, {groups, op.x.shape[1], op.x.shape[1]});
    LATHE_CHECK(
        groups >= 1 && groups <= out, "guided_hessian: " + std::to_string(groups) + " groups of " +
                                          std::to_string(out) + " outputs; possible are 1 to " +
                                          std::to_string(out));
    arguments.disjoint("sums", op.sums, "x", op.x);
    arguments.disjoint("sums", op.sums, "dy", op.dy);
    if (op.sums.elementCount() > 0 && op.x.shape[0] > 0) {
        dispatch(context, op, "guided_hessian");
    }
}

} // namespace lathe
