// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/cublas_api.h"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/gemm/gemm.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kGemvWarps = 8;
constexpr int kMostGemvRows = 8;
constexpr int kTile = 64; ///< output tile of the plain kernel, both ways
constexpr int kTileDepth = 16;

/// Eight consecutive stored weights, by one 16-byte load for the 16-bit types.
struct Octet {
    float value[8];
};
template <class T>
__device__ Octet loadOctet(const T* from) {
    const uint4 bits = *reinterpret_cast<const uint4*>(from);
    const T* parts = reinterpret_cast<const T*>(&bits);
    Octet octet;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        octet.value[i] = widen(parts[i]);
    }
    return octet;
}
template <>
__device__ Octet loadOctet(const float* from) {
    const float4 a = *reinterpret_cast<const float4*>(from);
    const float4 b = *reinterpret_cast<const float4*>(from + 4);
    return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}

/// One warp per output row: the weights are read once, x comes from the level-1 cache.
/// `vectorised`: every row of w and x begins on 16 bytes.
template <class T, int Rows>
__global__ void gemvKernel(
    const float* x, const T* w, const float* bias, float* y, std::int64_t in, std::int64_t out,
    std::int64_t yStride, bool vectorised) {
    letNextBegin();
    waitForPrevious();
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const std::int64_t o = blockIdx.x * static_cast<std::int64_t>(kGemvWarps) + threadIdx.x / kWarp;
    if (o >= out) {
        return;
    }
    const T* row = w + o * in;
    float sum[Rows] = {};
    std::int64_t begin = 0;
    if (vectorised) {
        begin = in / 8 * 8;
#pragma unroll 4
        for (std::int64_t i = lane * 8; i < begin; i += kWarp * 8) {
            const Octet weights = loadOctet(row + i);
#pragma unroll
            for (int r = 0; r < Rows; ++r) {
                const Octet inputs = loadOctet(x + r * in + i);
#pragma unroll
                for (int j = 0; j < 8; ++j) {
                    sum[r] = fmaf(weights.value[j], inputs.value[j], sum[r]);
                }
            }
        }
    }
    for (std::int64_t i = begin + lane; i < in; i += kWarp) {
        const float weight = widen(row[i]);
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            sum[r] = fmaf(weight, x[r * in + i], sum[r]);
        }
    }
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        const float total = warpSum(sum[r]);
        if (lane == 0) {
            y[r * yStride + o] = total + (bias != nullptr ? bias[o] : 0.0F);
        }
    }
}

/// Plain tiled product, used when there is no cuBLAS: 64 x 64 outputs a block, 4 x 4 a thread.
template <class T>
__global__ void tiledKernel(
    const float* x, const T* w, const float* bias, float* y, std::int64_t rows, std::int64_t in,
    std::int64_t out, std::int64_t yStride) {
    __shared__ float xTile[kTileDepth][kTile + 1];
    __shared__ float wTile[kTileDepth][kTile + 1];
    const std::int64_t rowBase = blockIdx.y * static_cast<std::int64_t>(kTile);
    const std::int64_t outBase = blockIdx.x * static_cast<std::int64_t>(kTile);
    const int tx = static_cast<int>(threadIdx.x) % 16;
    const int ty = static_cast<int>(threadIdx.x) / 16;
    float sum[4][4] = {};
    for (std::int64_t depth = 0; depth < in; depth += kTileDepth) {
        for (int e = static_cast<int>(threadIdx.x); e < kTile * kTileDepth; e += 256) {
            const int r = e / kTileDepth;
            const int d = e % kTileDepth;
            const bool deep = depth + d < in;
            xTile[d][r] = deep && rowBase + r < rows ? x[(rowBase + r) * in + depth + d] : 0.0F;
            wTile[d][r] =
                deep && outBase + r < out ? widen(w[(outBase + r) * in + depth + d]) : 0.0F;
        }
        __syncthreads();
#pragma unroll
        for (int d = 0; d < kTileDepth; ++d) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    sum[i][j] = fmaf(xTile[d][ty + 16 * i], wTile[d][tx + 16 * j], sum[i][j]);
                }
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            const std::int64_t row = rowBase + ty + 16 * i;
            const std::int64_t o = outBase + tx + 16 * j;
            if (row < rows && o < out) {
                y[row * yStride + o] = sum[i][j] + (bias != nullptr ? bias[o] : 0.0F);
            }
        }
    }
}

template <class T>
__global__ void widenKernel(const T* from, float* to, std::int64_t count) {
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t i = blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x;
         i < count; i += stride) {
        to[i] = widen(from[i]);
    }
}

__global__ void biasKernel(float* y, const float* bias, std::int64_t out, std::int64_t yStride) {
    for (std::int64_t o = threadIdx.x; o < out; o += blockDim.x) {
        y[blockIdx.x * yStride + o] += bias[o];
    }
}

template <class T, int Rows>
void launchGemv(ExecContext& context, const Gemm& op, std::int64_t firstRow, std::int64_t yStride) {
    const std::int64_t in = op.w.shape[1];
    const std::int64_t out = op.w.shape[0];
    const float* x = op.x.ptr<float>() + firstRow * in;
    const bool vectorised = in % 8 == 0 && isAligned(x) && isAligned(op.w.data);
    const auto blocks = static_cast<unsigned>((out + kGemvWarps - 1) / kGemvWarps);
    launchOverlapped(
        context, "gemm", gemvKernel<T, Rows>, {.grid = dim3(blocks), .threads = kGemvWarps * kWarp},
        x, op.w.ptr<T>(), op.bias.empty() ? nullptr : op.bias.ptr<float>(),
        op.y.ptr<float>() + firstRow * yStride, in, out, yStride, vectorised);
}

/// Up to eight rows in passes of 4, 2 and 1.
template <class T>
void gemv(ExecContext& context, const Gemm& op, std::int64_t yStride) {
    const std::int64_t rows = op.x.shape[0];
    std::int64_t row = 0;
    for (; rows - row >= 4; row += 4) {
        launchGemv<T, 4>(context, op, row, yStride);
    }
    if (rows - row >= 2) {
        launchGemv<T, 2>(context, op, row, yStride);
        row += 2;
    }
    if (rows - row >= 1) {
        launchGemv<T, 1>(context, op, row, yStride);
    }
}

void addBias(ExecContext& context, const Gemm& op, std::int64_t yStride) {
    if (!op.bias.empty()) {
        biasKernel<<<static_cast<unsigned>(op.x.shape[0]), 256, 0, context.cuda()->stream>>>(
            op.y.ptr<float>(), op.bias.ptr<float>(), op.w.shape[0], yStride);
    }
}

/// By cuBLAS, on weights widened to float32 in scratch. False when there is no cuBLAS.
template <class T>
bool blas(ExecContext& context, const Gemm& op, std::int64_t yStride) {
    const std::int64_t in = op.w.shape[1];
    const std::int64_t out = op.w.shape[0];
    const std::int64_t rows = op.x.shape[0];
    const Arena::Scope scope(context.scratch());
    const float* w = op.w.ptr<float>();
    if constexpr (sizeof(T) == 2) {
        const TensorView wide = context.scratch().take({out, in}, DType::F32);
        const auto blocks =
            static_cast<unsigned>(std::min<std::int64_t>((out * in + 255) / 256, 8192));
        widenKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
            op.w.ptr<T>(), wide.ptr<float>(), out * in);
        w = wide.ptr<float>();
    }
    if (!blasGemm(context, op.x.ptr<float>(), w, op.y.ptr<float>(), rows, in, out, yStride)) {
        return false;
    }
    addBias(context, op, yStride);
    return true;
}

__global__ void roundKernel(const float* from, __half* to, std::int64_t count, bool aligned) {
    const std::int64_t i = (blockIdx.x * static_cast<std::int64_t>(blockDim.x) + threadIdx.x) * 8;
    if (aligned && i + 8 <= count) {
        const Octet octet = loadOctet(from + i);
        __half2 pairs[4];
#pragma unroll
        for (int pair = 0; pair < 4; ++pair) {
            pairs[pair] = __floats2half2_rn(octet.value[2 * pair], octet.value[2 * pair + 1]);
        }
        *reinterpret_cast<uint4*>(to + i) = *reinterpret_cast<const uint4*>(pairs);
        return;
    }
    for (std::int64_t at = i; at < i + 8 && at < count; ++at) {
        to[at] = __float2half_rn(from[at]);
    }
}

/// By cuBLAS on tensor cores, x rounded to F16 in scratch.
void halfBlas(ExecContext& context, const Gemm& op, std::int64_t yStride) {
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1], out = op.w.shape[0];
    const Arena::Scope scope(context.scratch());
    const TensorView x = context.scratch().take(op.x.shape, DType::F16);
    const auto blocks = static_cast<unsigned>((rows * in + 8 * 256 - 1) / (8 * 256));
    roundKernel<<<blocks, 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), x.ptr<__half>(), rows * in, isAligned(op.x.data));
    blasHalfGemm(context, x.data, op.w.data, op.y.ptr<float>(), rows, in, out, yStride);
    addBias(context, op, yStride);
}

template <class T>
void tiled(ExecContext& context, const Gemm& op, std::int64_t yStride) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t out = op.w.shape[0];
    const dim3 grid(
        static_cast<unsigned>((out + kTile - 1) / kTile),
        static_cast<unsigned>((rows + kTile - 1) / kTile));
    tiledKernel<<<grid, 256, 0, context.cuda()->stream>>>(
        op.x.ptr<float>(), op.w.ptr<T>(), op.bias.empty() ? nullptr : op.bias.ptr<float>(),
        op.y.ptr<float>(), rows, op.w.shape[1], out, yStride);
}

} // namespace

void launch(ExecContext& context, const Gemm& op) {
    if (op.y.elementCount() == 0) {
        return;
    }
    const std::int64_t yStride = op.yStride == 0 ? op.w.shape[0] : op.yStride;
    const bool isHalf = context.products() == Products::Half && op.w.dtype == DType::F16;
    withFloatType(op.w.dtype, [&](auto zero) {
        using T = decltype(zero);
        if (op.x.shape[0] <= kMostGemvRows) {
            gemv<T>(context, op, yStride);
        } else if (isHalf && op.w.shape[1] > 0) {
            halfBlas(context, op, yStride);
        } else if (op.w.shape[1] == 0 || !blas<T>(context, op, yStride)) {
            tiled<T>(context, op, yStride);
        }
    });
    checkLaunch(context, "gemm");
}

} // namespace lathe::cuda
