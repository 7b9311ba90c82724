// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/guided_hessian/guided_hessian.h"

#include <cstdint>

namespace lathe::cuda {

namespace {

constexpr int kThreads = 256;

/// One block per row: the mean of dy^2 over the group's outputs, then the row of x times its root.
__global__ void scaleRowsKernel(
    const float* x, const float* dy, float* scaled, std::int64_t in, std::int64_t out,
    OutputGroup group) {
    __shared__ float shared[kWarp];
    const std::int64_t row = blockIdx.x;
    float sum = 0.0F;
    for (std::int64_t o = group.from + threadIdx.x; o < group.to; o += kThreads) {
        const float gradient = dy[row * out + o];
        sum = fmaf(gradient, gradient, sum);
    }
    const float factor = sqrtf(blockSum(sum, shared) / static_cast<float>(group.to - group.from));
    for (std::int64_t i = threadIdx.x; i < in; i += kThreads) {
        scaled[row * in + i] = factor * x[row * in + i];
    }
}

} // namespace

void scaleRows(ExecContext& context, const GuidedHessian& op, OutputGroup group, float* scaled) {
    const auto rows = static_cast<unsigned>(op.x.shape[0]);
    scaleRowsKernel<<<rows, kThreads, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.dy.ptr<float>(), scaled, op.x.shape[1], op.dy.shape[1], group);
    checkLaunch(context, "guided_hessian");
}

} // namespace lathe::cuda
