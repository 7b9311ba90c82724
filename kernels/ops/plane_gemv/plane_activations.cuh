// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/plane_gemv/plane_sparse.cuh"

/// The activations of plane_gemv_gpu.cu: in fixed point, as bit planes, in shared memory.
namespace lathe::cuda {

constexpr int kProductColumns = 256; ///< of one tensor-core product
constexpr int kXWords = 136;         ///< per product: 8 groups x 16 planes, and padding
/// 1.5 * 2^23: added to a float, it leaves a small integer in the low bits.
constexpr float kIntegerShift = 12582912.0F;
constexpr int kIntegerShiftBits = 0x4B400000;
constexpr float kLargestFixed = 32767.0F;

/// 16 of x: half a group, see xToPlanes.
struct HalfGroup {
    float4 x[4];
};

__device__ inline HalfGroup loadX(const PlaneArguments& a, int half) {
    // The order of columns: see PlaneArrange.
    const int first = half / 16 * kProductColumns + half % 2 * 128 + half / 2 % 8 * 4;
    HalfGroup group{};
    if (first + 99 < a.in && reinterpret_cast<std::uintptr_t>(a.x) % 16 == 0) {
#pragma unroll
        for (int v = 0; v < 4; ++v) {
            group.x[v] = *reinterpret_cast<const float4*>(a.x + first + v * 32);
        }
        return group;
    }
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const int column = first + v * 32;
        const auto at = [&](int i) { return column + i < a.in ? a.x[column + i] : 0.0F; };
        group.x[v] = make_float4(at(0), at(1), at(2), at(3));
    }
    return group;
}

/// The largest magnitude as bits: they order like the numbers, NaN and Inf on top.
__device__ inline unsigned largestOf(const HalfGroup& group) {
    unsigned top = 0;
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const float4 x = group.x[v];
        const unsigned lower = max(__float_as_uint(x.x) << 1, __float_as_uint(x.y) << 1);
        const unsigned upper = max(__float_as_uint(x.z) << 1, __float_as_uint(x.w) << 1);
        top = max(top, max(lower, upper) >> 1);
    }
    return top;
}

/// Rounds 16 x to 16 bits, in the order of columns.
__device__ inline void
storeFixed(const HalfGroup& group, float toFixed, int half, unsigned short* fixedX) {
    unsigned short* to = fixedX + half / 16 * kProductColumns + half % 2 * 128 + half / 2 % 8 * 4;
    const auto round = [&](float x) { return __float_as_uint(fmaf(x, toFixed, kIntegerShift)); };
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const float4 x = group.x[v];
        *reinterpret_cast<uint2*>(to + v * 32) = make_uint2(
            __byte_perm(round(x.x), round(x.y), 0x5410),
            __byte_perm(round(x.z), round(x.w), 0x5410));
    }
}

/// Rounds 16 x to 16 bits and turns them into half a word for each bit, by the usual swaps of bits
/// over ever shorter distances. @return their sum
__device__ inline int
storePlanes(const HalfGroup& group, float toFixed, int half, unsigned* xPlanes) {
    unsigned q[16];
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const float4 x = group.x[v];
        q[4 * v] = __float_as_uint(fmaf(x.x, toFixed, kIntegerShift));
        q[4 * v + 1] = __float_as_uint(fmaf(x.y, toFixed, kIntegerShift));
        q[4 * v + 2] = __float_as_uint(fmaf(x.z, toFixed, kIntegerShift));
        q[4 * v + 3] = __float_as_uint(fmaf(x.w, toFixed, kIntegerShift));
    }
    int sum = 0;
    unsigned w[8]; // x i in the low, x i + 8 in the high half
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        sum += static_cast<int>(q[i] - kIntegerShiftBits + q[i + 8] - kIntegerShiftBits);
        w[i] = __byte_perm(q[i], q[i + 8], 0x5410);
    }
#pragma unroll
    for (int distance = 4; distance > 0; distance /= 2) {
        const unsigned mask = distance == 4   ? 0x0F0F0F0FU
                              : distance == 2 ? 0x33333333U
                                              : 0x55555555U;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            if ((i & distance) == 0) {
                const unsigned lower = w[i], upper = w[i + distance];
                w[i] = (lower & mask) | (upper & mask) << distance;
                w[i + distance] = (lower >> distance & mask) | (upper & ~mask);
            }
        }
    }
    const int place = half / 2 % 8;
    auto* to = reinterpret_cast<unsigned short*>(
                   xPlanes + half / 16 * kXWords + place % 4 * 4 + place / 4 * 2) +
               half % 2;
#pragma unroll
    for (int i = 0; i < 8; ++i) { // plane i in bytes 0 and 2, plane i + 8 in 1 and 3
        const unsigned planes = __byte_perm(w[i], 0, 0x3120);
        to[i * 32] = static_cast<unsigned short>(planes);
        to[i * 32 + 2] = static_cast<unsigned short>(planes >> 16);
    }
    return sum;
}

struct FixedPoint {
    float toFloat; ///< factor
    float sum;     ///< of all x, after rounding
};

/// Writes x as bit planes to shared memory, in the order of the A operand of a binary product:
/// word [product, plane % 8, group % 4, 2 * (group / 4) + plane / 8]. The first `Held` half groups
/// of a thread are read once, any others twice. Before, the same memory holds x for `sparse`.
template <int Held, class Sparse>
__device__ FixedPoint
xToPlanes(const PlaneArguments& a, unsigned* xPlanes, unsigned* reduce, Sparse& sparse) {
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarp, warp = thread / kWarp;
    const int halves = a.steps * static_cast<int>(kPlaneStepColumns) / 16;
    HalfGroup held[Held];
#pragma unroll
    for (int i = 0; i < Held; ++i) {
        held[i] = loadX(a, thread + i * kThreads);
    }
    unsigned top = 0;
#pragma unroll
    for (int i = 0; i < Held; ++i) {
        top = max(top, largestOf(held[i]));
    }
    for (int half = thread + Held * kThreads; half < halves; half += kThreads) {
        top = max(top, largestOf(loadX(a, half)));
    }
    top = __reduce_max_sync(~0U, top);
    if (lane == 0) {
        reduce[warp] = top;
    }
    __syncthreads();
    top = __reduce_max_sync(~0U, reduce[lane % kWorkers]);
    const float largest = fmaxf(__uint_as_float(top), 1e-33F); // a quotient that a float can hold
    const float toFixed = kLargestFixed / largest;
    FixedPoint fixed{};
    fixed.toFloat =
        top < 0x7F800000U ? largest * (1.0F / kLargestFixed) : __int_as_float(0x7FFFFFFF);
    if constexpr (Sparse::kIsSparse) {
        auto* fixedX = reinterpret_cast<unsigned short*>(xPlanes);
#pragma unroll
        for (int i = 0; i < Held; ++i) {
            if (thread + i * kThreads < halves) {
                storeFixed(held[i], toFixed, thread + i * kThreads, fixedX);
            }
        }
        for (int half = thread + Held * kThreads; half < halves; half += kThreads) {
            storeFixed(loadX(a, half), toFixed, half, fixedX);
        }
        __syncthreads();
        sparse.multiply(a, fixedX, fixed.toFloat);
        __syncthreads();
    }
    int sum = 0;
#pragma unroll
    for (int i = 0; i < Held; ++i) {
        if (thread + i * kThreads < halves) {
            sum += storePlanes(held[i], toFixed, thread + i * kThreads, xPlanes);
        }
    }
    for (int half = thread + Held * kThreads; half < halves; half += kThreads) {
        sum += storePlanes(loadX(a, half), toFixed, half, xPlanes);
    }
    sum = __reduce_add_sync(~0U, sum);
    if (lane == 0) {
        reduce[kWorkers + warp] = static_cast<unsigned>(sum);
    }
    __syncthreads();
    const int all = lane < kWorkers ? static_cast<int>(reduce[kWorkers + lane]) : 0;
    fixed.sum = static_cast<float>(__reduce_add_sync(~0U, all)) * fixed.toFloat;
    return fixed;
}

} // namespace lathe::cuda
