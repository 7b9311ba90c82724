// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/plane_gemv/plane_arguments.cuh"

#include <cuda_fp16.h>

/// The sparse part of plane_gemv.h. A worker multiplies the values of its share as soon as x is
/// there, keeps the products in shared memory and adds them to rows at the end of each tile. Of a
/// tile that several workers share, each takes as many of its values as of its steps.
namespace lathe::cuda {

/// Where a row of a tile begins among the values; row 8 is that behind the tile.
__device__ inline int rowBegin(const PlaneArguments& a, int tile, int row) {
    return __ldg(a.rowPointers + min(tile * static_cast<int>(kPlaneTileRows) + row, a.out));
}

/// The share of a matrix without a sparse part: a kernel of its own, whose registers nothing else
/// takes.
struct NoSparse {
    static constexpr bool kIsSparse = false;
    __device__ NoSparse(const PlaneArguments&, int, int, int, unsigned char*) {}
};

/// The values of a worker's steps.
struct SparseShare {
    static constexpr bool kIsSparse = true;
    static constexpr int kRows = static_cast<int>(kPlaneTileRows);
    static constexpr int kEarly = 12; ///< values of a lane that are read before x is there
    static constexpr int kLong = 64;  ///< from so many values on a row is worth a warp
    int begin = 0, held = 0, end = 0; ///< [begin, held) have their products in shared memory
    float* products;
    float values[kEarly]; ///< a warp apart; places beyond the last one hold that
    std::uint16_t columns[kEarly];

    __device__
    SparseShare(const PlaneArguments& a, int tile, int step, int count, unsigned char* shared)
        : products(reinterpret_cast<float*>(shared) + threadIdx.x / kWarp * a.heldProducts) {
        if (count == 0) {
            return;
        }
        const int last = tile + (step + count - 1) / a.steps;
        const int lastStep = (step + count - 1) % a.steps;
        begin = place(a, rowBegin(a, tile, 0), rowBegin(a, tile, kRows), step);
        end = place(a, rowBegin(a, last, 0), rowBegin(a, last, kRows), lastStep + 1);
        held = min(end, begin + a.heldProducts);
        if (begin < end) {
            load(a, begin + static_cast<int>(threadIdx.x) % kWarp);
        }
    }

    /// The value at a step of a tile.
    __device__ static int place(const PlaneArguments& a, int from, int to, int step) {
        return from + (to - from) * step / a.steps;
    }

    __device__ void load(const PlaneArguments& a, int first) {
        const auto at = [&](int i) { return min(first + i * kWarp, end - 1); };
#pragma unroll
        for (int i = 0; i < kEarly; ++i) {
            columns[i] = __ldg(a.columns + at(i));
        }
        if (a.halfValues) {
            __half halves[kEarly]; // all are under way before the first is widened
#pragma unroll
            for (int i = 0; i < kEarly; ++i) {
                halves[i] = __ldg(static_cast<const __half*>(a.values) + at(i));
            }
#pragma unroll
            for (int i = 0; i < kEarly; ++i) {
                values[i] = __half2float(halves[i]);
            }
        } else {
#pragma unroll
            for (int i = 0; i < kEarly; ++i) {
                values[i] = __ldg(static_cast<const float*>(a.values) + at(i));
            }
        }
    }

    /// @param fixedX [in] shared: x in fixed point
    __device__ void multiply(const PlaneArguments& a, const unsigned short* fixedX, float toFloat) {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        for (int from = begin; from < held; from += kEarly * kWarp) {
            if (from != begin) {
                load(a, from + lane);
            }
#pragma unroll
            for (int i = 0; i < kEarly; ++i) {
                const int first = from + i * kWarp;
                if (first < held) {
                    // 2^23 + 2^15 + x, cheaper than a conversion.
                    const float x = __uint_as_float(fixedX[columns[i]] ^ 0x4B008000U) - 8421376.0F;
                    if (first + lane < held) {
                        products[first + lane - begin] = values[i] * (x * toFloat);
                    }
                }
            }
        }
        __syncwarp();
    }

    /// One lane's part of the sum of [from, to), of which each of `lanes` lanes has as many.
    __device__ float sumOf(const PlaneArguments& a, int from, int to, int lane, int lanes) const {
        float sum = 0.0F;
#pragma unroll 4
        for (int i = from + lane; i < min(to, held); i += lanes) {
            sum += products[i - begin];
        }
#pragma unroll 4
        for (int i = max(from, held) + lane; i < to; i += lanes) {
            const float value = a.halfValues ? __half2float(static_cast<const __half*>(a.values)[i])
                                             : static_cast<const float*>(a.values)[i];
            sum = fmaf(value, a.x[a.columns[i]], sum);
        }
        return sum;
    }

    /// What steps [fromStep, toStep) of a tile add to its rows 2t and 2t + 1 (t: lane % 4), the
    /// same in all lanes of one t.
    /// @param begins rowBegin of the row of this lane, up to 8
    __device__ float2 rows(const PlaneArguments& a, int begins, int fromStep, int toStep) const {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
        const int first = __shfl_sync(~0U, begins, 0), behind = __shfl_sync(~0U, begins, kRows);
        const int from = fromStep == 0 ? first : place(a, first, behind, fromStep);
        const int to = toStep == a.steps ? behind : place(a, first, behind, toStep);
        // Four lanes add up a row, the warp a long one.
        const int rowFrom = max(__shfl_sync(~0U, begins, lane / 4), from);
        const int rowTo = min(__shfl_sync(~0U, begins, lane / 4 + 1), to);
        const bool isLong = rowTo - rowFrom >= kLong;
        float sum = isLong ? 0.0F : sumOf(a, rowFrom, rowTo, lane % 4, 4);
        sum += __shfl_xor_sync(~0U, sum, 1);
        sum += __shfl_xor_sync(~0U, sum, 2);
        for (unsigned left = __ballot_sync(~0U, isLong); left != 0;) {
            const int source = __ffs(static_cast<int>(left)) - 1; // the first lane of the row
            const int longFrom = __shfl_sync(~0U, rowFrom, source);
            const int longTo = __shfl_sync(~0U, rowTo, source);
            const float all = warpSum(sumOf(a, longFrom, longTo, lane, kWarp));
            sum = lane / 4 == source / 4 ? all : sum;
            left &= ~(0xFU << source);
        }
        return {__shfl_sync(~0U, sum, lane % 4 * 8), __shfl_sync(~0U, sum, lane % 4 * 8 + 4)};
    }
};

} // namespace lathe::cuda
