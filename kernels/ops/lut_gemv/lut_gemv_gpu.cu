// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/packed_codes.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <cuda_fp16.h>

#include <algorithm>

namespace lathe::cuda {

namespace {

struct LutArguments {
    const float* x;
    const std::uint32_t* packed;
    const __half* table;
    const float* bias;
    float* y;
    std::int64_t in, out, words, firstColumn;
    int warps, groups;
    bool vectorised, accumulate;
};

/// The inputs of this lane's 32 columns stay in registers; a warp walks rows, so that one weight
/// costs a shift and mask, one look-up in the row's table (shared memory, at most 32 words of it
/// are touched at 1..5 bits: free of bank conflicts) and one multiply-add. Partial sums of the
/// warps of a row are added in a fixed order.
template <int Bits, int Rows>
__global__ void __launch_bounds__(kMostWarps* kWarp) lutGemvKernel(LutArguments a) {
    constexpr int kEntries = 1 << Bits;
    constexpr int kPerLane = (kEntries + kWarp - 1) / kWarp;
    extern __shared__ float shared[];
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int part = warp % a.warps;
    const int group = warp / a.warps;
    float* table = shared + warp * kEntries;
    float* partial =
        shared + static_cast<int>(blockDim.x) / kWarp * kEntries; // [2][groups][warps][Rows]

    const std::int64_t column = a.firstColumn + part * kColumnsPerWarp + lane * kCodesPerLane;
    const std::int64_t firstWord = column / kCodesPerLane * Bits;
    float* staging = partial + 2 * a.groups * a.warps * Rows + warp * kStagingFloats;

    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * a.groups;
    const std::int64_t rounds = (a.out + stride - 1) / stride;
    std::int64_t o = blockIdx.x * static_cast<std::int64_t>(a.groups) + group;
    const auto load = [&](std::int64_t row, CodeWords<Bits>& codes, __half(&entries)[kPerLane]) {
        const std::int64_t safe = row < a.out ? row : a.out - 1;
        codes = loadCodes<Bits>(a.packed + safe * a.words, firstWord, a.words, a.vectorised);
#pragma unroll
        for (int e = 0; e < kPerLane; ++e) {
            const int index = e * kWarp + lane;
            entries[e] = a.table[safe * kEntries + (index < kEntries ? index : 0)];
        }
    };
    CodeWords<Bits> codes;
    __half entries[kPerLane];
    load(o, codes, entries); // in flight while the inputs arrive
    float x[Rows][kCodesPerLane];
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        loadInputs(a.x + r * a.in, column - lane * kCodesPerLane, a.in, staging, x[r]);
    }
    for (std::int64_t round = 0; round < rounds; ++round, o += stride) {
        __syncwarp();
#pragma unroll
        for (int e = 0; e < kPerLane; ++e) {
            if (e * kWarp + lane < kEntries) {
                table[e * kWarp + lane] = __half2float(entries[e]);
            }
        }
        __syncwarp();
        const CodeWords<Bits> present = codes;
        if (round + 1 < rounds) {
            load(o + stride, codes, entries); // in flight while this row is computed
        }
        float sum[Rows] = {};
#pragma unroll
        for (int j = 0; j < kCodesPerLane; ++j) {
            const float weight = table[codeOf(present, j)];
#pragma unroll
            for (int r = 0; r < Rows; ++r) {
                sum[r] = fmaf(weight, x[r][j], sum[r]);
            }
        }
        float* slots = partial + ((round % 2) * a.groups + group) * a.warps * Rows;
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            const float total = warpSum(sum[r]);
            if (lane == 0) {
                slots[part * Rows + r] = total;
            }
        }
        __syncthreads(); // two sets of slots: the next round may write while this one is read
        if (part == 0 && lane < Rows && o < a.out) {
            float total = a.bias != nullptr ? a.bias[o] : 0.0F;
            for (int w = 0; w < a.warps; ++w) {
                total += slots[w * Rows + lane];
            }
            float* y = a.y + lane * a.out + o;
            *y = a.accumulate ? *y + total : total;
        }
    }
}

template <int Bits, int Rows>
void launchRows(ExecContext& context, LutArguments a) {
    std::int64_t from = 0;
    do { // once even without columns: y is written in any case
        const std::int64_t columns = std::min(a.in - from, kColumnsPerPass);
        const int blocksPerSm = Rows == 1 ? 4 : 2;
        const PackedGrid grid =
            packedGrid(columns, a.out, context.cuda()->multiprocessors, blocksPerSm);
        a.firstColumn = from;
        a.warps = grid.warps;
        a.groups = grid.groups;
        a.accumulate = from > 0;
        const std::size_t warps = grid.threads / kWarp;
        const std::size_t shared =
            sizeof(float) * (warps * ((1U << Bits) + kStagingFloats) + 2U * warps * Rows);
        allowShared(lutGemvKernel<Bits, Rows>, shared);
        lutGemvKernel<Bits, Rows><<<grid.blocks, grid.threads, shared, context.cuda()->stream>>>(a);
        a.bias = nullptr; // added by the first pass
        from += kColumnsPerPass;
    } while (from < a.in);
}

} // namespace

void launch(ExecContext& context, const LutGemv& op) {
    const std::int64_t rows = op.x.shape[0];
    if (op.y.elementCount() == 0) {
        return;
    }
    withBits(op.bits, [&](auto bits) {
        constexpr int kBits = decltype(bits)::value;
        LutArguments a{};
        a.packed = op.packed.ptr<std::uint32_t>();
        a.table = op.table.ptr<__half>();
        a.in = op.x.shape[1];
        a.out = op.y.shape[1];
        a.words = op.packed.shape[1];
        a.vectorised = codesVectorise(a.packed, a.words, kBits);
        for (std::int64_t row = 0; row < rows; row += 2) {
            a.x = op.x.ptr<float>() + row * a.in;
            a.y = op.y.ptr<float>() + row * a.out;
            a.bias = op.bias.empty() ? nullptr : op.bias.ptr<float>();
            if (rows - row >= 2) {
                launchRows<kBits, 2>(context, a);
            } else {
                launchRows<kBits, 1>(context, a);
            }
        }
    });
    checkLaunch(context, "lut_gemv");
}

} // namespace lathe::cuda
