// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/packed_codes.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/group_gemv/group_gemv.h"

#include <cuda_fp16.h>

#include <algorithm>

namespace lathe::cuda {

namespace {

struct GroupArguments {
    const float* x;
    const std::uint32_t* packed;
    const __half* scale;
    const std::uint8_t* zero;
    const float* bias;
    float* y;
    std::int64_t in, out, words, groupSize, groupCount, firstColumn;
    int warps, groups;
    bool vectorised, accumulate;
};

/// A small unsigned integer as float without the slow conversion unit: the code becomes the low
/// mantissa bits of 2^23.
__device__ float floatOf(std::uint32_t code) {
    return __uint_as_float(0x4B000000U | code) - 8388608.0F;
}

/// As the table look-up kernel, with w = scale * (code - zero). When groups are whole multiples of
/// 32 columns a lane has one scale per row (Uniform); otherwise every column asks for its own.
template <int Bits, bool Uniform>
__global__ void __launch_bounds__(kMostWarps* kWarp) groupGemvKernel(GroupArguments a) {
    extern __shared__ float partial[]; // [2][groups][warps]
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int part = warp % a.warps;
    const int group = warp / a.warps;
    const std::int64_t column = a.firstColumn + part * kColumnsPerWarp + lane * kCodesPerLane;
    const std::int64_t firstWord = column / kCodesPerLane * Bits;
    float* staging = partial + 2 * a.groups * a.warps + warp * kStagingFloats;
    const auto groupOf = [&](std::int64_t c) { return c < a.in ? c / a.groupSize : 0; };

    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * a.groups;
    const std::int64_t rounds = (a.out + stride - 1) / stride;
    std::int64_t o = blockIdx.x * static_cast<std::int64_t>(a.groups) + group;
    const auto safe = [&](std::int64_t row) { return row < a.out ? row : a.out - 1; };
    CodeWords<Bits> codes =
        loadCodes<Bits>(a.packed + safe(o) * a.words, firstWord, a.words, a.vectorised);
    float x[kCodesPerLane];
    loadInputs(a.x, column - lane * kCodesPerLane, a.in, staging, x);
    for (std::int64_t round = 0; round < rounds; ++round, o += stride) {
        const CodeWords<Bits> present = codes;
        if (round + 1 < rounds) {
            codes = loadCodes<Bits>(
                a.packed + safe(o + stride) * a.words, firstWord, a.words, a.vectorised);
        }
        const std::int64_t row = safe(o) * a.groupCount;
        float sum = 0.0F;
        if constexpr (Uniform) {
            const std::int64_t at = row + groupOf(column);
            const auto zero = static_cast<float>(a.zero[at]);
#pragma unroll
            for (int j = 0; j < kCodesPerLane; ++j) {
                sum = fmaf(floatOf(codeOf(present, j)) - zero, x[j], sum);
            }
            sum *= __half2float(a.scale[at]);
        } else {
#pragma unroll
            for (int j = 0; j < kCodesPerLane; ++j) {
                const std::int64_t at = row + groupOf(column + j);
                const float weight =
                    (floatOf(codeOf(present, j)) - static_cast<float>(a.zero[at])) *
                    __half2float(a.scale[at]);
                sum = fmaf(weight, x[j], sum);
            }
        }
        float* slots = partial + ((round % 2) * a.groups + group) * a.warps;
        const float total = warpSum(sum);
        if (lane == 0) {
            slots[part] = total;
        }
        __syncthreads();
        if (part == 0 && lane == 0 && o < a.out) {
            float all = a.bias != nullptr ? a.bias[o] : 0.0F;
            for (int w = 0; w < a.warps; ++w) {
                all += slots[w];
            }
            a.y[o] = a.accumulate ? a.y[o] + all : all;
        }
    }
}

template <int Bits>
void launchRow(ExecContext& context, GroupArguments a) {
    std::int64_t from = 0;
    do { // once even without columns: y is written in any case
        const std::int64_t columns = std::min(a.in - from, kColumnsPerPass);
        const PackedGrid grid = packedGrid(columns, a.out, context.cuda()->multiprocessors, 4);
        a.firstColumn = from;
        a.warps = grid.warps;
        a.groups = grid.groups;
        a.accumulate = from > 0;
        const std::size_t warps = grid.threads / kWarp;
        const std::size_t shared = sizeof(float) * warps * (2U + kStagingFloats);
        const cudaStream_t stream = context.cuda()->stream;
        if (a.groupCount == 1 || a.groupSize % kCodesPerLane == 0) {
            allowShared(groupGemvKernel<Bits, true>, shared);
            groupGemvKernel<Bits, true><<<grid.blocks, grid.threads, shared, stream>>>(a);
        } else {
            allowShared(groupGemvKernel<Bits, false>, shared);
            groupGemvKernel<Bits, false><<<grid.blocks, grid.threads, shared, stream>>>(a);
        }
        a.bias = nullptr; // added by the first pass
        from += kColumnsPerPass;
    } while (from < a.in);
}

template <int Bits>
__global__ void groupDequantizeKernel(
    const std::uint32_t* packed, const __half* scale, const std::uint8_t* zero, float* w,
    std::int64_t rowFrom, std::int64_t rows, std::int64_t in, std::int64_t words,
    std::int64_t groupSize, std::int64_t groupCount) {
    const std::int64_t pieces = (in + kCodesPerLane - 1) / kCodesPerLane;
    const std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    if (i >= rows * pieces) {
        return;
    }
    const std::int64_t row = rowFrom + i / pieces;
    const std::int64_t column = i % pieces * kCodesPerLane;
    const auto codes = loadCodes<Bits>(packed + row * words, i % pieces * Bits, words, false);
    float* to = w + i / pieces * in + column;
#pragma unroll
    for (int j = 0; j < kCodesPerLane; ++j) {
        if (column + j < in) {
            const std::int64_t at = row * groupCount + (column + j) / groupSize;
            to[j] = (floatOf(codeOf(codes, j)) - static_cast<float>(zero[at])) *
                    __half2float(scale[at]);
        }
    }
}

} // namespace

void launch(ExecContext& context, const GroupGemv& op) {
    const std::int64_t rows = op.x.shape[0];
    if (op.y.elementCount() == 0) {
        return;
    }
    GroupArguments a{};
    a.packed = op.packed.ptr<std::uint32_t>();
    a.scale = op.scale.ptr<__half>();
    a.zero = op.zero.ptr<std::uint8_t>();
    a.in = op.x.shape[1];
    a.out = op.y.shape[1];
    a.words = op.packed.shape[1];
    a.groupSize = op.groupSize == 0 ? std::max<std::int64_t>(a.in, 1) : op.groupSize;
    a.groupCount = op.scale.shape[1];
    a.vectorised = codesVectorise(a.packed, a.words, op.bits);
    for (std::int64_t row = 0; row < rows; ++row) {
        a.x = op.x.ptr<float>() + row * a.in;
        a.y = op.y.ptr<float>() + row * a.out;
        a.bias = op.bias.empty() ? nullptr : op.bias.ptr<float>();
        withBits(op.bits, [&](auto bits) { launchRow<decltype(bits)::value>(context, a); });
    }
    checkLaunch(context, "group_gemv");
}

void launch(ExecContext& context, const GroupDequantize& op) {
    const std::int64_t rows = op.w.shape[0];
    const std::int64_t in = op.w.shape[1];
    if (rows * in == 0) {
        return;
    }
    const std::int64_t threads = rows * ((in + kCodesPerLane - 1) / kCodesPerLane);
    const std::int64_t groupSize = op.groupSize == 0 ? in : op.groupSize;
    withBits(op.bits, [&](auto bits) {
        groupDequantizeKernel<decltype(bits)::value>
            <<<static_cast<unsigned>((threads + 127) / 128), 128, 0, context.cuda()->stream>>>(
                op.packed.ptr<std::uint32_t>(), op.scale.ptr<__half>(), op.zero.ptr<std::uint8_t>(),
                op.w.ptr<float>(), op.rowFrom, rows, in, op.packed.shape[1], groupSize,
                op.scale.shape[1]);
    });
    checkLaunch(context, "group_dequantize");
}

} // namespace lathe::cuda
