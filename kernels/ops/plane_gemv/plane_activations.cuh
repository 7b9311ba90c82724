// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <cuda_runtime.h>

/// The activations of plane_gemv_gpu.cu: in fixed point, as bit planes, in shared memory.
namespace lathe::cuda {

constexpr int kWarp = 32;
constexpr int kWorkers = 8;                      ///< warps that multiply
constexpr int kThreads = (kWorkers + 1) * kWarp; ///< and one that fetches
constexpr int kXWords = 136;                     ///< per step: 8 groups x 16 planes, and padding
constexpr int kStepColumns = static_cast<int>(kPlaneStepColumns);
/// 1.5 * 2^23: added to a float, it leaves a small integer in the low bits; as the bits of a float,
/// it turns a small integer into one.
constexpr float kIntegerShift = 12582912.0F;
constexpr float kLargestFixed = 32767.0F;
constexpr int kIntegerShiftBits = 0x4B400000;

struct PlaneArguments {
    const unsigned char* planes;
    const float* coefficients;
    const float* x;
    const float* bias;
    float* y;
    int in, out, tiles, steps;
};

/// The four x of half group `half` (see xToPlanes) at `v`.
__device__ inline float4 loadX(const PlaneArguments& a, int half, int v) {
    const int column =
        half / 16 * kStepColumns + half % 2 * 128 + v * 32 + half / 2 % 8 * 4; // see PlaneArrange
    float x[4];
    if (column + 3 < a.in && reinterpret_cast<std::uintptr_t>(a.x) % 16 == 0) {
        return *reinterpret_cast<const float4*>(a.x + column);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[i] = column + i < a.in ? a.x[column + i] : 0.0F;
    }
    return make_float4(x[0], x[1], x[2], x[3]);
}

struct FixedPoint {
    float toFixed, toFloat; ///< factors
    float sum;              ///< of all x, after rounding
};

/// Writes x as bit planes to shared memory, in the order of the A operand of a binary product:
/// word [step, plane % 8, group % 4, 2 * (group / 4) + plane / 8]. A thread turns half a group, 16
/// x of 16 bits, by the usual swaps of bits over ever shorter distances.
__device__ inline FixedPoint
xToPlanes(const PlaneArguments& a, unsigned* xPlanes, unsigned* reduce) {
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarp, warp = thread / kWarp;
    const int halves = a.steps * 16;
    unsigned top = 0; // largest magnitude as bits: orders like the numbers, NaN and Inf on top
    for (int half = thread; half < halves; half += kWorkers * kWarp) {
#pragma unroll
        for (int v = 0; v < 4; ++v) {
            const float4 x = loadX(a, half, v);
            const unsigned lower = max(__float_as_uint(x.x) << 1, __float_as_uint(x.y) << 1);
            const unsigned upper = max(__float_as_uint(x.z) << 1, __float_as_uint(x.w) << 1);
            top = max(top, max(lower, upper) >> 1);
        }
    }
    top = __reduce_max_sync(~0U, top);
    if (lane == 0) {
        reduce[warp] = top;
    }
    asm volatile("bar.sync 1, %0;" ::"n"(kThreads) : "memory");
    top = __reduce_max_sync(~0U, reduce[lane % kWorkers]);
    const float largest = fmaxf(__uint_as_float(top), 1e-33F); // a quotient that a float can hold
    FixedPoint fixed{};
    fixed.toFixed = kLargestFixed / largest;
    fixed.toFloat =
        top < 0x7F800000U ? largest * (1.0F / kLargestFixed) : __int_as_float(0x7FFFFFFF);
    int sum = 0;
    for (int half = thread; half < halves; half += kWorkers * kWarp) {
        unsigned q[16];
#pragma unroll
        for (int v = 0; v < 4; ++v) {
            const float4 x = loadX(a, half, v);
            q[4 * v] = __float_as_uint(fmaf(x.x, fixed.toFixed, kIntegerShift));
            q[4 * v + 1] = __float_as_uint(fmaf(x.y, fixed.toFixed, kIntegerShift));
            q[4 * v + 2] = __float_as_uint(fmaf(x.z, fixed.toFixed, kIntegerShift));
            q[4 * v + 3] = __float_as_uint(fmaf(x.w, fixed.toFixed, kIntegerShift));
        }
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
        const int group = half / 2 % 8;
        auto* to = reinterpret_cast<unsigned short*>(
                       xPlanes + half / 16 * kXWords + group % 4 * 4 + group / 4 * 2) +
                   half % 2;
#pragma unroll
        for (int i = 0; i < 8; ++i) { // plane i in bytes 0 and 2, plane i + 8 in 1 and 3
            const unsigned planes = __byte_perm(w[i], 0, 0x3120);
            to[i * 32] = static_cast<unsigned short>(planes);
            to[i * 32 + 2] = static_cast<unsigned short>(planes >> 16);
        }
    }
    sum = __reduce_add_sync(~0U, sum);
    if (lane == 0) {
        reduce[kWorkers + warp] = static_cast<unsigned>(sum);
    }
    asm volatile("bar.sync 2, %0;" ::"n"(kWorkers * kWarp) : "memory");
    const int all = lane < kWorkers ? static_cast<int>(reduce[kWorkers + lane]) : 0;
    fixed.sum = static_cast<float>(__reduce_add_sync(~0U, all)) * fixed.toFloat;
    return fixed;
}

} // namespace lathe::cuda
