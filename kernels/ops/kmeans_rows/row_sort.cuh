// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/widen.cuh"
#include "kernels/ops/kmeans_rows/row_layers.cuh"

/// From the columns of a row to its distinct values in order; by the whole block.
namespace lathe::cuda {

using Key = unsigned long long;

/// Orders like the value, zeros of both signs alike; the index breaks ties.
__device__ inline Key keyOf(float value, int index) {
    const unsigned bits = value == 0.0F ? 0U : __float_as_uint(value);
    const unsigned ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    return static_cast<Key>(ordered) << 32 | static_cast<unsigned>(index);
}
__device__ inline bool sameValue(Key a, Key b) { return (a >> 32) == (b >> 32); }
__device__ inline int indexOf(Key key) { return static_cast<int>(key & 0xffffffffU); }

/// Bitonic sort of the row's values; the padding comes last.
template <class T>
__device__ void sortRow(const T* values, int width, int padded, Key* keys) {
    for (int i = threadIdx.x; i < padded; i += kThreads) {
        keys[i] = i < width ? keyOf(widen(values[i]), i) : ~Key{0};
    }
    __syncthreads();
    for (int size = 2; size <= padded; size *= 2) {
        for (int stride = size / 2; stride > 0; stride /= 2) {
            for (int pair = threadIdx.x; pair < padded / 2; pair += kThreads) {
                const int low = 2 * pair - (pair & (stride - 1));
                const Key a = keys[low];
                const Key b = keys[low + stride];
                if ((a > b) == ((low & size) == 0)) {
                    keys[low] = b;
                    keys[low + stride] = a;
                }
            }
            __syncthreads();
        }
    }
}

/// Sum of `own` over the threads before this one; the sum over all in `total`.
__device__ inline int sumBefore(int own, int* shared, int& total) {
    const int thread = threadIdx.x;
    shared[thread] = own;
    __syncthreads();
    for (int distance = 1; distance < kThreads; distance *= 2) {
        const int below = thread >= distance ? shared[thread - distance] : 0;
        __syncthreads();
        shared[thread] += below;
        __syncthreads();
    }
    total = shared[kThreads - 1];
    return shared[thread] - own;
}

/// Equal values become one: its weight is the sum in the order of the columns.
template <class T>
__device__ int
mergeEqual(const T* values, const float* weights, int width, const Key* keys, Row& row) {
    __shared__ int counts[kThreads];
    const int chunk = (width + kThreads - 1) / kThreads;
    const int from = min(static_cast<int>(threadIdx.x) * chunk, width);
    const int to = min(from + chunk, width);
    const auto begins = [keys](int i) { return i == 0 || !sameValue(keys[i], keys[i - 1]); };
    int own = 0;
    for (int i = from; i < to; ++i) {
        own += begins(i) ? 1 : 0;
    }
    int total = 0;
    int at = sumBefore(own, counts, total);
    for (int i = from; i < to; ++i) {
        if (!begins(i)) {
            continue;
        }
        double weight = 0.0;
        int end = i;
        for (; end < width && sameValue(keys[end], keys[i]); ++end) {
            weight += weights == nullptr ? 1.0 : static_cast<double>(weights[indexOf(keys[end])]);
        }
        row.value[at] = static_cast<double>(widen(values[indexOf(keys[i])]));
        row.weight[at] = weight;
        row.repeats[at] = static_cast<double>(end - i);
        ++at;
    }
    __syncthreads();
    return total;
}

} // namespace lathe::cuda
