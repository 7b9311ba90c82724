// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"

/// The order in which a StepAttention is added up, for every kernel whose results have to be its
/// results bit for bit: scores over eight lanes, exponentials as by a block of kAttentionWarps
/// warps, values of every kAttentionWarps-th key and then those sums in their order.
namespace lathe::cuda {

constexpr int kAttentionWarps = 8;
/// Lanes that share the product of a query with a key, four neighbouring elements at a time.
constexpr int kKeyLanes = 8;

__device__ inline float quadProduct(float4 q, float4 k, float sum) {
    return fmaf(q.x, k.x, fmaf(q.y, k.y, fmaf(q.z, k.z, fmaf(q.w, k.w, sum))));
}

/// Sum of a key's product over its lanes, in all of them.
__device__ inline float keySum(float sum) {
#pragma unroll
    for (int offset = kKeyLanes / 2; offset > 0; offset /= 2) {
        sum += __shfl_xor_sync(0xffffffffU, sum, offset);
    }
    return sum;
}

} // namespace lathe::cuda
