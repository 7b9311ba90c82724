// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/reduce.cuh"

#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>

/// The parts of lut_rows_gpu.cu that one lane works with: its codes, its look-ups, its share of x.
///
/// A lane (g, t) = (lane / 4, lane % 4) has 64 codes of row g of a tile, in pieces of consecutive
/// ones; four of them make its words of the B operand at one of 16 steps, and the x of the same
/// columns its words of the A operand. Which columns meet at one step is up to us, as long as both
/// operands agree.
namespace lathe::cuda {

constexpr int kTileRows = 8;      ///< of the matrix
constexpr int kUnitColumns = 256; ///< of a warp
constexpr int kLaneCodes = 64;
constexpr int kSteps = kLaneCodes / 4;
constexpr int kMostUnits = 16; ///< warps of a block: with their x they fill the registers
constexpr int kRawTiles = 4;   ///< whose tables are on their way to shared memory
constexpr int kLineBytes = 128;
/// The tables of two tiles lie interleaved: an index is a byte above the lane's.
constexpr int kIndexBytes = 2 * kLineBytes;

/// Rows of x that are multiplied at once. Up to eight keep their precision: x is split in two parts
/// of 11 bits. Sixteen are rounded to F16.
enum class Batch { Four, Eight, Sixteen };
__host__ __device__ constexpr int batchRows(Batch batch) {
    return batch == Batch::Four ? 4 : batch == Batch::Eight ? 8 : 16;
}

struct RowsArguments {
    const float* x;
    const std::uint32_t* packed;
    const __half* table;
    const float* bias;
    float* y;
    std::int64_t in, out, words, yStride, firstColumn, firstTile, tiles;
    int rows, slices, heldTiles;
    bool accumulate, vectorised; ///< vectorised: every row of x begins on 16 bytes
};

template <int Bits>
struct LaneCodes {
    static constexpr int kPieceCodes =
        Bits % 4 == 0 ? 32 : 64; ///< so that pieces are whole vectors
    static constexpr int kPieces = kLaneCodes / kPieceCodes;
    static constexpr int kPieceWords = kPieceCodes * Bits / 32;
    static constexpr int kVector = kPieceWords % 4 == 0 ? 4 : 2; ///< words of one load
    std::uint32_t word[2 * Bits];
};

template <int Bits>
struct LookUp {
    static constexpr bool kPairs = Bits <= 4; ///< the index is that of two codes
    static constexpr int kIndexBits = kPairs ? 2 * Bits : Bits;
    /// Of the tables of two tiles; their address is a multiple of it.
    static constexpr int kBytes = kIndexBytes << kIndexBits;

    /// Columns 4 * step + 2 * Half and the next, as two halves. `base`: address of the lane's entry
    /// of index 0; the bits of an index are 0 in it.
    template <int Half>
    __device__ static std::uint32_t
    pair(const LaneCodes<Bits>& codes, int step, std::uint32_t base) {
        const int first = 4 * step + 2 * Half;
        if constexpr (kPairs) {
            return entry(address(codes, first * Bits, base));
        } else {
            const std::uint32_t low = entry(address(codes, first * Bits, base));
            const std::uint32_t high = entry(address(codes, (first + 1) * Bits, base));
            return __byte_perm(low, high, 0x5410);
        }
    }

private:
    __device__ static std::uint32_t entry(std::uint32_t address) {
        return *static_cast<const std::uint32_t*>(__cvta_shared_to_generic(address));
    }
    /// base + 256 * the index at `bit` of the lane's codes.
    __device__ static std::uint32_t
    address(const LaneCodes<Bits>& codes, int bit, std::uint32_t base) {
        const int index = bit / 32, shift = bit % 32;
        const std::uint32_t word = codes.word[index];
        if constexpr (kIndexBits == 8) { // a byte, moved to where it belongs
            return __byte_perm(word, base, 0x7604 | shift / 8 << 4);
        } else {
            constexpr std::uint32_t kMask = ((1U << kIndexBits) - 1U) << 8;
            const std::uint32_t moved =
                shift < 8 ? word << (8 - shift)
                : shift + kIndexBits <= 32
                    ? word >> (shift - 8)
                    : __funnelshift_r(
                          word, codes.word[index + 1 < 2 * Bits ? index + 1 : index],
                          static_cast<unsigned>(shift - 8));
            return (moved & kMask) | base;
        }
    }
};

/// Where a warp puts x on its way to the registers: pieces and rows are padded so that eight lanes,
/// those of two rows, read 16 bytes each from different banks.
template <int Bits>
struct Staging {
    static constexpr int kPiece = LaneCodes<Bits>::kPieceCodes;
    static constexpr int kPieceBytes = kPiece * 4 + 16;
    static constexpr int kRowBytes = kUnitColumns / kPiece * kPieceBytes + (kPiece == 32 ? 64 : 0);
    static constexpr int kBytes = 8 * kRowBytes;
    static_assert(kRowBytes % 128 == 64);

    __device__ static int place(int row, int column) {
        return row * kRowBytes + column / kPiece * kPieceBytes + column % kPiece * 4;
    }
};

/// A lane's share of x: 64 columns of one row, or of two.
template <Batch Rows>
struct LaneX {
    static constexpr int kWordsPerStep = Rows == Batch::Four ? 2 : 4;
    std::uint32_t word[kSteps][kWordsPerStep];
    float unscale; ///< of the sums

    __device__ void operand(int step, std::uint32_t (&a)[4]) const {
        if constexpr (Rows == Batch::Four) { // rows 8..15 of the operand are empty
            a[0] = word[step][0];
            a[1] = 0;
            a[2] = word[step][1];
            a[3] = 0;
        } else {
            a[0] = word[step][0];
            a[1] = word[step][1];
            a[2] = word[step][2];
            a[3] = word[step][3];
        }
    }

    /// @param column the warp's first
    /// @param staging shared memory of the warp's own, Staging<Bits>::kBytes
    template <int Bits>
    __device__ void load(const RowsArguments& a, std::int64_t column, std::uint32_t staging) {
        if constexpr (Rows == Batch::Sixteen) {
            unscale = 1.0F;
            loadRounded<Bits, 0>(a, column, staging);
            loadRounded<Bits, 1>(a, column, staging);
        } else {
            loadSplit<Bits>(a, column, staging);
        }
    }

private:
    __device__ static std::uint32_t bits(__half2 pair) {
        return *reinterpret_cast<const std::uint32_t*>(&pair);
    }

    /// Copies 256 columns of eight rows of x, row by row, so that neighbouring lanes read
    /// neighbouring columns; what lies beyond x becomes 0.
    template <int Bits>
    __device__ static void
    stage(const RowsArguments& a, int firstRow, std::int64_t column, std::uint32_t staging) {
        constexpr int kRows = Rows == Batch::Four ? 4 : 8;
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        __syncwarp(); // what was staged before has been read
#pragma unroll
        for (int i = 0; i < kRows * kUnitColumns / 4; i += kWarp) {
            const int row = (i + lane) * 4 / kUnitColumns, of = (i + lane) * 4 % kUnitColumns;
            const float* from = a.x + (firstRow + row) * a.in + column + of;
            const std::int64_t left = firstRow + row < a.rows ? a.in - column - of : 0;
            const std::uint32_t to = staging + Staging<Bits>::place(row, of);
            if (a.vectorised) {
                copyAsyncPart(to, left > 0 ? from : a.x, left > 0 ? 16 : 0);
            } else {
                const auto at = [&](int e) { return e < left ? from[e] : 0.0F; };
                *static_cast<float4*>(__cvta_shared_to_generic(to)) =
                    make_float4(at(0), at(1), at(2), at(3));
            }
        }
        endCopyGroup();
        waitForCopies<0>();
        __syncwarp();
    }
    template <int Bits>
    __device__ static float4 staged(std::uint32_t staging, int row, int step) {
        constexpr int kPieceCodes = LaneCodes<Bits>::kPieceCodes;
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        const int piece = step * 4 / kPieceCodes * 4 + lane % 4;
        return *static_cast<const float4*>(__cvta_shared_to_generic(
            staging + Staging<Bits>::place(row, piece * kPieceCodes + step * 4 % kPieceCodes)));
    }

    template <int Bits, int Half>
    __device__ void
    loadRounded(const RowsArguments& a, std::int64_t column, std::uint32_t staging) {
        stage<Bits>(a, Half * 8, column, staging);
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            const float4 x = staged<Bits>(staging, static_cast<int>(threadIdx.x) % kWarp / 4, step);
            word[step][Half] = bits(__floats2half2_rn(x.x, x.y));
            word[step][Half + 2] = bits(__floats2half2_rn(x.z, x.w));
        }
    }

    /// The upper 11 bits of x and what is left of it, both as halves, after a power of two has
    /// brought the largest x of the warp's columns near the top of their range: so x loses at most
    /// 2^-39 of the largest.
    template <int Bits>
    __device__ void loadSplit(const RowsArguments& a, std::int64_t column, std::uint32_t staging) {
        stage<Bits>(a, 0, column, staging);
        const int row = static_cast<int>(threadIdx.x) % kWarp / 4 % batchRows(Rows);
        float4 x[kSteps];
        unsigned largest = 0;
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            x[step] = staged<Bits>(staging, row, step);
            largest =
                max(max(largest, max(finite(x[step].x), finite(x[step].y))),
                    max(finite(x[step].z), finite(x[step].w)));
        }
        largest = max(largest, __shfl_xor_sync(~0U, largest, 1)); // the lanes of a row
        largest = max(largest, __shfl_xor_sync(~0U, largest, 2));
        const int exponent = largest == 0 ? 14 : max(static_cast<int>(largest >> 23) - 127, -110);
        const float scale = __int_as_float((127 + 14 - exponent) << 23);
        unscale = __int_as_float((127 - 14 + exponent) << 23);
        const bool isLower = threadIdx.x % kWarp >= kWarp / 2; // with four rows
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            const float4 s = make_float4(
                x[step].x * scale, x[step].y * scale, x[step].z * scale, x[step].w * scale);
            const __half2 first = __floats2half2_rn(s.x, s.y), second = __floats2half2_rn(s.z, s.w);
            const std::uint32_t firstRest = bits(rest(s.x, s.y, first));
            const std::uint32_t secondRest = bits(rest(s.z, s.w, second));
            if constexpr (Rows == Batch::Four) {
                word[step][0] = isLower ? firstRest : bits(first);
                word[step][1] = isLower ? secondRest : bits(second);
            } else {
                word[step][0] = bits(first);
                word[step][1] = firstRest;
                word[step][2] = bits(second);
                word[step][3] = secondRest;
            }
        }
    }

    /// The magnitude as bits, which order like the numbers; 0 for what is not finite.
    __device__ static unsigned finite(float value) {
        const unsigned magnitude = __float_as_uint(value) & 0x7FFFFFFFU;
        return magnitude < 0x7F800000U ? magnitude : 0U;
    }
    /// Infinity and NaN are all in the upper part.
    __device__ static __half2 rest(float x, float y, __half2 upper) {
        const float2 taken = __half22float2(upper);
        return __floats2half2_rn(
            finite(x) != 0 ? x - taken.x : 0.0F, finite(y) != 0 ? y - taken.y : 0.0F);
    }
};

/// The shared memory of a block; sizes in bytes.
template <int Bits, Batch Rows>
struct RowsLayout {
    static constexpr int kPartFloats = batchRows(Rows) * kTileRows; ///< of a warp and tile
    static constexpr int kRaw = 0; ///< [kRawTiles][8, 2^Bits] halves
    static constexpr int kParts =
        kRaw + kRawTiles * kTileRows * (2 << Bits); ///< [2][units][kPartFloats]
    static constexpr int kSums =
        kParts + 2 * kMostUnits * kPartFloats * 4; ///< [tiles][kPartFloats]

    /// Where the tables begin, behind the sums: their address in the shared window is a multiple of
    /// their size.
    __host__ __device__ static std::uint32_t tables(std::uint32_t window, int heldTiles) {
        const std::uint32_t size = LookUp<Bits>::kBytes;
        const std::uint32_t end =
            window + kSums + static_cast<std::uint32_t>(heldTiles) * kPartFloats * 4;
        return (end + size - 1) / size * size - window;
    }
    /// Wherever the window begins. Before the first tile, x is staged from kParts on.
    static std::size_t bytes(int heldTiles, unsigned units) {
        const std::size_t work = kSums + static_cast<std::size_t>(heldTiles) * kPartFloats * 4 +
                                 2 * LookUp<Bits>::kBytes;
        return std::max<std::size_t>(work, kParts + units * Staging<Bits>::kBytes);
    }
};

} // namespace lathe::cuda
