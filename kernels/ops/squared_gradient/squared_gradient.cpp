// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/squared_gradient/squared_gradient.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/squared_gradient/squared_gradient_simd.h"
#include "kernels/ops/transpose/transpose.h"

#include <algorithm>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void addSquares(ExecContext& context, const float* gradient, float* sums, std::int64_t count);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 32768;
/// Gradients per tile: on a CPU they stay in the last cache, a GPU needs enough rows to fill it.
constexpr std::int64_t kCpuTileBytes = std::int64_t{4} << 20;
constexpr std::int64_t kCudaTileBytes = std::int64_t{32} << 20;

void squaredGradientScalar(ExecContext&, const SquaredGradient& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    const std::int64_t out = op.dy.shape[1];
    for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t i = 0; i < in; ++i) {
            double gradient = 0.0;
            for (std::int64_t row = 0; row < rows; ++row) {
                gradient += static_cast<double>(op.dy.ptr<float>()[row * out + o]) *
                            static_cast<double>(op.x.ptr<float>()[row * in + i]);
            }
            float& sum = op.sums.ptr<float>()[o * in + i];
            sum = static_cast<float>(static_cast<double>(sum) + gradient * gradient);
        }
    }
}

template <auto Kernel>
void addSquaresSimd(ExecContext& context, const float* gradient, float* sums, std::int64_t count) {
    context.pool().parallelFor(count, kGrain, [&](std::int64_t from, std::int64_t to) {
        Kernel(gradient + from, sums + from, to - from);
    });
}

/// Tiles of the gradient by the target's own product.
template <auto AddSquares>
void squaredGradientTiled(ExecContext& context, const SquaredGradient& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    const std::int64_t out = op.dy.shape[1];
    Arena& scratch = context.scratch();
    const Arena::Scope scope(scratch);
    const TensorView x = scratch.take({in, rows}, DType::F32);
    const TensorView dy = scratch.take({out, rows}, DType::F32);
    run(context, Transpose{.x = op.x, .y = x});
    run(context, Transpose{.x = op.dy, .y = dy});
    const std::int64_t budget = context.device().isCuda() ? kCudaTileBytes : kCpuTileBytes;
    const std::int64_t tileRows =
        std::clamp<std::int64_t>(budget / (in * std::int64_t{sizeof(float)}), 1, out);
    const TensorView tile = scratch.take({tileRows, in}, DType::F32);
    for (std::int64_t from = 0; from < out; from += tileRows) {
        const std::int64_t to = std::min(out, from + tileRows);
        const TensorView gradient = tile.slice(0, to - from); // [to - from, in]
        run(context, Gemm{.x = dy.slice(from, to), .w = x, .y = gradient});
        AddSquares(
            context, gradient.ptr<float>(), op.sums.ptr<float>() + from * in, (to - from) * in);
    }
}

} // namespace

template <>
std::span<const Kernel<SquaredGradient>> kernelsOf<SquaredGradient>() {
    static constexpr Kernel<SquaredGradient> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", squaredGradientTiled<cuda::addSquares>},
#endif
        {Target::Avx512, "avx512", squaredGradientTiled<addSquaresSimd<avx512::addSquares>>},
        {Target::Avx2, "avx2", squaredGradientTiled<addSquaresSimd<avx2::addSquares>>},
        {Target::Scalar, "scalar", squaredGradientScalar},
    };
    return kTable;
}

void run(ExecContext& context, const SquaredGradient& op) {
    const Arguments arguments("squared_gradient", context.device());
    arguments.rank("x", op.x, 2);
    arguments.rank("dy", op.dy, 2);
    arguments.f32("x", op.x, op.x.shape);
    arguments.f32("dy", op.dy, {op.x.shape[0], op.dy.shape[1]});
    arguments.f32("sums", op.sums, {op.dy.shape[1], op.x.shape[1]});
    arguments.disjoint("sums", op.sums, "x", op.x);
    arguments.disjoint("sums", op.sums, "dy", op.dy);
    if (op.sums.elementCount() > 0 && op.x.shape[0] > 0) {
        dispatch(context, op, "squared_gradient");
    }
}

} // namespace lathe
