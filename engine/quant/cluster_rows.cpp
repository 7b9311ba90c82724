// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/cluster_rows.h"

#include "engine/core/error.h"

#include <algorithm>

namespace lathe {

namespace {

/// A third of a second on a large GPU.
constexpr std::int64_t kLaunchWeights = std::int64_t{32} << 20;
/// Of a value, its weight and its share of the results.
constexpr std::int64_t kBytesPerWeight = 16;
/// One in so many bytes that are free; the kernel takes scratch memory beside the rows.
constexpr std::int64_t kMemoryShare = 4;

Tensor deviceLike(ExecContext& cuda, ConstView host) {
    return host.data == nullptr ? Tensor{} : Tensor::empty(host.shape, host.dtype, cuda.device());
}

Tensor uploaded(ExecContext& cuda, ConstView host) {
    Tensor tensor = deviceLike(cuda, host);
    if (!tensor.isNull()) {
        copy(cuda, host, tensor.view());
    }
    return tensor;
}

/// An argument that is left out stays so.
TensorView viewOrNone(Tensor& tensor) { return tensor.isNull() ? TensorView{} : tensor.view(); }

} // namespace

std::int64_t rowsPerLaunch(ExecContext& cuda, std::int64_t width, const std::string& name) {
    if (width > kKmeansMaxCudaWidth) {
        throw Unsupported(
            name + ": rows of " + std::to_string(width) + " values; a GPU clusters up to " +
            std::to_string(kKmeansMaxCudaWidth) + ", --device cpu any number");
    }
    const std::int64_t affordable =
        deviceInfo(cuda.device()).freeBytes / (kMemoryShare * kBytesPerWeight);
    return std::max<std::int64_t>(1, std::min(kLaunchWeights, affordable) / width);
}

void clusterOn(ExecContext& context, const KmeansRows& host) {
    if (!context.device().isCuda()) {
        run(context, host);
        return;
    }
    Tensor values = uploaded(context, host.values);
    Tensor weights = uploaded(context, host.weights);
    Tensor lengths = uploaded(context, host.lengths);
    Tensor centroids = deviceLike(context, host.centroids);
    Tensor cost = deviceLike(context, host.cost);
    Tensor curve = deviceLike(context, host.curve);
    run(context, KmeansRows{
                     .values = values.view(),
                     .weights = viewOrNone(weights),
                     .lengths = viewOrNone(lengths),
                     .centroids = centroids.view(),
                     .cost = cost.view(),
                     .curve = viewOrNone(curve)});
    copy(context, centroids.view(), host.centroids);
    copy(context, cost.view(), host.cost);
    if (host.curve.data != nullptr) {
        copy(context, curve.view(), host.curve);
    }
}

} // namespace lathe
