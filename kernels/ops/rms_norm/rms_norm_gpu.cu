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

} // namespace lathe::cuda
