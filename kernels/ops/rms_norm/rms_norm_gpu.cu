// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/rms_norm/rms_norm.h"

namespace lathe::cuda {

namespace {

constexpr int kThreads = 512;
/// Quads of a row that a thread keeps in registers: rows of up to 8192.
constexpr int kHeld = 4;

__global__ void
rmsNormKernel(const float* x, const float* gamma, float* y, std::int64_t cols, float epsilon) {
    __shared__ float shared[kWarp];
    letNextBegin();
    waitForPrevious();
    const float* row = x + blockIdx.x * cols;
    float squares = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        squares += row[c] * row[c];
    }
    const float mean = blockSum(squares, shared) / static_cast<float>(cols);
    const float scale = 1.0F / sqrtf(mean + epsilon);
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        y[blockIdx.x * cols + c] = row[c] * scale * gamma[c];
    }
}

__device__ float4 plus(float4 a, float4 b) {
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/// One block a row, which stays in registers.
__global__ void __launch_bounds__(kThreads, 2) addRmsNormKernel(
    float4* x, const float4* delta, const float4* gamma, float4* y, int quads, float epsilon) {
    __shared__ float shared[kWarp];
    letNextBegin();
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * quads;
    float4 scales[kHeld], values[kHeld];
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
        const int q = thread + i * kThreads;
        scales[i] = q < quads ? gamma[q] : float4{};
    }
    waitForPrevious();
    float squares = 0.0F;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
        const int q = thread + i * kThreads;
        values[i] = q < quads ? plus(x[row + q], delta[row + q]) : float4{};
    }
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
        const float4 v = values[i];
        squares += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
    }
    const float mean = blockSum(squares, shared) / static_cast<float>(4 * quads);
    const float scale = 1.0F / sqrtf(mean + epsilon);
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
        const int q = thread + i * kThreads;
        if (q < quads) {
            const float4 v = values[i], g = scales[i];
            x[row + q] = v;
            y[row + q] = make_float4(
                v.x * scale * g.x, v.y * scale * g.y, v.z * scale * g.z, v.w * scale * g.w);
        }
    }
}

/// Rows of any length and alignment.
__global__ void addRmsNormAnyKernel(
    float* x, const float* delta, const float* gamma, float* y, std::int64_t cols, float epsilon) {
    __shared__ float shared[kWarp];
    letNextBegin();
    waitForPrevious();
    const std::int64_t row = blockIdx.x * cols;
    float squares = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        const float value = x[row + c] + delta[row + c];
        x[row + c] = value;
        squares += value * value;
    }
    const float mean = blockSum(squares, shared) / static_cast<float>(cols);
    const float scale = 1.0F / sqrtf(mean + epsilon);
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        y[row + c] = x[row + c] * scale * gamma[c];
    }
}

__global__ void rmsNormGradientKernel(
    const float* x, const float* gamma, const float* dy, float* dx, std::int64_t cols,
    float epsilon) {
    __shared__ float shared[kWarp];
    const std::int64_t row = blockIdx.x * cols;
    float squares = 0.0F;
    float products = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        squares += x[row + c] * x[row + c];
        products += x[row + c] * gamma[c] * dy[row + c];
    }
    const float scale =
        1.0F / sqrtf(blockSum(squares, shared) / static_cast<float>(cols) + epsilon);
    const float pull = scale * scale * (blockSum(products, shared) / static_cast<float>(cols));
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        dx[row + c] = scale * (gamma[c] * dy[row + c] - x[row + c] * pull);
    }
}

} // namespace

void launch(ExecContext& context, const RmsNorm& op) {
    const std::int64_t rows = op.x.shape[0];
    if (op.x.elementCount() == 0) {
        return;
    }
    launchOverlapped(
        context, "rms_norm", rmsNormKernel,
        {.grid = dim3(static_cast<unsigned>(rows)), .threads = kThreads}, op.x.ptr<float>(),
        op.gamma.ptr<float>(), op.y.ptr<float>(), op.x.shape[1], op.epsilon);
}

void launch(ExecContext& context, const AddRmsNorm& op) {
    const std::int64_t cols = op.x.shape[1];
    const LaunchShape shape{
        .grid = dim3(static_cast<unsigned>(op.x.shape[0])),
        .threads = kThreads,
        .besideProducts = true};
    if (cols % 4 == 0 && cols <= 4 * kThreads * kHeld && isAligned(op.x.data) &&
        isAligned(op.delta.data) && isAligned(op.gamma.data) && isAligned(op.y.data)) {
        launchOverlapped(
            context, "add_rms_norm", addRmsNormKernel, shape, op.x.ptr<float4>(),
            op.delta.ptr<float4>(), op.gamma.ptr<float4>(), op.y.ptr<float4>(),
            static_cast<int>(cols / 4), op.epsilon);
    } else {
        launchOverlapped(
            context, "add_rms_norm", addRmsNormAnyKernel, shape, op.x.ptr<float>(),
            op.delta.ptr<float>(), op.gamma.ptr<float>(), op.y.ptr<float>(), cols, op.epsilon);
    }
}

void launch(ExecContext& context, const RmsNormGradient& op) {
    const std::int64_t rows = op.x.shape[0];
    if (op.x.elementCount() == 0) {
        return;
    }
    rmsNormGradientKernel<<<static_cast<unsigned>(rows), 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.gamma.ptr<float>(), op.dy.ptr<float>(), op.dx.ptr<float>(),
        op.x.shape[1], op.epsilon);
    checkLaunch(context, "rms_norm_gradient");
}

} // namespace lathe::cuda
