// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/row_statistics/statistics_order.cuh"
#include "kernels/ops/step_attention/attention_order.cuh"
#include "kernels/ops/step_product/product_order.cuh"

/// What a block of a DraftLoop does between two exchanges: products of its rows, and attention of
/// its heads, on what lies in its shared memory. Every instruction is executed a few times a token
/// by all warps, so that reading them is what takes the time: no loop is unrolled that need not be,
/// and nothing is there twice.
namespace lathe::cuda {

constexpr int kDraftThreads = 512;

/// Rows of a matrix with which a block multiplies x.
template <class T>
struct OwnRows {
    const T* w;         ///< [count, in]
    const float* x;     ///< [in]
    const float* gamma; ///< null: x is not normed
    int count, in;
    float epsilon;
};

/// Sums of one chunk of `Outs` rows and of the squares of x.
template <class T, int Outs, int Power>
__device__ void addChunk(
    const OwnRows<T>& rows, const T* const (&w)[Outs], int column, float (&sums)[Power],
    float& squares) {
    if (column >= rows.in) {
        return;
    }
    Eight x;
    x.load(rows.x + column, true);
    if (rows.gamma != nullptr) {
        Eight gamma;
        gamma.load(rows.gamma + column, true);
        squares = x.scale(gamma, squares);
    }
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        Stored<T> stored;
#pragma unroll
        for (int i = 0; i < Stored<T>::kParts; ++i) {
            stored.part[i] = reinterpret_cast<const uint4*>(w[o] + column)[i];
        }
        sums[o] = stored.times(x, sums[o]);
    }
}

/// `Outs` rows from `first` on times x, by `Lanes` lanes: a warp, or fewer where each has one octet
/// of a row at most. The product of row first + i is in lanes from i * (Lanes / kPower<Outs>) on;
/// rows behind the last give any number.
template <class T, int Lanes, int Outs>
__device__ float productsOf(const OwnRows<T>& rows, int first) {
    constexpr int kSums = kPower<Outs>;
    const int from = static_cast<int>(threadIdx.x) % Lanes * kOctet;
    const T* w[Outs];
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        w[o] = rows.w + min(first + o, rows.count - 1) * rows.in;
    }
    float sums[kSums] = {}, own[1] = {};
    float total = 0.0F, squares = 0.0F;
    if constexpr (Lanes < kWarp) {
        addChunk(rows, w, from, sums, own[0]);
        total = warpSums<kSums, Lanes>(sums);
        squares = rows.gamma == nullptr ? 0.0F : warpSums<1, Lanes>(own);
    } else {
        const int segments = segmentsOf(rows.in);
#pragma unroll 1
        for (int segment = 0; segment < segments; ++segment) {
#pragma unroll
            for (float& sum : sums) {
                sum = 0.0F;
            }
            own[0] = 0.0F;
#pragma unroll 1
            for (int chunk = 0; columnOf(chunk, segment, segments) < rows.in; ++chunk) {
                addChunk(rows, w, columnOf(chunk, segment, segments) + from, sums, own[0]);
            }
            const float sum = warpSums<kSums, Lanes>(sums);
            total = segment == 0 ? sum : total + sum;
            if (rows.gamma != nullptr) {
                const float square = warpSums<1, Lanes>(own);
                squares = segment == 0 ? square : squares + square;
            }
        }
    }
    return rows.gamma == nullptr ? total : total * normOf(squares, rows.in, rows.epsilon);
}

/// finish(row, product, lane, lanes) for each row, in all lanes that have its product; so that they
/// can share what is to be done with it.
template <int Lanes, int Outs, class T, class Finish>
__device__ void eachProduct(const OwnRows<T>& rows, Finish&& finish) {
    constexpr int kTeams = kWarp / Lanes, kShared = Lanes / kPower<Outs>;
    const int lane = static_cast<int>(threadIdx.x) % Lanes;
    const int team = static_cast<int>(threadIdx.x) % kWarp / Lanes;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    // Whole warps go on together.
#pragma unroll 1
    for (int from = warp * kTeams * Outs; from < rows.count; from += kDraftThreads / Lanes * Outs) {
        const int first = from + team * Outs;
        const float product = productsOf<T, Lanes, Outs>(rows, first);
        const int row = first + lane / kShared;
        if (lane / kShared < Outs && row < rows.count) {
            finish(row, product, lane % kShared, kShared);
        }
    }
}

/// In the order of numbers, those that are not numbers somewhere.
__device__ inline int orderedBits(float value) {
    const int bits = __float_as_int(value + 0.0F); // one zero
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/// The largest of the warp's values, none of which is less than `least`, or any number.
__device__ inline float largestOf(float value) {
    const int bits = __reduce_max_sync(0xffffffffU, orderedBits(value));
    return __int_as_float(bits ^ ((bits >> 31) & 0x7fffffff));
}

/// What warpArgMax gives for pairs that are `better` than none, in fewer steps.
__device__ inline ArgMaxPair bestOf(ArgMaxPair pair) {
    const int key = orderedBits(pair.value);
    const bool isLargest = key == __reduce_max_sync(0xffffffffU, key);
    const int index = __reduce_min_sync(0xffffffffU, isLargest ? pair.index : 0x7fffffff);
    const unsigned owners = __ballot_sync(0xffffffffU, isLargest && pair.index == index);
    return {__shfl_sync(0xffffffffU, pair.value, __ffs(static_cast<int>(owners)) - 1), index};
}

/// One head of one query and all keys that it sees, in shared memory.
struct OwnHead {
    const float *query, *keys, *values; ///< [headDim], [.., headDim]
    const float* bias;                  ///< of the first key; null: none
    float *scores, *parts;              ///< [visible], [kAttentionWarps, headDim] and the weight
    int visible, headDim;
};

__device__ inline void scoreKeys(const OwnHead& head) {
    const auto thread = static_cast<int>(threadIdx.x), lane = thread % kKeyLanes;
#pragma unroll 1
    for (int first = 0; first < head.visible; first += kDraftThreads / kKeyLanes) {
        const int j = first + thread / kKeyLanes;
        float sum = 0.0F;
        if (j < head.visible) {
#pragma unroll 1
            for (int d = 4 * lane; d < head.headDim; d += 4 * kKeyLanes) {
                sum = quadProduct(
                    *reinterpret_cast<const float4*>(head.query + d),
                    *reinterpret_cast<const float4*>(head.keys + j * head.headDim + d), sum);
            }
        }
        sum = keySum(sum);
        if (j < head.visible && lane == 0) {
            head.scores[j] = sum + (head.bias == nullptr ? 0.0F : head.bias[j]);
        }
    }
}

__device__ inline float largestScore(const OwnHead& head) {
    float largest = -INFINITY;
#pragma unroll 1
    for (int j = static_cast<int>(threadIdx.x) % kWarp; j < head.visible; j += kWarp) {
        largest = fmaxf(largest, head.scores[j]);
    }
    return largestOf(largest);
}

/// The sum of the exponentials of the scores, over the warp.
__device__ inline float weightOf(const OwnHead& head, float largest) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    float own = 0.0F, weight = 0.0F;
#pragma unroll 1
    for (int warp = 0; warp < kAttentionWarps && warp * kWarp < head.visible; ++warp) {
        weight = 0.0F;
#pragma unroll 1
        for (int j = warp * kWarp + lane; j < head.visible; j += kAttentionWarps * kWarp) {
            weight += expf(head.scores[j] - largest);
        }
        weight = warpSum(weight);
        own = lane == warp ? weight : own;
    }
    return head.visible <= kWarp ? weight : warpSum(own);
}

/// What a warp adds up of the values: every kAttentionWarps-th key's.
__device__ inline void addValues(const OwnHead& head, float largest) {
    const auto thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
#pragma unroll 1
    for (int d = thread % kWarp; d < head.headDim; d += kWarp) {
        float sum = 0.0F;
#pragma unroll 2
        for (int j = warp; j < head.visible; j += kAttentionWarps) {
            sum = fmaf(expf(head.scores[j] - largest), head.values[j * head.headDim + d], sum);
        }
        head.parts[warp * head.headDim + d] = sum;
    }
}

/// finish(d, y) in one thread for each element. All threads of the block call it, the query and
/// all keys and values being there for them; another head may follow at once.
template <class Finish>
__device__ void attendHead(const OwnHead& head, Finish&& finish) {
    const auto thread = static_cast<int>(threadIdx.x), warp = thread / kWarp;
    float* weight = head.parts + kAttentionWarps * head.headDim;
    scoreKeys(head);
    __syncthreads();
    if (warp <= kAttentionWarps) {
        const float largest = largestScore(head);
        if (warp < kAttentionWarps) {
            addValues(head, largest);
        } else {
            const float sum = weightOf(head, largest);
            if (thread % kWarp == 0) {
                *weight = sum;
            }
        }
    }
    __syncthreads();
    if (thread < head.headDim) {
        float sum = 0.0F;
#pragma unroll
        for (int part = 0; part < kAttentionWarps; ++part) {
            sum += head.parts[part * head.headDim + thread];
        }
        finish(thread, sum / *weight);
    }
}

} // namespace lathe::cuda
