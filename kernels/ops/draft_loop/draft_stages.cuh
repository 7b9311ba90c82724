// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/row_statistics/statistics_order.cuh"
#include "kernels/ops/step_attention/held_attention.cuh"
#include "kernels/ops/step_product/product_order.cuh"

/// What a block of a DraftLoop does between two exchanges beside attention: products of its rows,
/// on what lies in its shared memory. What takes the time is one instruction waiting for another;
/// there is next to nothing to be gained by unrolled loops.
namespace lathe::cuda {

constexpr int kDraftThreads = kHeldThreads;

/// Products of a block's rows of a matrix with one x, `Outs` rows at a time by a few lanes: by a
/// warp, or where rows are short by half of one, whose lanes have two octets of x at most and keep
/// them.
template <class T, bool Short, int Outs>
class RowProducts {
public:
    static constexpr int kLanes = Short ? kWarp / 2 : kWarp, kOuts = Outs;
    /// Lanes that have the same product.
    static constexpr int kShared = kLanes / kOuts;

    /// @param w [count, in] @param gamma null: x is not normed
    __device__
    RowProducts(const T* w, const float* x, const float* gamma, int count, int in, float epsilon)
        : m_w(w), m_from(x), m_gamma(gamma), m_count(count), m_in(in) {
        if constexpr (Short) {
            keep();
        } else if (gamma != nullptr) {
            m_norm = squares();
        }
        if (gamma != nullptr) {
            m_norm = normOf(m_norm, in, epsilon);
        }
    }
    /// That of row first + i in lanes from i * kShared on, any number behind the last row.
    __device__ float product(int first) const {
        float sums[kOuts];
        if constexpr (Short) {
#pragma unroll
            for (int o = 0; o < kOuts; ++o) {
                const T* w = m_w + min(first + o, m_count - 1) * m_in;
                sums[o] = times(w + within(0), m_x[0], 0.0F);
                sums[o] = column(0) < m_in ? sums[o] : 0.0F;
                if (m_in > kLanes * kOctet) { // as the first step of warpSum adds the other half
                    const float other = times(w + within(1), m_x[1], 0.0F);
                    sums[o] += column(1) < m_in ? other : 0.0F;
                }
            }
            return __fmul_rn(warpSums<kOuts, kLanes>(sums), m_norm); // as StepProduct has it
        } else {
            const int segments = segmentsOf(m_in);
            float total = 0.0F;
#pragma unroll 1
            for (int segment = 0; segment < segments; ++segment) {
                addSegment(first, segment, segments, sums);
                const float sum = warpSums<kOuts>(sums);
                total = segment == 0 ? sum : total + sum;
            }
            return __fmul_rn(total, m_norm);
        }
    }

private:
    __device__ static int lane() { return static_cast<int>(threadIdx.x) % kLanes; }
    __device__ static int column(int i) { return (lane() + i * kLanes) * kOctet; }
    __device__ static float times(const T* w, const Eight& x, float sum) {
        Stored<T> stored;
#pragma unroll
        for (int i = 0; i < Stored<T>::kParts; ++i) {
            stored.part[i] = reinterpret_cast<const uint4*>(w)[i];
        }
        return stored.times(x, sum);
    }
    /// A column that there is.
    __device__ int within(int i) const { return min(column(i), m_in - kOctet); }
    /// x, and into m_norm the sum of its squares.
    __device__ void keep() {
        float own[1] = {};
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            if (i == 0 || m_in > kLanes * kOctet) {
                m_x[i].load(m_from + within(i), true);
                if (m_gamma != nullptr) {
                    Eight gamma;
                    gamma.load(m_gamma + within(i), true);
                    const float square = m_x[i].scale(gamma, 0.0F);
                    own[0] += column(i) < m_in ? square : 0.0F;
                }
            }
        }
        if (m_gamma != nullptr) {
            m_norm = warpSums<1, kLanes>(own);
        }
    }
    __device__ float squares() const {
        const int segments = segmentsOf(m_in);
        float total = 0.0F;
#pragma unroll 1
        for (int segment = 0; segment < segments; ++segment) {
            float own[1] = {};
#pragma unroll 1
            for (int chunk = 0; columnOf(chunk, segment, segments) < m_in; ++chunk) {
                const int from = columnOf(chunk, segment, segments) + lane() * kOctet;
                Eight x;
                x.load(m_from + from, from < m_in);
                own[0] = x.scale(x, own[0]);
            }
            const float sum = warpSums<1>(own);
            total = segment == 0 ? sum : total + sum;
        }
        return total;
    }
    __device__ void addSegment(int first, int segment, int segments, float (&sums)[kOuts]) const {
#pragma unroll
        for (float& sum : sums) {
            sum = 0.0F;
        }
#pragma unroll 1
        for (int chunk = 0; columnOf(chunk, segment, segments) < m_in; ++chunk) {
            const int from = columnOf(chunk, segment, segments) + lane() * kOctet;
            if (from < m_in) {
                Eight x;
                x.load(m_from + from, true);
                if (m_gamma != nullptr) {
                    Eight gamma;
                    gamma.load(m_gamma + from, true);
                    x.scale(gamma, 0.0F);
                }
#pragma unroll
                for (int o = 0; o < kOuts; ++o) {
                    const T* w = m_w + min(first + o, m_count - 1) * m_in;
                    sums[o] = times(w + from, x, sums[o]);
                }
            }
        }
    }

    const T* m_w;
    const float *m_from, *m_gamma;
    int m_count, m_in;
    float m_norm = 1.0F;
    Eight m_x[Short ? 2 : 1];
};

/// finish(row, product, lane, lanes) for each of `count` rows, in all lanes that have its product;
/// so that they can share what is to be done with it. A warp without rows does nothing.
/// @param make a RowProducts
template <class Make, class Finish>
__device__ void eachProduct(int count, Make&& make, Finish&& finish) {
    using Products = decltype(make());
    constexpr int kTeams = kWarp / Products::kLanes;
    const int lane = static_cast<int>(threadIdx.x) % Products::kLanes;
    const int team = static_cast<int>(threadIdx.x) % kWarp / Products::kLanes;
    int from = static_cast<int>(threadIdx.x) / kWarp * kTeams * Products::kOuts;
    if (from >= count) {
        return;
    }
    const Products products = make();
    // Whole warps go on together.
#pragma unroll 1
    for (; from < count; from += kDraftThreads / Products::kLanes * Products::kOuts) {
        const int first = from + team * Products::kOuts;
        const float product = products.product(first);
        const int row = first + lane / Products::kShared;
        if (row < count) {
            finish(row, product, lane % Products::kShared, Products::kShared);
        }
    }
}

/// What warpArgMax gives for pairs that are `better` than none, in fewer steps.
__device__ inline ArgMaxPair bestOf(ArgMaxPair pair) {
    const int key = orderedBits(pair.value);
    const bool isLargest = key == __reduce_max_sync(0xffffffffU, key);
    const int index = __reduce_min_sync(0xffffffffU, isLargest ? pair.index : 0x7fffffff);
    const unsigned owners = __ballot_sync(0xffffffffU, isLargest && pair.index == index);
    return {__shfl_sync(0xffffffffU, pair.value, __ffs(static_cast<int>(owners)) - 1), index};
}

} // namespace lathe::cuda
