// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <cuda_fp16.h>

namespace lathe::cuda {

namespace {

constexpr int kThreads = 256;

/// One thread a word of the planes.
__global__ void arrangeKernel(
    const unsigned* packed, unsigned* planes, int bits, std::int64_t in, std::int64_t out,
    std::int64_t words, std::int64_t steps, std::int64_t count) {
    const std::int64_t index = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    if (index >= count) {
        return;
    }
    const std::int64_t j = index % 4, lane = index / 4 % 32, piece = index / 128 % bits;
    const std::int64_t step = index / 128 / bits % steps, tile = index / 128 / bits / steps;
    const std::int64_t w = piece * 4 + j; // see PlaneArrange
    const std::int64_t half = w / 2 / bits, plane = w / 2 % bits, side = w % 2;
    const std::int64_t row = tile * kPlaneTileRows + lane / 4;
    const std::int64_t from = step * kPlaneStepColumns + half * 256 + (side * 4 + lane % 4) * 4;
    unsigned word = 0;
    for (int i = 0; i < 32 && row < out; ++i) {
        const std::int64_t column = from + i / 4 * 32 + i % 4;
        if (column < in) {
            const std::int64_t bit = column * bits + plane;
            word |= (packed[row * words + bit / 32] >> bit % 32 & 1U) << i;
        }
    }
    planes[index] = word;
}

/// One thread a coefficient.
__global__ void coefficientKernel(
    const __half* table, float* coefficients, int bits, std::int64_t out, std::int64_t count) {
    const std::int64_t index = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
    if (index >= count) {
        return;
    }
    const int entries = 1 << bits;
    const std::int64_t row = index / entries;
    const int set = static_cast<int>(index % entries);
    double sum = 0.0;
    if (row < out) {
        for (int code = 0; code < entries; ++code) {
            const double entry = __half2float(table[row * entries + code]);
            sum += __popc(code & set) % 2 == 1 ? -entry : entry;
        }
        sum = set == 0 ? __half2float(table[row * entries]) : -2.0 / entries * sum;
    }
    coefficients[index] = static_cast<float>(sum);
}

unsigned blocksFor(std::int64_t threads) {
    return static_cast<unsigned>((threads + kThreads - 1) / kThreads);
}

} // namespace

void launch(ExecContext& context, const PlaneArrange& op) {
    const std::int64_t words = op.planes.elementCount(), sets = op.coefficients.elementCount();
    if (words > 0) {
        arrangeKernel<<<blocksFor(words), kThreads, 0, context.cuda()->stream>>>(
            op.packed.ptr<unsigned>(), op.planes.ptr<unsigned>(), op.bits, op.in,
            op.packed.shape[0], op.packed.shape[1], op.planes.shape[1], words);
    }
    coefficientKernel<<<blocksFor(sets), kThreads, 0, context.cuda()->stream>>>(
        op.table.ptr<__half>(), op.coefficients.ptr<float>(), op.bits, op.packed.shape[0], sets);
    checkLaunch(context, "plane_arrange");
}

} // namespace lathe::cuda
