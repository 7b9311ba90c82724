// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/widen.cuh"

#include <cstdint>

/// The order in which a StepProduct is added up, for every kernel whose results have to be its
/// results bit for bit. Lane l takes columns 8 l to 8 l + 7 of every chunk of a segment, in their
/// order; the lanes' sums are added as in warpSum, those of the segments in their order.
namespace lathe::cuda {

constexpr int kOctet = 8; ///< neighbouring columns of a lane
constexpr int kChunk = kWarp * kOctet;
/// Chunks in a row that one segment takes before the next ones go to another segment.
constexpr int kUnit = 2;
constexpr int kMostSegments = 8;

/// Segments of a row. Of the matrix alone, so that a row's sum does not depend on how many there
/// are.
__host__ __device__ inline int segmentsOf(std::int64_t in) {
    int segments = 1;
    while (segments < kMostSegments && in > std::int64_t{segments} * kUnit * kChunk) {
        segments *= 2;
    }
    return segments;
}

/// First column of a chunk of a segment.
__device__ inline int columnOf(int chunk, int segment, int segments) {
    return ((chunk / kUnit * segments + segment) * kUnit + chunk % kUnit) * kChunk;
}

struct Eight {
    float value[kOctet];

    /// Zeros outside.
    __device__ void load(const float* from, bool inside) {
        const float4 a = inside ? *reinterpret_cast<const float4*>(from) : float4{};
        const float4 b = inside ? *reinterpret_cast<const float4*>(from + 4) : float4{};
        value[0] = a.x, value[1] = a.y, value[2] = a.z, value[3] = a.w;
        value[4] = b.x, value[5] = b.y, value[6] = b.z, value[7] = b.w;
    }
    /// To its products with gamma. @return `squares` and the squares of what it was
    __device__ float scale(const Eight& gamma, float squares) {
#pragma unroll
        for (int i = 0; i < kOctet; ++i) {
            squares = fmaf(value[i], value[i], squares);
            value[i] *= gamma.value[i];
        }
        return squares;
    }
};

/// Eight stored weights.
template <class T>
struct Stored {
    static constexpr int kParts = static_cast<int>(sizeof(T)) / 2;
    uint4 part[kParts];

    __device__ float at(int i) const { return widen(reinterpret_cast<const T*>(part)[i]); }
    /// `sum` and the product with x.
    __device__ float times(const Eight& x, float sum) const {
#pragma unroll
        for (int i = 0; i < kOctet; ++i) {
            sum = fmaf(at(i), x.value[i], sum);
        }
        return sum;
    }
};

/// What a norm multiplies a product by.
__device__ inline float normOf(float squares, int in, float epsilon) {
    return 1.0F / sqrtf(squares / static_cast<float>(in) + epsilon);
}

/// The next power of two.
template <int Count>
constexpr int kPower = 2 * kPower<(Count + 1) / 2>;
template <>
constexpr int kPower<1> = 1;

/// Sums over `Lanes` neighbouring lanes of several values at once, each in the order of warpSum
/// over lanes of which the others have zeros: half of the values stay with half of the lanes at
/// every step. The sum of value i is in lanes from i * (Lanes / Power) on.
template <int Power, int Lanes = kWarp, int Half = Power / 2>
__device__ inline float warpSums(float (&values)[Power]) {
    static_assert(Power <= Lanes);
    constexpr int kOffset = Lanes / 2 * Half / (Power / 2 > 0 ? Power / 2 : 1);
    if constexpr (Half > 0) {
        const bool upper = (threadIdx.x & kOffset) != 0;
#pragma unroll
        for (int i = 0; i < Half; ++i) {
            const float sent = upper ? values[i] : values[i + Half];
            const float kept = upper ? values[i + Half] : values[i];
            values[i] = kept + __shfl_xor_sync(0xffffffffU, sent, kOffset);
        }
        return warpSums<Power, Lanes, Half / 2>(values);
    } else {
#pragma unroll
        for (int offset = Lanes / 2 / Power; offset > 0; offset /= 2) {
            values[0] += __shfl_xor_sync(0xffffffffU, values[0], offset);
        }
        return values[0];
    }
}

} // namespace lathe::cuda
