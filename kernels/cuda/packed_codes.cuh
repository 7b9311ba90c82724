// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/aligned.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

/// Reading of packed codes: 32 codes of `Bits` bits are exactly `Bits` words of 32 bits, so a lane
/// that owns 32 consecutive codes never shares a word with its neighbour.
namespace lathe::cuda {

constexpr int kCodesPerLane = 32;

template <int Bits>
struct CodeWords {
    std::uint32_t word[Bits];
};

/// Words [first, first + Bits) of a row of `wordCount` words, zero beyond its end. Streaming loads:
/// each word is used once.
template <int Bits>
__device__ CodeWords<Bits>
loadCodes(const std::uint32_t* row, std::int64_t first, std::int64_t wordCount, bool vectorised) {
    CodeWords<Bits> codes;
    if (vectorised && first + Bits <= wordCount) {
        if constexpr (Bits % 4 == 0) {
#pragma unroll
            for (int i = 0; i < Bits; i += 4) {
                const uint4 four = __ldcs(reinterpret_cast<const uint4*>(row + first + i));
                codes.word[i] = four.x;
                codes.word[i + 1] = four.y;
                codes.word[i + 2] = four.z;
                codes.word[i + 3] = four.w;
            }
            return codes;
        } else if constexpr (Bits % 2 == 0) {
#pragma unroll
            for (int i = 0; i < Bits; i += 2) {
                const uint2 two = __ldcs(reinterpret_cast<const uint2*>(row + first + i));
                codes.word[i] = two.x;
                codes.word[i + 1] = two.y;
            }
            return codes;
        }
    }
#pragma unroll
    for (int i = 0; i < Bits; ++i) {
        codes.word[i] = first + i < wordCount ? __ldcs(row + first + i) : 0U;
    }
    return codes;
}

/// Code j of the 32, j known at compile time after unrolling.
template <int Bits>
__device__ std::uint32_t codeOf(const CodeWords<Bits>& codes, int j) {
    const int bit = Bits * j;
    const int index = bit / 32;
    const int shift = bit % 32;
    const std::uint32_t low = codes.word[index];
    const std::uint32_t raw = shift + Bits > 32
                                  ? __funnelshift_r(
                                        low, codes.word[index + 1 < Bits ? index + 1 : index],
                                        static_cast<unsigned>(shift))
                                  : low >> shift;
    return raw & ((1U << Bits) - 1U);
}

/// Can rows of `wordCount` words be read by the widest loads that `bits` allows?
inline bool codesVectorise(const void* packed, std::int64_t wordCount, int bits) {
    const int width = bits % 4 == 0 ? 4 : bits % 2 == 0 ? 2 : 1;
    return wordCount % width == 0 && isAligned(packed);
}

/// Calls body(std::integral_constant<int, bits>) for bits 1..8.
template <class Body>
void withBits(int bits, Body&& body) {
    switch (bits) {
    case 1:
        return body(std::integral_constant<int, 1>{});
    case 2:
        return body(std::integral_constant<int, 2>{});
    case 3:
        return body(std::integral_constant<int, 3>{});
    case 4:
        return body(std::integral_constant<int, 4>{});
    case 5:
        return body(std::integral_constant<int, 5>{});
    case 6:
        return body(std::integral_constant<int, 6>{});
    case 7:
        return body(std::integral_constant<int, 7>{});
    default:
        return body(std::integral_constant<int, 8>{});
    }
}

/// Floats of one warp's staging buffer for loadInputs.
constexpr int kStagingFloats = 32 * (kCodesPerLane + 1);

/// The inputs of this lane's 32 columns, which begin at warpColumn + 32 * lane. Read coalesced and
/// handed out through a buffer of the warp with 33 floats a lane: reading 32 columns a lane
/// directly would touch 32 cache lines a load (measured: 20 us before the first product).
__device__ inline void loadInputs(
    const float* x, std::int64_t warpColumn, std::int64_t in, float* staging,
    float (&mine)[kCodesPerLane]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kCodesPerLane; ++i) {
        const std::int64_t column = warpColumn + i * 32 + lane;
        staging[i * (kCodesPerLane + 1) + lane] = column < in ? x[column] : 0.0F;
    }
    __syncwarp();
#pragma unroll
    for (int j = 0; j < kCodesPerLane; ++j) {
        mine[j] = staging[lane * (kCodesPerLane + 1) + j];
    }
    __syncwarp();
}

/// How a matrix-vector kernel with packed codes is cut: a row is covered by `warps` warps side by
/// side, each lane owning 32 columns whose inputs stay in registers for every row of the block;
/// `groups` rows run beside each other in a block. Rows wider than one pass take several launches,
/// each adding to the one before.
struct PackedGrid {
    int warps, groups;
    unsigned blocks, threads;
};
constexpr std::int64_t kColumnsPerWarp = 32 * kCodesPerLane;
constexpr int kMostWarps = 16;
constexpr std::int64_t kColumnsPerPass = kColumnsPerWarp * kMostWarps;

inline PackedGrid
packedGrid(std::int64_t columns, std::int64_t out, int multiprocessors, int blocksPerSm) {
    PackedGrid grid{};
    const std::int64_t warps = (columns + kColumnsPerWarp - 1) / kColumnsPerWarp;
    grid.warps = warps < 1 ? 1 : static_cast<int>(warps);
    grid.groups = grid.warps >= 8 ? 1 : 8 / grid.warps;
    grid.threads = static_cast<unsigned>(grid.warps * grid.groups * 32);
    const std::int64_t needed = (out + grid.groups - 1) / grid.groups;
    const std::int64_t resident = static_cast<std::int64_t>(multiprocessors) * blocksPerSm;
    grid.blocks = static_cast<unsigned>(needed < resident ? needed : resident);
    return grid;
}

} // namespace lathe::cuda
