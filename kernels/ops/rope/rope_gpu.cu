// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/rope/rope.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

/// One thread per pair (j, j + half) of one head of one token.
__global__ void ropeKernel(
    float* x, const float* frequencies, const std::int32_t* positions, std::int64_t pairs,
    std::int64_t heads, std::int64_t half) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < pairs; i += stride) {
        const std::int64_t j = i % half;
        const std::int64_t head = i / half; // over all tokens
        const std::int64_t token = head / heads;
        float sine = 0.0F;
        float cosine = 0.0F;
        // sincosf reduces its argument exactly; the fast intrinsic would be off by 1e-2 at 1e5 rad.
        sincosf(static_cast<float>(positions[token]) * frequencies[j], &sine, &cosine);
        float* lower = x + head * 2 * half + j;
        float* upper = lower + half;
        const float a = *lower;
        const float b = *upper;
        *lower = a * cosine - b * sine;
        *upper = b * cosine + a * sine;
    }
}

} // namespace

void launch(ExecContext& context, const Rope& op) {
    const std::int64_t half = op.x.shape[2] / 2;
    const std::int64_t pairs = op.x.shape[0] * op.x.shape[1] * half;
    if (pairs == 0) {
        return;
    }
    const auto blocks = static_cast<unsigned>(std::min<std::int64_t>((pairs + 255) / 256, 4096));
    ropeKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.frequencies.ptr<float>(), op.positions.ptr<std::int32_t>(), pairs,
        op.x.shape[1], half);
    checkLaunch(context, "rope");
}

} // namespace lathe::cuda
