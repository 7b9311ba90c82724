// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/cluster_exchange.cuh"
#include "kernels/ops/draft_loop/draft_loop_plan.h"
#include "kernels/ops/step_attention/attention_order.cuh"
#include "kernels/ops/step_product/product_order.cuh"

/// What a block of a DraftLoop does between two exchanges: products of its rows, and attention of
/// its heads, on what lies in its shared memory.
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

/// `Outs` rows from `first` on times x, by `Lanes` lanes. The product of row first + i is in lanes
/// from i * (Lanes / kPower<Outs>) on; rows behind the last give any number.
template <class T, int Lanes, int Outs>
__device__ float productsOf(const OwnRows<T>& rows, int first) {
    const int lane = static_cast<int>(threadIdx.x) % Lanes;
    const int segments = segmentsOf(rows.in);
    const T* w[Outs];
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        w[o] = rows.w + min(first + o, rows.count - 1) * rows.in;
    }
    float total = 0.0F, squares = 0.0F;
    for (int segment = 0; segment < segments; ++segment) {
        float sums[kPower<Outs>] = {}, own[1] = {};
        for (int chunk = 0; columnOf(chunk, segment, segments) < rows.in; ++chunk) {
            const int column = columnOf(chunk, segment, segments) + lane * kOctet;
            if (column < rows.in) {
                Eight x;
                x.load(rows.x + column, true);
                if (rows.gamma != nullptr) {
                    Eight gamma;
                    gamma.load(rows.gamma + column, true);
                    own[0] = x.scale(gamma, own[0]);
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
        }
        const float sum = warpSums<kPower<Outs>, Lanes>(sums);
        total = segment == 0 ? sum : total + sum;
        if (rows.gamma != nullptr) {
            const float square = warpSums<1, Lanes>(own);
            squares = segment == 0 ? square : squares + square;
        }
    }
    return rows.gamma == nullptr ? total : total * normOf(squares, rows.in, rows.epsilon);
}

/// finish(row, product, lane, lanes) for each row, in all lanes that have its product; so that they
/// can share what is to be done with it.
template <class T, int Lanes, int Outs, class Finish>
__device__ void eachProduct(const OwnRows<T>& rows, Finish&& finish) {
    constexpr int kTeams = kWarp / Lanes, kShared = Lanes / kPower<Outs>;
    const int lane = static_cast<int>(threadIdx.x) % Lanes;
    const int team = static_cast<int>(threadIdx.x) % kWarp / Lanes;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    // Whole warps go on together.
    for (int from = warp * kTeams * Outs; from < rows.count; from += kDraftThreads / Lanes * Outs) {
        const int first = from + team * Outs;
        const float product = productsOf<T, Lanes, Outs>(rows, first);
        const int row = first + lane / kShared;
        if (lane / kShared < Outs && row < rows.count) {
            finish(row, product, lane % kShared, kShared);
        }
    }
}

/// As few lanes a row as there are octets in it, or a warp.
template <int Outs, class T, class Finish>
__device__ void eachProduct(const OwnRows<T>& rows, Finish&& finish) {
    if (rows.in <= kWarp / 2 * kOctet) {
        eachProduct<T, kWarp / 2, Outs>(rows, finish);
    } else {
        eachProduct<T, kWarp, Outs>(rows, finish);
    }
}

/// One head of one query and all keys that it sees, in shared memory.
struct OwnHead {
    const float *query, *keys, *values; ///< [headDim], [.., headDim]
    const float* bias;                  ///< of the first key; null: none
    float *scores, *parts;              ///< [visible], [kAttentionWarps, headDim]
    int visible, headDim;
};

__device__ inline void scoreKeys(const OwnHead& head) {
    const auto thread = static_cast<int>(threadIdx.x), lane = thread % kKeyLanes;
    for (int first = 0; first < head.visible; first += kDraftThreads / kKeyLanes) {
        const int j = first + thread / kKeyLanes;
        float sum = 0.0F;
        if (j < head.visible) {
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

/// The largest score, and the sum of the exponentials of what they are below it.
__device__ inline float2 weighScores(const OwnHead& head) {
    constexpr int kThreads = kAttentionWarps * kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    float largest = -INFINITY;
    for (int j = lane; j < head.visible; j += kWarp) {
        largest = fmaxf(largest, head.scores[j]);
    }
    largest = warpMax(largest);
    float own = 0.0F;
    for (int warp = 0; warp < kAttentionWarps && warp * kWarp < head.visible; ++warp) {
        float weight = 0.0F;
        for (int j = warp * kWarp + lane; j < head.visible; j += kThreads) {
            weight += expf(head.scores[j] - largest);
        }
        weight = warpSum(weight);
        own = lane == warp ? weight : own;
    }
    return {largest, head.visible <= kWarp ? __shfl_sync(0xffffffffU, own, 0) : warpSum(own)};
}

/// finish(d, y) in one thread for each element. All threads of the block call it, the query and
/// all keys and values being there for them; another head may follow at once.
template <class Finish>
__device__ void attendHead(const OwnHead& head, Finish&& finish) {
    const auto thread = static_cast<int>(threadIdx.x);
    const int warp = thread / kWarp, lane = thread % kWarp;
    scoreKeys(head);
    __syncthreads();
    float2 weighed{};
    if (warp < kAttentionWarps) {
        weighed = weighScores(head);
        for (int d = lane; d < head.headDim; d += kWarp) {
            float sum = 0.0F;
            for (int j = warp; j < head.visible; j += kAttentionWarps) {
                sum =
                    fmaf(expf(head.scores[j] - weighed.x), head.values[j * head.headDim + d], sum);
            }
            head.parts[warp * head.headDim + d] = sum;
        }
    }
    __syncthreads();
    if (thread < head.headDim) {
        float sum = 0.0F;
#pragma unroll
        for (int part = 0; part < kAttentionWarps; ++part) {
            sum += head.parts[part * head.headDim + thread];
        }
        finish(thread, sum / weighed.y);
    }
}

} // namespace lathe::cuda
