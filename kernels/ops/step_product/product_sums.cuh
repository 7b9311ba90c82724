// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/step_product/step_product.h"

/// What the kernels of StepProduct share: arguments, and in which order a row is added up.
namespace lathe::cuda::step_product {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kMostRows = 12; ///< of one block
constexpr int kOctet = 8;     ///< neighbouring columns of a lane
constexpr int kChunk = kWarp * kOctet;
/// Chunks in a row of which a warp takes all, before the next ones go to another warp.
constexpr int kUnit = 2;

template <class T>
struct ProductArguments {
    const float* x;
    const float* gamma; ///< null: none
    const T* w;
    float* y;
    int rows, in, out;
    int split; ///< warps that share the columns of an output
    float epsilon;
    StepProduct::Result result;
};

struct alignas(16) Eight {
    float value[kOctet];

    /// Zeros outside.
    __device__ void load(const float* from, bool inside) {
        const float4 a = inside ? *reinterpret_cast<const float4*>(from) : float4{};
        const float4 b = inside ? *reinterpret_cast<const float4*>(from + 4) : float4{};
        value[0] = a.x, value[1] = a.y, value[2] = a.z, value[3] = a.w;
        value[4] = b.x, value[5] = b.y, value[6] = b.z, value[7] = b.w;
    }
};

/// The next power of two.
template <int Count>
constexpr int kPower = 2 * kPower<(Count + 1) / 2>;
template <>
constexpr int kPower<1> = 1;

/// Sums over the warp of several values at once, each in the order of warpSum: half of them stay
/// with half of the lanes at every step. The sum of value i is in lane i * (32 / Power).
template <int Power, int Half = Power / 2>
__device__ inline float warpSums(float (&values)[Power]) {
    static_assert(Power <= kWarp);
    constexpr int kOffset = kWarp / 2 * Half / (Power / 2 > 0 ? Power / 2 : 1);
    if constexpr (Half > 0) {
        const bool upper = (threadIdx.x & kOffset) != 0;
#pragma unroll
        for (int i = 0; i < Half; ++i) {
            const float sent = upper ? values[i] : values[i + Half];
            const float kept = upper ? values[i + Half] : values[i];
            values[i] = kept + __shfl_xor_sync(0xffffffffU, sent, kOffset);
        }
        return warpSums<Power, Half / 2>(values);
    } else {
#pragma unroll
        for (int offset = kWarp / 2 / Power; offset > 0; offset /= 2) {
            values[0] += __shfl_xor_sync(0xffffffffU, values[0], offset);
        }
        return values[0];
    }
}

/// What stands in y and is added to.
template <class T>
__device__ float before(const ProductArguments<T>& a, int row, int o) {
    return a.result == StepProduct::Result::Add ? a.y[static_cast<std::int64_t>(row) * a.out + o]
                                                : 0.0F;
}

/// y of a product that is still to be multiplied by the factor of the norm.
template <class T>
__device__ void
finish(const ProductArguments<T>& a, int row, int o, float product, float norm, float before) {
    float* to = a.y + static_cast<std::int64_t>(row) * a.out + o;
    const float y = __fmul_rn(product, norm); // in every kernel alike: not fused with what follows
    switch (a.result) {
    case StepProduct::Result::Store:
        *to = y;
        break;
    case StepProduct::Result::Relu:
        *to = y < 0.0F ? 0.0F : y; // fmaxf would lose NaN
        break;
    case StepProduct::Result::Add:
        *to = before + y;
        break;
    }
}

template <class T>
__device__ float normOf(const ProductArguments<T>& a, float squares) {
    return a.gamma == nullptr ? 1.0F : 1.0F / sqrtf(squares / static_cast<float>(a.in) + a.epsilon);
}

} // namespace lathe::cuda::step_product
