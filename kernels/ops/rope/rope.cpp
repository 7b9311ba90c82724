// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope/rope.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/rope/rope_simd.h"

#include <algorithm>
#include <cmath>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Rope& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 8192;

void ropeScalar(ExecContext&, const Rope& op) {
    const std::int64_t heads = op.x.shape[1];
    const std::int64_t headDim = op.x.shape[2];
    const std::int64_t half = headDim / 2;
    const auto* frequencies = op.frequencies.ptr<float>();
    const auto* positions = op.positions.ptr<std::int32_t>();
    for (std::int64_t token = 0; token < op.x.shape[0]; ++token) {
        for (std::int64_t j = 0; j < half; ++j) {
            // The angle is rounded to a float, as in the models' own implementations.
            const float angle = static_cast<float>(positions[token]) * frequencies[j];
            const auto cosine = static_cast<float>(std::cos(static_cast<double>(angle)));
            const auto sine = static_cast<float>(std::sin(static_cast<double>(angle)));
            for (std::int64_t head = 0; head < heads; ++head) {
                float* x = op.x.ptr<float>() + (token * heads + head) * headDim;
                const float first = x[j];
                const float second = x[j + half];
                x[j] = first * cosine - second * sine;
                x[j + half] = second * cosine + first * sine;
            }
        }
    }
}

template <auto Kernel>
void ropeSimd(ExecContext& context, const Rope& op) {
    const RopeSizes sizes{.heads = op.x.shape[1], .headDim = op.x.shape[2]};
    const std::int64_t row = sizes.heads * sizes.headDim;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / row);
    context.pool().parallelFor(op.x.shape[0], grain, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t token = from; token < to; ++token) {
            const auto position = static_cast<float>(op.positions.ptr<std::int32_t>()[token]);
            Kernel(op.x.ptr<float>() + token * row, op.frequencies.ptr<float>(), position, sizes);
        }
    });
}

bool fitsSimd(const Rope& op) { return op.x.shape[2] <= kRopeLargestHeadDim; }

} // namespace

template <>
std::span<const Kernel<Rope>> kernelsOf<Rope>() {
    static constexpr Kernel<Rope> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", ropeSimd<avx512::rope>, fitsSimd},
        {Target::Avx2, "avx2", ropeSimd<avx2::rope>, fitsSimd},
        {Target::Scalar, "scalar", ropeScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Rope& op) {
    const Arguments arguments("rope", context.device());
    arguments.rank("x", op.x, 3);
    arguments.f32("x", op.x, op.x.shape);
    LATHE_CHECK(op.x.shape[2] % 2 == 0, "rope: x is " + op.x.shape.text() + ", headDim is odd");
    arguments.f32("frequencies", op.frequencies, {op.x.shape[2] / 2});
    arguments.i32("positions", op.positions, {op.x.shape[0]});
    if (op.x.elementCount() > 0) {
        dispatch(context, op, "rope");
    }
}

} // namespace lathe
