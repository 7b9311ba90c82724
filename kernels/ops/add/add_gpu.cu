// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/add/add.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

__global__ void addKernel(const float* a, const float* b, float* y, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        y[i] = a[i] + b[i];
    }
}

} // namespace

void launch(ExecContext& context, const Add& op) {
    const std::int64_t count = op.y.elementCount();
    if (count == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 4096));
    addKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.a.ptr<float>(), op.b.ptr<float>(), op.y.ptr<float>(), count);
    checkLaunch(context, "add");
}

} // namespace lathe::cuda
