// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/geglu/geglu.h"
#include "kernels/ops/geglu/geglu_value.cuh"

#include <algorithm>

namespace lathe::cuda {

namespace {

__global__ void geGluKernel(const float* gate, const float* up, float* y, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        y[i] = geGluOf(gate[i], up[i]);
    }
}

} // namespace

void launch(ExecContext& context, const GeGlu& op) {
    const std::int64_t count = op.y.elementCount();
    if (count == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 4096));
    geGluKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.gate.ptr<float>(), op.up.ptr<float>(), op.y.ptr<float>(), count);
    checkLaunch(context, "geglu");
}

} // namespace lathe::cuda
