// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/step_attention/attention_order.cuh"

/// A StepAttention of one head whose query, keys and values all lie in the shared memory of a
/// block, with its results bit for bit: for kernels that make the query themselves.
namespace lathe::cuda {

constexpr int kHeldThreads = 512; ///< of the block

/// In the order of numbers, those that are not numbers somewhere.
__device__ inline int orderedBits(float value) {
    const int bits = __float_as_int(value + 0.0F); // one zero
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/// The largest of the warp's values; those that are not numbers count as orderedBits has them.
__device__ inline float largestOf(float value) {
    const int bits = __reduce_max_sync(0xffffffffU, orderedBits(value));
    return __int_as_float(bits ^ ((bits >> 31) & 0x7fffffff));
}

/// One head of one query and all keys that it sees, in shared memory.
struct OwnHead {
    const float *query, *keys, *values; ///< [headDim], [.., headDim]
    const float* bias;                  ///< of the first key; null: none
    float *scores, *parts;              ///< [visible], [kAttentionWarps, headDim] and the weight
    int visible, headDim;
};

__device__ inline void scoreKeys(const OwnHead& head) {
    const auto thread = static_cast<int>(threadIdx.x), lane = thread % kKeyLanes;
#pragma unroll 1
    for (int first = 0; first < head.visible; first += kHeldThreads / kKeyLanes) {
        const int j = first + thread / kKeyLanes;
        float sum = 0.0F;
        if (j < head.visible) {
#pragma unroll 1
            for (int d = 4 * lane; d < head.headDim; d += 4 * kKeyLanes) {
                sum = quadProduct(
                    *reinterpret_cast<const float4*>(head.query + d),
                    *reinterpret_cast<const float4*>(head.keys + j * head.headDim + d), sum);
            }
        }
        sum = keySum(sum);
        if (j < head.visible && lane == 0) {
            head.scores[j] = sum + (head.bias == nullptr ? 0.0F : head.bias[j]);
        }
    }
}

__device__ inline float largestScore(const OwnHead& head) {
    float largest = -INFINITY;
#pragma unroll 1
    for (int j = static_cast<int>(threadIdx.x) % kWarp; j < head.visible; j += kWarp) {
        largest = fmaxf(largest, head.scores[j]);
    }
    return largestOf(largest);
}

/// The sum of the exponentials of the scores, over the warp.
__device__ inline float weightOf(const OwnHead& head, float largest) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    float own = 0.0F, weight = 0.0F;
#pragma unroll 1
    for (int warp = 0; warp < kAttentionWarps && warp * kWarp < head.visible; ++warp) {
        weight = 0.0F;
#pragma unroll 1
        for (int j = warp * kWarp + lane; j < head.visible; j += kAttentionWarps * kWarp) {
            weight += expf(head.scores[j] - largest);
        }
        weight = warpSum(weight);
        own = lane == warp ? weight : own;
    }
    return head.visible <= kWarp ? weight : warpSum(own);
}

/// What a warp adds up of the values: every kAttentionWarps-th key's.
__device__ inline void addValues(const OwnHead& head, float largest) {
    const auto thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
#pragma unroll 1
    for (int d = thread % kWarp; d < head.headDim; d += kWarp) {
        float sum = 0.0F;
#pragma unroll 2
        for (int j = warp; j < head.visible; j += kAttentionWarps) {
            sum = fmaf(expf(head.scores[j] - largest), head.values[j * head.headDim + d], sum);
        }
        head.parts[warp * head.headDim + d] = sum;
    }
}

/// finish(d, y) in one thread for each element. All threads of the block call it, the query and
/// all keys and values being there for them; another head may follow at once.
template <class Finish>
__device__ void attendHead(const OwnHead& head, Finish&& finish) {
    const auto thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
    float* weight = head.parts + kAttentionWarps * head.headDim;
    scoreKeys(head);
    __syncthreads();
    if (warp <= kAttentionWarps) {
        const float largest = largestScore(head);
        if (warp < kAttentionWarps) {
            addValues(head, largest);
        } else {
            const float sum = weightOf(head, largest);
            if (thread % kWarp == 0) {
                *weight = sum;
            }
        }
    }
    __syncthreads();
    if (thread < head.headDim) {
        float sum = 0.0F;
#pragma unroll
        for (int part = 0; part < kAttentionWarps; ++part) {
            sum += head.parts[part * head.headDim + thread];
        }
        finish(thread, sum / *weight);
    }
}

} // namespace lathe::cuda
