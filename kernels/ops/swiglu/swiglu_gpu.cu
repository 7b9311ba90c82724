// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/swiglu/swiglu.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

__global__ void swiGluKernel(
    const float* gate, const float* up, float* y, std::int64_t rows, std::int64_t cols,
    std::int64_t rowStride) {
    letNextBegin();
    waitForPrevious();
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    const std::int64_t first = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    for (std::int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
        for (std::int64_t c = first; c < cols; c += stride) {
            const float z = gate[row * rowStride + c];
            y[row * cols + c] = z / (1.0F + expf(-z)) * up[row * rowStride + c];
        }
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
    // Rows without a gap between them are one.
    const bool gaps = op.stride != 0 && op.stride != op.y.shape[1];
    const std::int64_t rows = gaps ? op.y.shape[0] : 1;
    const std::int64_t cols = op.y.elementCount() / rows;
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((cols + 255) / 256, 4096));
    launchOverlapped(
        context, "swiglu", swiGluKernel,
        {.grid = dim3(blocks, static_cast<unsigned>(std::min<std::int64_t>(rows, 4096))),
         .threads = 256},
        op.gate.ptr<float>(), op.up.ptr<float>(), op.y.ptr<float>(), rows, cols, op.stride);
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
