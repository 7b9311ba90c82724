// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/swiglu/swiglu.h"
#include "kernels/ops/swiglu/swiglu_value.cuh"

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
            y[row * cols + c] = swiGluOf(gate[row * rowStride + c], up[row * rowStride + c]);
        }
    }
}

/// Four neighbours a thread: so few blocks leave the multiprocessors to the product that follows.
__global__ void swiGluQuadKernel(
    const float4* gate, const float4* up, float4* y, std::int64_t rows, std::int64_t cols,
    std::int64_t rowStride) {
    letNextBegin();
    waitForPrevious();
    const std::int64_t c = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    for (std::int64_t row = blockIdx.y; c < cols && row < rows; row += gridDim.y) {
        const float4 z = gate[row * rowStride + c], u = up[row * rowStride + c];
        y[row * cols + c] = make_float4(
            swiGluOf(z.x, u.x), swiGluOf(z.y, u.y), swiGluOf(z.z, u.z), swiGluOf(z.w, u.w));
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
    const auto across = static_cast<unsigned>(std::min<std::int64_t>(rows, 4096));
    constexpr std::int64_t kQuadThreads = 512, kMostQuadBlocks = std::int64_t{1} << 30;
    const std::int64_t quadBlocks = (cols / 4 + kQuadThreads - 1) / kQuadThreads;
    if (cols % 4 == 0 && op.stride % 4 == 0 && quadBlocks <= kMostQuadBlocks &&
        isAligned(op.gate.data) && isAligned(op.up.data) && isAligned(op.y.data)) {
        launchOverlapped(
            context, "swiglu", swiGluQuadKernel,
            {.grid = dim3(static_cast<unsigned>(quadBlocks), across),
             .threads = kQuadThreads,
             .besideProducts = true},
            op.gate.ptr<float4>(), op.up.ptr<float4>(), op.y.ptr<float4>(), rows, cols / 4,
            op.stride / 4);
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((cols + 255) / 256, 4096));
    launchOverlapped(
        context, "swiglu", swiGluKernel,
        {.grid = dim3(blocks, across), .threads = 256, .besideProducts = true},
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
