// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/packed_codes.cuh"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <cuda_fp16.h>

namespace lathe::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kBlockRows = 4; ///< so many tables are made before the first look-up

struct DequantizeArguments {
    const std::uint32_t* packed;
    const __half* table;
    std::int64_t rowFrom, rows, in, words;
    bool aligned; ///< every row of w begins on 16 bytes, and ends on eight weights
};

/// The tables of a block's rows: up to 4 bits an entry is that of two codes, so that one look-up
/// gives two weights; from 5 bits on the upper half of an entry is empty.
template <int Bits>
struct Tables {
    static constexpr bool kPairs = Bits <= 4;
    static constexpr int kIndexBits = kPairs ? 2 * Bits : Bits;
    static constexpr int kEntries = 1 << kIndexBits;
    std::uint32_t entry[kBlockRows][kEntries];

    __device__ void fill(const DequantizeArguments& a, std::int64_t row) {
        for (int i = static_cast<int>(threadIdx.x); i < kBlockRows * kEntries; i += kThreads) {
            const std::int64_t of = min(row + i / kEntries, a.rows - 1) + a.rowFrom;
            const auto* codes = reinterpret_cast<const std::uint16_t*>(a.table + (of << Bits));
            const int index = i % kEntries;
            std::uint32_t word = codes[index % (1 << Bits)];
            if constexpr (kPairs) {
                word |= std::uint32_t{codes[index >> Bits]} << 16;
            }
            entry[i / kEntries][index] = word;
        }
    }
};

/// Eight codes of a row, from bit 0 of the first word on.
template <int Bits>
struct Octet {
    static constexpr int kWords = (8 * Bits + 31) / 32;
    std::uint32_t word[kWords + 1];

    __device__ Octet(const std::uint32_t* row, std::int64_t octet, std::int64_t words) {
        const std::int64_t first = octet * Bits / 4;
        const auto shift = static_cast<unsigned>(octet * Bits % 4 * 8);
#pragma unroll
        for (int i = 0; i <= kWords; ++i) {
            const bool isNeeded = i < kWords || Bits % 4 != 0;
            word[i] = isNeeded && first + i < words ? __ldg(row + first + i) : 0U;
        }
#pragma unroll
        for (int i = 0; i < kWords; ++i) {
            word[i] = __funnelshift_r(word[i], word[i + 1], shift);
        }
    }
    template <int Width>
    __device__ std::uint32_t at(int bit) const {
        const std::uint32_t moved =
            __funnelshift_r(word[bit / 32], word[bit / 32 + 1], static_cast<unsigned>(bit % 32));
        return moved & ((1U << Width) - 1U);
    }
    /// Weights 2 * pair and the next, as two halves.
    __device__ std::uint32_t weights(const std::uint32_t* entries, int pair) const {
        if constexpr (Tables<Bits>::kPairs) {
            return entries[at<2 * Bits>(pair * 2 * Bits)];
        } else {
            const std::uint32_t low = entries[at<Bits>(pair * 2 * Bits)];
            return low | entries[at<Bits>((pair * 2 + 1) * Bits)] << 16;
        }
    }
};

__device__ void storeEight(__half* to, const std::uint32_t (&pairs)[4]) {
    *reinterpret_cast<uint4*>(to) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}
__device__ void storeEight(float* to, const std::uint32_t (&pairs)[4]) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
        const float2 a = __half22float2(*reinterpret_cast<const __half2*>(pairs + i));
        const float2 b = __half22float2(*reinterpret_cast<const __half2*>(pairs + i + 1));
        *reinterpret_cast<float4*>(to + 2 * i) = make_float4(a.x, a.y, b.x, b.y);
    }
}
__device__ void storeOne(__half* to, __half value) { *to = value; }
__device__ void storeOne(float* to, __half value) { *to = __half2float(value); }

/// A block takes four rows, a thread eight neighbouring weights at a time.
template <int Bits, class T>
__global__ void __launch_bounds__(kThreads) dequantizeKernel(DequantizeArguments a, T* w) {
    __shared__ Tables<Bits> tables;
    const std::int64_t first = blockIdx.x * static_cast<std::int64_t>(kBlockRows);
    tables.fill(a, first);
    __syncthreads();
    for (int r = 0; r < kBlockRows && first + r < a.rows; ++r) {
        const std::uint32_t* row = a.packed + (a.rowFrom + first + r) * a.words;
        const std::uint32_t* entries = tables.entry[r];
        T* to = w + (first + r) * a.in;
#pragma unroll 2
        for (std::int64_t octet = threadIdx.x; octet * 8 < a.in; octet += kThreads) {
            const Octet<Bits> codes(row, octet, a.words);
            std::uint32_t pairs[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                pairs[i] = codes.weights(entries, i);
            }
            if (a.aligned) {
                storeEight(to + octet * 8, pairs);
                continue;
            }
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                if (octet * 8 + i < a.in) {
                    storeOne(to + octet * 8 + i, reinterpret_cast<const __half*>(pairs)[i]);
                }
            }
        }
    }
}

template <int Bits, class T>
void launchTo(ExecContext& context, const DequantizeArguments& a, T* w) {
    const auto blocks = static_cast<unsigned>((a.rows + kBlockRows - 1) / kBlockRows);
    dequantizeKernel<Bits, T><<<blocks, kThreads, 0, context.cuda()->stream>>>(a, w);
}

} // namespace

void launch(ExecContext& context, const LutDequantize& op) {
    const DequantizeArguments a{
        .packed = op.packed.ptr<std::uint32_t>(),
        .table = op.table.ptr<__half>(),
        .rowFrom = op.rowFrom,
        .rows = op.w.shape[0],
        .in = op.w.shape[1],
        .words = op.packed.shape[1],
        .aligned = op.w.shape[1] % 8 == 0 && isAligned(op.w.data)};
    if (a.rows * a.in == 0) {
        return;
    }
    withBits(op.bits, [&](auto bits) {
        constexpr int kBits = decltype(bits)::value;
        if (op.w.dtype == DType::F16) {
            launchTo<kBits>(context, a, op.w.ptr<__half>());
        } else {
            launchTo<kBits>(context, a, op.w.ptr<float>());
        }
    });
    checkLaunch(context, "lut_dequantize");
}

} // namespace lathe::cuda
