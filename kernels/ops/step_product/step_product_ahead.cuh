// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/async_copy.cuh"
#include "kernels/ops/step_product/product_sums.cuh"

/// StepProduct of a matrix that takes about as long to arrive as a launch does: few blocks, whose
/// weights are in shared memory before the kernel in front has ended, so that a kernel waits for
/// little but x. It adds up in the order of productKernel.
namespace lathe::cuda::step_product {

/// Most outputs of a warp, each in one segment of the columns, and blocks of a multiprocessor.
constexpr int kMostEach = 4;
constexpr int kMostAheadBlocks = 2;

/// Bytes of a block's weights in shared memory; products of all rows and squares are behind them.
template <int Each>
constexpr std::size_t kAheadWeights = std::size_t{kWarps} * Each * kUnit * kWarp * sizeof(uint4);

/// The columns of a lane, eight of each chunk of its segment, for some rows of x.
template <int Rows>
struct Inputs {
    Eight x[Rows][kUnit];

    template <class T>
    __device__ void load(const ProductArguments<T>& p, int column, int row) {
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            const float* from =
                p.x + static_cast<std::int64_t>(min(row + r, p.rows - 1)) * p.in + column;
#pragma unroll
            for (int c = 0; c < kUnit; ++c) {
                x[r][c].load(from + c * kChunk, column + c * kChunk < p.in);
            }
        }
    }
    /// Sum of the squares of a row in the lanes of value r, see warpSums.
    __device__ float squares() const {
        float sums[kPower<Rows>] = {};
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
#pragma unroll
            for (int i = 0; i < kUnit * kOctet; ++i) {
                const float value = x[r][i / kOctet].value[i % kOctet];
                sums[r] = fmaf(value, value, sums[r]);
            }
        }
        return warpSums(sums);
    }
    __device__ void scale(const Eight (&gamma)[kUnit]) {
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
#pragma unroll
            for (int i = 0; i < kUnit * kOctet; ++i) {
                x[r][i / kOctet].value[i % kOctet] *= gamma[i / kOctet].value[i % kOctet];
            }
        }
    }
    /// Products with rows of weights. @return that of output o and row r in the lanes of value
    /// o * power of Rows + r, see warpSums
    template <class T, int Each>
    __device__ float multiply(const uint4* weights) const {
        constexpr int kPowerRows = kPower<Rows>;
        float sums[kPower<Each> * kPowerRows] = {};
#pragma unroll
        for (int c = 0; c < kUnit; ++c) {
            uint4 words[Each];
#pragma unroll
            for (int o = 0; o < Each; ++o) {
                words[o] = loadShared(sharedAddress(weights + (o * kUnit + c) * kWarp));
            }
#pragma unroll
            for (int i = 0; i < kOctet; ++i) {
#pragma unroll
                for (int o = 0; o < Each; ++o) {
                    const float w = widen(reinterpret_cast<const T*>(&words[o])[i]);
#pragma unroll
                    for (int r = 0; r < Rows; ++r) {
                        float& sum = sums[o * kPowerRows + r];
                        sum = fmaf(w, x[r][c].value[i], sum);
                    }
                }
            }
        }
        return warpSums(sums);
    }
};

/// Asks for the weights of a warp. Each thread reads what it asked for itself, and nothing else.
template <class T, int Each>
__device__ void fetchWeights(const ProductArguments<T>& p, uint4* to, int first, int column) {
#pragma unroll
    for (int o = 0; o < Each; ++o) {
        const T* from = p.w + static_cast<std::int64_t>(min(first + o, p.out - 1)) * p.in + column;
#pragma unroll
        for (int c = 0; c < kUnit; ++c) {
            const bool inside = column + c * kChunk < p.in;
            copyAsyncPart(
                sharedAddress(to + (o * kUnit + c) * kWarp), inside ? from + c * kChunk : p.w,
                inside ? static_cast<unsigned>(sizeof(uint4)) : 0U);
        }
    }
    endCopyGroup();
}

/// Adds up the segments of an output, and writes it.
template <class T>
__device__ void finishItem(
    const ProductArguments<T>& p, const float* products, const float* norms, int item, int items,
    int row, int out, float before) {
    float total = products[item], squares = p.gamma != nullptr ? norms[row] : 0.0F;
    for (int s = 1; s < p.split; ++s) {
        total += products[s * items + item];
        squares += p.gamma != nullptr ? norms[s * p.rows + row] : 0.0F;
    }
    finish(p, row, out, total, normOf(p, squares), before);
}

/// Rows of x are taken `Rows` at a time.
template <class T, int Rows, int Each>
__global__ void __launch_bounds__(kThreads, Rows == 1 ? 3 : 2)
    aheadKernel(const ProductArguments<T> p) {
    extern __shared__ uint4 stored[];
    letNextBegin();
    const auto thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarp, warp = thread / kWarp, segment = warp % p.split;
    const int column = segment * kUnit * kChunk + lane * kOctet;
    const int outs = kWarps / p.split * Each, items = outs * p.rows;
    const int first = static_cast<int>(blockIdx.x) * outs, mine = warp / p.split * Each;
    uint4* weights = stored + warp * Each * kUnit * kWarp + lane;
    fetchWeights<T, Each>(p, weights, first + mine, column);
    Eight gamma[kUnit];
#pragma unroll
    for (int c = 0; c < kUnit; ++c) {
        const bool inside = p.gamma != nullptr && column + c * kChunk < p.in;
        gamma[c].load(p.gamma + column + c * kChunk, inside);
    }
    auto* products = reinterpret_cast<float*>(stored + kAheadWeights<Each> / sizeof(uint4));
    float* norms = products + p.split * items; // [split, rows], behind [split, rows, outs]
    const int row = thread / outs, out = first + thread % outs;
    const bool finishes = thread < items && out < p.out;
    waitForPrevious();
    const float stood = finishes ? before(p, row, out) : 0.0F;
    for (int from = 0; from < p.rows; from += Rows) {
        Inputs<Rows> inputs;
        inputs.load(p, column, from);
        waitForCopies<0>();
        if (p.gamma != nullptr) {
            if (warp < p.split) {
                constexpr int kLanes = kWarp / kPower<Rows>;
                const float squares = inputs.squares();
                const int r = lane / kLanes;
                if (lane % kLanes == 0 && r < Rows && from + r < p.rows) {
                    norms[segment * p.rows + from + r] = squares;
                }
            }
            inputs.scale(gamma);
        }
        const float product = inputs.template multiply<T, Each>(weights);
        constexpr int kLanes = kWarp / (kPower<Each> * kPower<Rows>);
        const int o = lane / kLanes / kPower<Rows>, r = lane / kLanes % kPower<Rows>;
        if (lane % kLanes == 0 && o < Each && r < Rows && from + r < p.rows) {
            products[segment * items + (from + r) * outs + mine + o] = product;
        }
    }
    __syncthreads();
    if (finishes) {
        finishItem(p, products, norms, thread, items, row, out, stood);
    }
    for (int item = thread + kThreads; item < items; item += kThreads) {
        const int r = item / outs, o = first + item % outs;
        if (o < p.out) {
            finishItem(p, products, norms, item, items, r, o, before(p, r, o));
        }
    }
}

} // namespace lathe::cuda::step_product
