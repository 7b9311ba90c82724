// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

/// Reductions in a fixed order, so that equal inputs give equal bits.
namespace lathe::cuda {

constexpr int kWarp = 32;

__device__ inline float warpSum(float value) {
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
        value += __shfl_xor_sync(0xffffffffU, value, offset);
    }
    return value;
}

__device__ inline float warpMax(float value) {
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, offset));
    }
    return value;
}

/// Sum over the block, in every thread. `shared` holds 32 floats; the block is whole warps.
__device__ inline float blockSum(float value, float* shared) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int warps = static_cast<int>(blockDim.x) / kWarp;
    value = warpSum(value);
    __syncthreads(); // the buffer may still be read from the reduction before
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    return warpSum(lane < warps ? shared[lane] : 0.0F);
}

__device__ inline float blockMax(float value, float* shared) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int warps = static_cast<int>(blockDim.x) / kWarp;
    value = warpMax(value);
    __syncthreads();
    if (lane == 0) {
        shared[warp] = value;
    }
    __syncthreads();
    return warpMax(lane < warps ? shared[lane] : -INFINITY);
}

/// Lowest index of the largest value over the block, in every thread.
struct ArgMaxPair {
    float value;
    int index;
};
__device__ inline ArgMaxPair better(ArgMaxPair a, ArgMaxPair b) {
    return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}
__device__ inline ArgMaxPair warpArgMax(ArgMaxPair pair) {
    for (int offset = kWarp / 2; offset > 0; offset /= 2) {
        const ArgMaxPair other{
            __shfl_xor_sync(0xffffffffU, pair.value, offset),
            __shfl_xor_sync(0xffffffffU, pair.index, offset)};
        pair = better(pair, other);
    }
    return pair;
}
__device__ inline ArgMaxPair blockArgMax(ArgMaxPair pair, ArgMaxPair* shared) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int warps = static_cast<int>(blockDim.x) / kWarp;
    pair = warpArgMax(pair);
    __syncthreads();
    if (lane == 0) {
        shared[warp] = pair;
    }
    __syncthreads();
    return warpArgMax(lane < warps ? shared[lane] : ArgMaxPair{-INFINITY, 0x7fffffff});
}

} // namespace lathe::cuda
