// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/relu/relu.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

__global__ void reluKernel(const float* x, float* y, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        y[i] = x[i] < 0.0F ? 0.0F : x[i]; // fmaxf would lose NaN
    }
}

} // namespace

void launch(ExecContext& context, const Relu& op) {
    const std::int64_t count = op.y.elementCount();
    if (count == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 4096));
    reluKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.y.ptr<float>(), count);
    checkLaunch(context, "relu");
}

} // namespace lathe::cuda
