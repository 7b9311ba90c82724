// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/rms_norm/rms_norm.h"

namespace lathe::cuda {

namespace {

__global__ void
rmsNormKernel(const float* x, const float* gamma, float* y, std::int64_t cols, float epsilon) {
    __shared__ float shared[kWarp];
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
    rmsNormKernel<<<static_cast<unsigned>(rows), 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.gamma.ptr<float>(), op.y.ptr<float>(), op.x.shape[1], op.epsilon);
    checkLaunch(context, "rms_norm");
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
