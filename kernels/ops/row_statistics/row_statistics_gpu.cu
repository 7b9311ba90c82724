// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/row_statistics/row_statistics.h"
#include "kernels/ops/row_statistics/statistics_order.cuh"

namespace lathe::cuda {

namespace {

/// The second pass reads the cache.
__global__ void rowStatisticsKernel(
    const float* logits, const std::int32_t* targets, std::int64_t stride, std::int64_t cols,
    std::int32_t* argmax, float* values) {
    __shared__ float shared[kWarp];
    __shared__ ArgMaxPair pairs[kWarp];
    letNextBegin();
    waitForPrevious();
    const float* row = logits + blockIdx.x * stride;
    ArgMaxPair best{-INFINITY, kNoIndex};
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        best = better(best, {row[c], static_cast<int>(c)});
    }
    best = blockArgMax(best, pairs);
    float sum = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        sum += expf(row[c] - best.value);
    }
    sum = blockSum(sum, shared);
    if (threadIdx.x == 0) {
        const std::int32_t target = targets[blockIdx.x];
        const bool known = target >= 0 && target < cols;
        argmax[blockIdx.x] = indexOf(best);
        float* to = values + std::int64_t{3} * blockIdx.x;
        to[0] = best.value;
        to[1] = logSumExpOf(best.value, sum);
        to[2] = known ? row[target] : nanf("");
    }
}

} // namespace

void launch(ExecContext& context, const RowStatistics& op) {
    if (op.argmax.elementCount() == 0) {
        return;
    }
    const auto rows = static_cast<unsigned>(op.logits.shape[0]);
    launchOverlapped(
        context, "row_statistics", rowStatisticsKernel,
        {.grid = dim3(rows), .threads = kStatisticsThreads}, op.logits.ptr<float>(),
        op.targets.ptr<std::int32_t>(), op.logits.shape[1], op.columns,
        op.argmax.ptr<std::int32_t>(), op.values.ptr<float>());
}

} // namespace lathe::cuda
