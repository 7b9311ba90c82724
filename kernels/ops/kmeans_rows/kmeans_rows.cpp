// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/kmeans_rows/kmeans_rows.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/widen.h"
#include "kernels/ops/kmeans_rows/kmeans1d.h"

#include <algorithm>
#include <limits>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const KmeansRows& op);
}
#endif

namespace {

void clusterRow(const KmeansRows& op, std::int64_t row) {
    const std::int64_t width = op.values.shape[1];
    const std::int64_t k = op.centroids.shape[1];
    const std::int64_t length =
        op.lengths.data != nullptr ? op.lengths.ptr<std::int32_t>()[row] : width;
    // Of a length that cannot be, no value is left, and the row is refused as an empty one.
    std::vector<float> values(
        length >= 1 && length <= width ? static_cast<std::size_t>(length) : 0);
    widen(op.values, row * width, values);
    std::span<const float> weights;
    if (op.weights.data != nullptr) {
        weights = {op.weights.ptr<float>() + row * width, values.size()};
    }
    double* centroids = op.centroids.ptr<double>() + row * k;
    double* curve = op.curve.data != nullptr ? op.curve.ptr<double>() + row * k : nullptr;
    try {
        std::vector<double> costs;
        const Clustering found = Kmeans1d::optimum(
            values, weights, static_cast<int>(k), curve != nullptr ? &costs : nullptr);
        std::ranges::copy(found.centroids, centroids);
        op.cost.ptr<double>()[row] = found.cost;
        std::ranges::copy(costs, curve);
    } catch (const InputError&) { // checkClusterable's
        const double nan = std::numeric_limits<double>::quiet_NaN();
        std::fill_n(centroids, k, nan);
        op.cost.ptr<double>()[row] = nan;
        std::fill_n(curve, curve != nullptr ? k : 0, nan);
    }
}

/// Rows are independent, and each takes long: every one is worth a thread. Their memory comes from
/// the heap, since it hangs on the distinct values of the row and the arena is the caller's.
void kmeansRowsScalar(ExecContext& context, const KmeansRows& op) {
    context.pool().parallelFor(op.values.shape[0], 1, [&op](std::int64_t from, std::int64_t to) {
        for (std::int64_t row = from; row < to; ++row) {
            clusterRow(op, row);
        }
    });
}

#ifdef LATHE_HAVE_CUDA
bool fitsCuda(const KmeansRows& op) { return op.values.shape[1] <= kKmeansMaxCudaWidth; }
#endif

} // namespace

template <>
std::span<const Kernel<KmeansRows>> kernelsOf<KmeansRows>() {
    static constexpr Kernel<KmeansRows> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch, fitsCuda},
#endif
        {Target::Scalar, "scalar", kmeansRowsScalar},
    };
    return kTable;
}

void run(ExecContext& context, const KmeansRows& op) {
    const Arguments arguments("kmeans_rows", context.device());
    arguments.rank("values", op.values, 2);
    arguments.weight("values", op.values, op.values.shape);
    const std::int64_t rows = op.values.shape[0];
    LATHE_CHECK(op.values.shape[1] >= 1, "kmeans_rows: the rows of values are empty");
    if (op.weights.data != nullptr) {
        arguments.f32("weights", op.weights, op.values.shape);
    }
    if (op.lengths.data != nullptr) {
        arguments.i32("lengths", op.lengths, {rows});
    }
    arguments.rank("centroids", op.centroids, 2);
    const std::int64_t k = op.centroids.shape[1];
    LATHE_CHECK(
        k >= 1 && k <= kKmeansMaxClusters,
        "kmeans_rows: " + std::to_string(k) + " clusters, possible are 1 to 256");
    arguments.check("centroids", op.centroids, {rows, k}, {DType::F64});
    arguments.check("cost", op.cost, {rows}, {DType::F64});
    arguments.disjoint("centroids", op.centroids, "cost", op.cost);
    if (op.curve.data != nullptr) {
        arguments.check("curve", op.curve, {rows, k}, {DType::F64});
        arguments.disjoint("curve", op.curve, "centroids", op.centroids);
        arguments.disjoint("curve", op.curve, "cost", op.cost);
    }
    if (rows > 0) {
        dispatch(context, op, "kmeans_rows");
    }
}

} // namespace lathe
