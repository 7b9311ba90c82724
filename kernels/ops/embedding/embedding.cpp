// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding/embedding.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"
#include "kernels/core/weight_kind.h"
#include "kernels/ops/embedding/embedding_simd.h"

#include <algorithm>
#include <functional>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const Embedding& op);
}
#endif

namespace {

/// Elements that are worth waking another thread for.
constexpr std::int64_t kGrain = 32768;

void checkIds(const Embedding& op) {
    const std::int64_t vocabulary = op.table.shape[0];
    const auto* ids = op.ids.ptr<std::int32_t>();
    for (std::int64_t token = 0; token < op.ids.elementCount(); ++token) {
        LATHE_CHECK(
            ids[token] >= 0 && ids[token] < vocabulary,
            "embedding: ids[" + std::to_string(token) + "] is " + std::to_string(ids[token]) +
                ", the table " + op.table.shape.text() + " has rows 0 to " +
                std::to_string(vocabulary - 1));
    }
}

void embeddingScalar(ExecContext&, const Embedding& op) {
    checkIds(op);
    const std::int64_t cols = op.table.shape[1];
    const auto* ids = op.ids.ptr<std::int32_t>();
    for (std::int64_t token = 0; token < op.ids.elementCount(); ++token) {
        const std::int64_t from = ids[token] * cols;
        float* y = op.y.ptr<float>() + token * cols;
        for (std::int64_t i = 0; i < cols; ++i) {
            if (op.table.dtype == DType::F32) {
                y[i] = op.table.ptr<float>()[from + i];
            } else if (op.table.dtype == DType::F16) {
                y[i] = toFloat(op.table.ptr<Half>()[from + i]);
            } else {
                y[i] = toFloat(op.table.ptr<BFloat16>()[from + i]);
            }
        }
    }
}

template <auto Kernel>
void embeddingSimd(ExecContext& context, const Embedding& op) {
    checkIds(op);
    const std::int64_t cols = op.table.shape[1];
    const auto rowBytes = cols * static_cast<std::int64_t>(sizeOf(op.table.dtype));
    const WeightKind kind = weightKindOf(op.table.dtype);
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / cols);
    const auto slice = [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t token = from; token < to; ++token) {
            const std::int64_t id = op.ids.ptr<std::int32_t>()[token];
            Kernel(op.table.data + id * rowBytes, kind, cols, op.y.ptr<float>() + token * cols);
        }
    };
    context.pool().parallelFor(op.ids.elementCount(), grain, std::cref(slice)); // allocates nothing
}

} // namespace

template <>
std::span<const Kernel<Embedding>> kernelsOf<Embedding>() {
    static constexpr Kernel<Embedding> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch},
#endif
        {Target::Avx512, "avx512", embeddingSimd<avx512::widenRow>},
        {Target::Avx2, "avx2", embeddingSimd<avx2::widenRow>},
        {Target::Scalar, "scalar", embeddingScalar},
    };
    return kTable;
}

void run(ExecContext& context, const Embedding& op) {
    const Arguments arguments("embedding", context.device());
    arguments.rank("table", op.table, 2);
    arguments.rank("ids", op.ids, 1);
    arguments.weight("table", op.table, op.table.shape);
    arguments.i32("ids", op.ids, op.ids.shape);
    arguments.f32("y", op.y, {op.ids.shape[0], op.table.shape[1]});
    arguments.disjoint("y", op.y, "table", op.table);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "embedding");
    }
}

} // namespace lathe
