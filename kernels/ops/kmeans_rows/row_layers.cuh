// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/kmeans_rows/kmeans1d.h"
#include "kernels/ops/kmeans_rows/kmeans_rows.h"

#include <cstdint>

/// Kmeans1d for one row by one block of kThreads threads. Every sum is taken in the order of the
/// processor's, by one thread where that order is serial, so that the results are the same bit for
/// bit. That costs little: the layers, where the time goes, are parallel.
namespace lathe::cuda {

constexpr int kThreads = 256;
constexpr int kMaxClusters = static_cast<int>(kKmeansMaxClusters);

/// A row as the block sees it: distinct values, ascending. See Kmeans1d for what is meant.
struct Row {
    int count, width;
    double *value, *weight, *repeats;
    int* alone;
    double *s0, *s1, *s2; ///< sums of weight * value^n over [median, i)
    double *previous, *current;
    std::uint16_t* splits; ///< [layer - 1][end], rows of `width`
    int median;
    double medianWeight;

    __device__ int split(int layer, int end) const {
        return layer == 0 ? 0 : splits[static_cast<std::size_t>(layer - 1) * width + end];
    }
};

/// Where ranges begin in which but one value has weight, by one thread.
__device__ inline void findAlone(const Row& row) {
    int behindLast = 0, alone = 0;
    for (int end = 0; end < row.count; ++end) {
        if (row.weight[end] > 0.0) {
            alone = behindLast;
            behindLast = end + 1;
        }
        row.alone[end] = alone;
    }
}

/// Sums outwards from the weighted median, each direction in one thread.
__device__ inline void sumFromMedian(Row& row) {
    __shared__ int median;
    double* below = row.current; // free until the first layer
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int i = 0; i < row.count; ++i) {
            sum += row.weight[i];
            below[i] = sum;
        }
    }
    __syncthreads();
    const double half = below[row.count - 1] / 2.0;
    for (int i = threadIdx.x; i < row.count; i += kThreads) {
        if (below[i] >= half && (i == 0 || below[i - 1] < half)) {
            median = i;
        }
    }
    __syncthreads();
    row.median = median;
    row.medianWeight = row.weight[median];
    const double centre = row.value[median];
    if (threadIdx.x == 0) {
        double s0 = 0.0, s1 = 0.0, s2 = 0.0;
        for (int i = row.median; i <= row.count; ++i) {
            row.s0[i] = s0;
            row.s1[i] = s1;
            row.s2[i] = s2;
            if (i < row.count) {
                const double value = row.value[i] - centre;
                s0 += i == row.median ? 0.0 : row.weight[i];
                s1 += row.weight[i] * value;
                s2 += row.weight[i] * value * value;
            }
        }
    } else if (threadIdx.x == kWarp) { // of another warp, so that both run at once
        double s0 = 0.0, s1 = 0.0, s2 = 0.0;
        for (int i = row.median - 1; i >= 0; --i) {
            const double value = row.value[i] - centre;
            s0 -= row.weight[i];
            s1 -= row.weight[i] * value;
            s2 -= row.weight[i] * value * value;
            row.s0[i] = s0;
            row.s1[i] = s1;
            row.s2[i] = s2;
        }
    } else if (threadIdx.x == 2 * kWarp) {
        findAlone(row);
    }
    __syncthreads();
}

__device__ inline double notNegative(double cost) { return cost < 0.0 ? 0.0 : cost; }

/// Cost of one cluster of the values 0 .. end.
__device__ inline double firstCost(const Row& row, int end) {
    if (row.alone[end] == 0) {
        return 0.0;
    }
    const double s0 = row.s0[end + 1] - row.s0[0] + (row.median <= end ? row.medianWeight : 0.0);
    const double s1 = row.s1[end + 1] - row.s1[0];
    const double s2 = row.s2[end + 1] - row.s2[0];
    return s0 > 0.0 ? notNegative(s2 - s1 * s1 / s0) : 0.0;
}

struct Best {
    double cost;
    int split;
};
__device__ inline Best better(Best a, Best b) {
    return b.cost < a.cost || (b.cost == a.cost && b.split < a.split) ? b : a;
}

/// Where the last of layer + 1 clusters of [0, end] begins, lowest on ties: looked for in
/// [lowest, highest] by `lanes` neighbouring threads. Every thread of the warp calls it with the
/// same `lanes`; those whose end is negative have nothing to look for.
__device__ inline void
solveOne(const Row& row, int layer, int end, int lowest, int highest, int lanes) {
    const int lane = static_cast<int>(threadIdx.x) & (lanes - 1);
    Best best{INFINITY, 0};
    if (end >= 0) {
        const int to = min(highest, end);
        const int from = min(max(lowest, row.split(layer - 1, end)), to);
        const double s0 = row.s0[end + 1], s1 = row.s1[end + 1], s2 = row.s2[end + 1];
        const double beyond = row.median <= end ? row.medianWeight : 0.0;
        const int alone = row.alone[end];
        best.split = to;
        for (int i = from + lane; i <= to; i += lanes) {
            const double d0 = s0 - row.s0[i] + (i <= row.median ? beyond : 0.0);
            const double d1 = s1 - row.s1[i];
            const double spread = i < alone && d0 > 0.0 ? s2 - row.s2[i] - d1 * d1 / d0 : 0.0;
            const double cost = row.previous[i - 1] + notNegative(spread);
            if (cost < best.cost) {
                best = {cost, i};
            }
        }
    }
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
        const Best other{
            __shfl_xor_sync(0xffffffffU, best.cost, offset),
            __shfl_xor_sync(0xffffffffU, best.split, offset)};
        best = better(best, other);
    }
    if (end >= 0 && lane == 0) {
        row.current[end] = best.cost;
        row.splits[static_cast<std::size_t>(layer - 1) * row.width + end] =
            static_cast<std::uint16_t>(best.split);
    }
}

/// One level of the divide and conquer over the ends layer .. count - 1: its 2^level middles, each
/// between the splits of its neighbours of the levels above.
__device__ inline void solveLevel(const Row& row, int layer, int level) {
    const int first = layer, last = row.count - 1;
    const int nodes = 1 << level;
    const int lanes = max(1, min(kWarp, kThreads / nodes));
    const int groups = kThreads / lanes;
    for (int base = 0; base < nodes; base += groups) {
        const int node = base + static_cast<int>(threadIdx.x) / lanes;
        int from = first, to = last;
        for (int bit = level - 1; bit >= 0 && from <= to; --bit) {
            const int middle = from + (to - from) / 2;
            if ((node >> bit & 1) != 0) {
                from = middle + 1;
            } else {
                to = middle - 1;
            }
        }
        const bool mine = node < nodes && from <= to;
        const int end = mine ? from + (to - from) / 2 : -1;
        const int lowest = mine && from > first ? row.split(layer, from - 1) : first;
        const int highest = mine && to < last ? row.split(layer, to + 1) : last;
        solveOne(row, layer, end, lowest, highest, lanes);
    }
    __syncthreads();
}

/// Layers 1 .. needed - 1; of the last one only the end that counts.
__device__ inline void solve(Row& row, int needed, double* curve) {
    const int last = row.count - 1;
    for (int end = threadIdx.x; end <= last; end += kThreads) {
        row.current[end] = firstCost(row, end);
    }
    __syncthreads();
    double least = row.current[last];
    for (int layer = 1; layer < needed; ++layer) {
        if (curve != nullptr && threadIdx.x == 0) {
            curve[layer - 1] = least;
        }
        double* const swapped = row.previous;
        row.previous = row.current;
        row.current = swapped;
        if (layer == needed - 1) {
            solveOne(row, layer, threadIdx.x < kWarp ? last : -1, layer, last, kWarp);
            __syncthreads();
        } else {
            for (int level = 0; (row.count - layer) >> level > 0; ++level) {
                solveLevel(row, layer, level);
            }
        }
        const double cost = row.current[last];
        least = least < cost ? least : cost;
    }
    if (curve != nullptr && threadIdx.x == 0) {
        curve[needed - 1] = least;
    }
}

/// The best last cluster of [0, end] for layer + 1 of them, grown downwards; by one thread.
__device__ inline void scanCarefully(const Row& row, int layer, int end) {
    double origin = 0.0, mean = 0.0, weight = 0.0, spread = 0.0;
    Best best{INFINITY, end};
    for (int i = end; i >= layer && spread <= best.cost; --i) {
        if (row.weight[i] > 0.0) {
            origin = weight > 0.0 ? origin : row.value[i];
            const double total = weight + row.weight[i];
            const double delta = row.value[i] - origin - mean;
            spread += weight * (row.weight[i] / total) * delta * delta;
            mean += row.weight[i] / total * delta;
            weight = total;
        }
        const double cost = layer > 0 ? row.previous[i - 1] + spread : spread;
        if ((layer > 0 || i == 0) && cost <= best.cost) {
            best = {cost, i};
        }
    }
    row.current[end] = best.cost;
    if (layer > 0) {
        row.splits[static_cast<std::size_t>(layer - 1) * row.width + end] =
            static_cast<std::uint16_t>(best.split);
    }
}

/// The layers anew without differences of sums.
__device__ inline void solveCarefully(Row& row, int needed, double* curve) {
    for (int layer = 0; layer < needed; ++layer) {
        double* const swapped = row.previous;
        row.previous = row.current;
        row.current = swapped;
        for (int end = layer + static_cast<int>(threadIdx.x); end < row.count; end += kThreads) {
            scanCarefully(row, layer, end);
        }
        __syncthreads();
        if (curve != nullptr && threadIdx.x == 0) {
            curve[layer] = row.current[row.count - 1];
        }
    }
}

/// Weighted mean of values as one of them and an offset; the plain mean without any weight.
struct Mean {
    double origin, offset;
};
__device__ inline Mean meanOf(const Row& row, int from, int end) {
    int heaviest = from;
    for (int i = from; i < end; ++i) {
        heaviest = row.weight[i] > row.weight[heaviest] ? i : heaviest;
    }
    const double origin = row.value[heaviest];
    double weight = 0.0, total = 0.0, repeats = 0.0, plain = 0.0;
    for (int i = from; i < end; ++i) {
        const double offset = row.value[i] - origin;
        weight += row.weight[i];
        total += row.weight[i] * offset;
        repeats += row.repeats[i];
        plain += row.repeats[i] * offset;
    }
    return {origin, weight > 0.0 ? total / weight : plain / repeats};
}

/// Walks back through the splits: writes the centroids, returns the cost in every thread.
__device__ inline double walkBack(const Row& row, int clusters, double* centroids) {
    __shared__ int starts[kMaxClusters + 1];
    __shared__ double cost;
    const int used = min(clusters, row.count);
    if (threadIdx.x == 0) {
        starts[used] = row.count;
        for (int cluster = used - 1; cluster >= 0; --cluster) {
            starts[cluster] =
                used == row.count ? cluster : row.split(cluster, starts[cluster + 1] - 1);
        }
    }
    __syncthreads();
    double* terms = row.previous; // the layers are done
    for (int cluster = threadIdx.x; cluster < used; cluster += kThreads) {
        const Mean mean = meanOf(row, starts[cluster], starts[cluster + 1]);
        for (int i = starts[cluster]; i < starts[cluster + 1]; ++i) {
            const double distance = row.value[i] - mean.origin - mean.offset;
            terms[i] = row.weight[i] * distance * distance;
        }
        const int last = cluster == used - 1 ? clusters : cluster + 1;
        for (int i = cluster; i < last; ++i) {
            centroids[i] = mean.origin + mean.offset;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int cluster = used - 1; cluster >= 0; --cluster) {
            for (int i = starts[cluster]; i < starts[cluster + 1]; ++i) {
                sum += terms[i];
            }
        }
        cost = sum;
    }
    __syncthreads();
    return cost;
}

/// Could rounding tell in a cost that is wanted, of `least` or more clusters?
__device__ inline bool isDoubtful(const Row& row, int least, int most, double* centroids) {
    const double squares = row.s2[row.count] - row.s2[0];
    for (int clusters = min(most, row.count - 1); clusters >= least; --clusters) {
        const double cost = walkBack(row, clusters, centroids);
        if (cost > 0.0) {
            return cost < Kmeans1d::kTrusted * squares;
        }
    }
    return false;
}

/// Layers, and again where rounding could tell; then the optimum. More clusters than distinct
/// values cost nothing and are not solved, unless the costs for fewer are wanted.
__device__ inline double optimum(Row& row, int clusters, double* centroids, double* curve) {
    if (curve != nullptr || clusters < row.count) {
        const int needed = min(clusters, row.count);
        solve(row, needed, curve);
        if (isDoubtful(row, curve != nullptr ? 1 : clusters, clusters, centroids)) {
            solveCarefully(row, needed, curve);
        }
        for (int i = row.count - 1 + static_cast<int>(threadIdx.x);
             curve != nullptr && i < clusters; i += kThreads) {
            curve[i] = 0.0;
        }
    }
    return walkBack(row, clusters, centroids);
}

} // namespace lathe::cuda
