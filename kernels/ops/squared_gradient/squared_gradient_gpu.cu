// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"

#include <algorithm>
#include <cstdint>

namespace lathe::cuda {

namespace {

__global__ void addSquaresKernel(const float* gradient, float* sums, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        sums[i] = fmaf(gradient[i], gradient[i], sums[i]);
    }
}

} // namespace

void addSquares(ExecContext& context, const float* gradient, float* sums, std::int64_t count) {
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 8192));
    addSquaresKernel<<<blocks, 256, 0, context.cuda()->stream>>>(gradient, sums, count);
    checkLaunch(context, "squared_gradient");
}

} // namespace lathe::cuda
