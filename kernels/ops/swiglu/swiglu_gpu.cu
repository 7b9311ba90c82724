// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

__global__ void swiGluKernel(const float* gate, const float* up, float* y, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        const float z = gate[i];
        y[i] = z / (1.0F + expf(-z)) * up[i];
    }
}

__global__ void swiGluGradientKernel(
    const float* gate, const float* up, const float* dy, float* dgate, float* dup,
    std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        const float z = gate[i];
        const float sigmoid = 1.0F / (1.0F + expf(-z));
        const float slope = sigmoid * (1.0F + z * (1.0F - sigmoid));
        dgate[i] = dy[i] * up[i] * slope;
        dup[i] = dy[i] * z * sigmoid;
    }
}

} // namespace

void launch(ExecContext& context, const SwiGlu& op) {
    const std::int64_t count = op.y.elementCount();
    if (count == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 4096));
    swiGluKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.gate.ptr<float>(), op.up.ptr<float>(), op.y.ptr<float>(), count);
    checkLaunch(context, "swiglu");
}

void launch(ExecContext& context, const SwiGluGradient& op) {
    const std::int64_t count = op.dy.elementCount();
    if (count == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((count + 255) / 256, 4096));
    swiGluGradientKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.gate.ptr<float>(), op.up.ptr<float>(), op.dy.ptr<float>(), op.dgate.ptr<float>(),
        op.dup.ptr<float>(), count);
    checkLaunch(context, "swiglu_gradient");
}

} // namespace lathe::cuda
