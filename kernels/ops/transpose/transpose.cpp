// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/transpose/transpose.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/core/weight_kind.h"
#include "kernels/ops/transpose/transpose_simd.h"

#include <algorithm>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Transpose& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 16384;

float elementAt(const ConstView& x, std::int64_t index) {
    switch (x.dtype) {
    case DType::F16:
        return toFloat(x.ptr<Half>()[index]);
    case DType::BF16:
        return toFloat(x.ptr<BFloat16>()[index]);
    default:
        return x.ptr<float>()[index];
    }
}

void transposeScalar(ExecContext&, const Transpose& op) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t cols = op.x.shape[1];
    for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t col = 0; col < cols; ++col) {
            op.y.ptr<float>()[col * rows + row] = elementAt(op.x, row * cols + col);
        }
    }
}

template <auto Kernel>
void transposeSimd(ExecContext& context, const Transpose& op) {
    const TransposeArguments t{
        .x = op.x.data,
        .y = op.y.ptr<float>(),
        .rows = op.x.shape[0],
        .cols = op.x.shape[1],
        .kind = weightKindOf(op.x.dtype)};
    const std::int64_t blocks = (t.rows + kTransposeRows - 1) / kTransposeRows;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / (kTransposeRows * t.cols));
    context.pool().parallelFor(
        blocks, grain, [&](std::int64_t from, std::int64_t to) { Kernel(t, from, to); });
}

} // namespace

template <>
std::span<const Kernel<Transpose>> kernelsOf<Transpose>() {
    static constexpr Kernel<Transpose> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", transposeSimd<avx512::transpose>},
        {Target::Avx2, "avx2", transposeSimd<avx2::transpose>},
        {Target::Scalar, "scalar", transposeScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Transpose& op) {
    const Arguments arguments("transpose", context.device());
    arguments.rank("x", op.x, 2);
    arguments.weight("x", op.x, op.x.shape);
    arguments.f32("y", op.y, {op.x.shape[1], op.x.shape[0]});
    arguments.disjoint("y", op.y, "x", op.x);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "transpose");
    }
}

} // namespace lathe
