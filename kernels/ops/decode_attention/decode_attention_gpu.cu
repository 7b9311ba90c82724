// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/decode_attention/decode_attention.h"

#include <cooperative_groups.h>

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
/// Blocks that share the rows of one head: the most that every Hopper GPU has in a cluster.
constexpr int kSplits = 8;
constexpr int kSlots = static_cast<int>(kMostDecodeSlots);
constexpr int kMostHeadDim = 512;

struct DecodeArguments {
    const float *q, *k, *v;
    std::int64_t qStride, kvStride;
    const float* frequencies;
    const std::int32_t* positions;
    float* keys[kSlots];
    float* values[kSlots];
    int capacity[kSlots];
    float* y;
    int heads, kvHeads, headDim;
    float scale;
};

/// The elements of a head that a lane holds: `Chunks` times `Width` neighbours.
template <int Width, int Chunks>
struct Part {
    static constexpr int kElements = Width * Chunks;
    static constexpr int kHead = kElements * kWarp; ///< longest head
    /// Rows that a warp asks for at once: enough to hide the memory, few enough for registers.
    static constexpr int kTogether = kElements >= 16 ? 1 : kElements >= 8 ? 2 : 4;
    float value[kElements];

    __device__ static int element(int i, int lane) {
        return (i / Width * kWarp + lane) * Width + i % Width;
    }
    __device__ void load(const float* row, int lane, int headDim) {
#pragma unroll
        for (int chunk = 0; chunk < Chunks; ++chunk) {
            const int d = (chunk * kWarp + lane) * Width;
            float* to = value + chunk * Width;
#pragma unroll
            for (int i = 0; i < Width; ++i) {
                to[i] = 0.0F;
            }
            if (d >= headDim) {
                continue;
            }
            if constexpr (Width == 4) {
                *reinterpret_cast<float4*>(to) = *reinterpret_cast<const float4*>(row + d);
            } else if constexpr (Width == 2) {
                *reinterpret_cast<float2*>(to) = *reinterpret_cast<const float2*>(row + d);
            } else {
                to[0] = row[d];
            }
        }
    }
    __device__ float dot(const Part& other) const {
        float sum = 0.0F;
#pragma unroll
        for (int i = 0; i < kElements; ++i) {
            sum = fmaf(value[i], other.value[i], sum);
        }
        return sum;
    }
};

/// Some rows of the cache on their way to a warp; zeros from row `to` on.
template <class P>
struct Rows {
    P keys[P::kTogether], values[P::kTogether];

    __device__ Rows(const float* k, const float* v, int first, int to, int stride, int headDim) {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
        for (int i = 0; i < P::kTogether; ++i) {
            const std::int64_t row = static_cast<std::int64_t>(first + i) * stride;
            const int size = first + i < to ? headDim : 0;
            keys[i].load(k + row, lane, size);
            values[i].load(v + row, lane, size);
        }
    }
};

/// Softmax over the rows seen so far, in one pass (arXiv 2112.05682).
template <class P>
struct Mixture {
    float largest = -INFINITY, weight = 0.0F;
    P sum{};

    template <int Count>
    __device__ void add(const float (&scores)[Count], const P (&values)[Count]) {
        float top = largest;
#pragma unroll
        for (int i = 0; i < Count; ++i) {
            top = fmaxf(top, scores[i]);
        }
        const float keep = expf(largest - top); // 0 at the first rows
        largest = top;
        weight *= keep;
#pragma unroll
        for (int e = 0; e < P::kElements; ++e) {
            sum.value[e] *= keep;
        }
#pragma unroll
        for (int i = 0; i < Count; ++i) {
            const float share = expf(scores[i] - top);
            weight += share;
#pragma unroll
            for (int e = 0; e < P::kElements; ++e) {
                sum.value[e] = fmaf(share, values[i].value[e], sum.value[e]);
            }
        }
    }
};

template <class P>
struct alignas(16) Shared {
    float cosine[P::kHead / 2], sine[P::kHead / 2];
    float q[P::kHead], k[P::kHead], v[P::kHead];
    float largest[kWarps], weight[kWarps];
    float sums[kWarps][P::kHead];
    float blockLargest, blockWeight; ///< of all warps; other blocks of the head read them
    float blockSum[P::kHead];
};

/// The rows that a block attends to. The last block that has some also takes the fresh one.
struct Span {
    int from, to, blocks;
    bool fresh;

    __device__ Span(int past, int rank, int ranks) {
        constexpr int kLeast = 16;
        const int share = ((past + ranks - 1) / ranks + kLeast - 1) / kLeast * kLeast;
        blocks = past > 0 ? (past + share - 1) / share : 1;
        from = rank * share;
        to = min(past, from + share);
        fresh = rank == blocks - 1;
    }
};

/// to = x turned by the angles; both [headDim].
template <class P>
__device__ void turn(const Shared<P>& shared, const float* x, float* to, int half) {
    for (int j = static_cast<int>(threadIdx.x); j < half; j += kThreads) {
        const float a = x[j], b = x[j + half];
        to[j] = a * shared.cosine[j] - b * shared.sine[j];
        to[j + half] = b * shared.cosine[j] + a * shared.sine[j];
    }
}

/// What a warp makes of its rows of the span, the first of which are in `next`, and of the fresh
/// one.
template <class P>
__device__ Mixture<P> attend(
    const DecodeArguments& a, const Shared<P>& shared, Rows<P> next, const float* keys,
    const float* values, const Span& span) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int stride = a.kvHeads * a.headDim;
    P query{};
    query.load(shared.q, lane, a.headDim);
    Mixture<P> mine;
    for (int first = span.from + warp * P::kTogether; first < span.to;
         first += kWarps * P::kTogether) {
        const Rows<P> rows = next;
        next = Rows<P>(keys, values, first + kWarps * P::kTogether, span.to, stride, a.headDim);
        float scores[P::kTogether];
#pragma unroll
        for (int i = 0; i < P::kTogether; ++i) {
            const float score = warpSum(query.dot(rows.keys[i])) * a.scale;
            scores[i] = first + i < span.to ? score : -INFINITY;
        }
        mine.add(scores, rows.values);
    }
    if (span.fresh && warp == kWarps - 1) {
        P key{}, value[1]{};
        key.load(shared.k, lane, a.headDim);
        value[0].load(shared.v, lane, a.headDim);
        const float score[1] = {warpSum(query.dot(key)) * a.scale};
        mine.add(score, value);
    }
    return mine;
}

/// What the warps have, added in their order.
template <class P>
__device__ void mergeWarps(Shared<P>& shared, const Mixture<P>& mine, int headDim) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    if (lane == 0) {
        shared.largest[warp] = mine.largest;
        shared.weight[warp] = mine.weight;
    }
#pragma unroll
    for (int i = 0; i < P::kElements; ++i) {
        shared.sums[warp][P::element(i, lane)] = mine.sum.value[i];
    }
    __syncthreads();
    float top = shared.largest[0];
    for (int w = 1; w < kWarps; ++w) {
        top = fmaxf(top, shared.largest[w]);
    }
    float shares[kWarps], weight = 0.0F;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
        shares[w] = expf(shared.largest[w] - top); // 0 for a warp without rows
        weight += shared.weight[w] * shares[w];
    }
    for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
        float sum = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w) {
            sum += shared.sums[w][d] * shares[w];
        }
        shared.blockSum[d] = sum;
    }
    if (threadIdx.x == 0) {
        shared.blockLargest = top;
        shared.blockWeight = weight;
    }
}

/// y of a head from what its blocks have, in their order: by the first of them.
template <class P>
__device__ void mergeBlocks(Shared<P>& shared, int rank, int blocks, float* y, int headDim) {
    if (blocks == 1) {
        __syncthreads();
        for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
            y[d] = shared.blockSum[d] / shared.blockWeight;
        }
        return;
    }
#if __CUDA_ARCH__ >= 900
    const auto cluster = cooperative_groups::this_cluster();
    cluster.sync();
    if (rank == 0) {
        float largest[kSplits], shares[kSplits], top = -INFINITY, weight = 0.0F;
        const Shared<P>* others[kSplits];
#pragma unroll
        for (int b = 0; b < kSplits; ++b) {
            others[b] = cluster.map_shared_rank(&shared, b < blocks ? b : 0);
            largest[b] = b < blocks ? others[b]->blockLargest : -INFINITY;
            shares[b] = b < blocks ? others[b]->blockWeight : 0.0F;
        }
#pragma unroll
        for (int b = 0; b < kSplits; ++b) {
            top = fmaxf(top, largest[b]);
        }
#pragma unroll
        for (int b = 0; b < kSplits; ++b) {
            const float share = expf(largest[b] - top);
            weight += shares[b] * share;
            shares[b] = share;
        }
        for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
            float sum = 0.0F;
#pragma unroll
            for (int b = 0; b < kSplits; ++b) {
                sum += b < blocks ? others[b]->blockSum[d] * shares[b] : 0.0F;
            }
            y[d] = sum / weight;
        }
    }
    cluster.sync(); // the memory of a block stays until all have read it
#endif
}

/// A cluster of blocks (x) for each head (y) of each slot (z).
template <int Width, int Chunks>
__global__ void __launch_bounds__(kThreads) decodeAttentionKernel(const DecodeArguments a) {
    using P = Part<Width, Chunks>;
    __shared__ Shared<P> shared;
    letNextBegin();
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int slot = static_cast<int>(blockIdx.z), head = static_cast<int>(blockIdx.y);
    const int rank = static_cast<int>(blockIdx.x);
    const int group = a.heads / a.kvHeads, kvHead = head / group;
    const int half = a.headDim / 2, stride = a.kvHeads * a.headDim;
    float* y = a.y + (static_cast<std::int64_t>(slot) * a.heads + head) * a.headDim;
    const int past = a.positions[slot];
    const bool inRange = past >= 0 && past < a.capacity[slot];
    const Span span(inRange ? past : 0, rank, static_cast<int>(gridDim.x));
    if (rank >= span.blocks) {
        return;
    }
    float* keys = a.keys[slot] + kvHead * a.headDim;
    float* values = a.values[slot] + kvHead * a.headDim;
    const Rows<P> next(keys, values, span.from + warp * P::kTogether, span.to, stride, a.headDim);
    for (int j = static_cast<int>(threadIdx.x); j < half; j += kThreads) {
        // Exact reduction of the argument, see rope_gpu.cu.
        sincosf(static_cast<float>(past) * a.frequencies[j], shared.sine + j, shared.cosine + j);
    }
    waitForPrevious(); // q, k and v come from the kernel in front
    if (!inRange) {
        for (int d = static_cast<int>(threadIdx.x); d < a.headDim; d += kThreads) {
            y[d] = nanf("");
        }
        return;
    }
    turn(shared, a.q + slot * a.qStride + head * a.headDim, shared.q, half);
    if (span.fresh) {
        const std::int64_t fresh = slot * a.kvStride + kvHead * a.headDim;
        turn(shared, a.k + fresh, shared.k, half);
        for (int d = static_cast<int>(threadIdx.x); d < a.headDim; d += kThreads) {
            shared.v[d] = a.v[fresh + d];
        }
    }
    __syncthreads();
    const Mixture<P> mine = attend(a, shared, next, keys, values, span);
    if (span.fresh && head % group == 0) { // no block reads this row from the cache
        const std::int64_t row = static_cast<std::int64_t>(past) * stride;
        for (int d = static_cast<int>(threadIdx.x); d < a.headDim; d += kThreads) {
            keys[row + d] = shared.k[d];
            values[row + d] = shared.v[d];
        }
    }
    mergeWarps(shared, mine, a.headDim);
    mergeBlocks(shared, rank, span.blocks, y, a.headDim);
}

template <int Width, int Chunks>
void launchShape(ExecContext& context, const DecodeArguments& a, unsigned slots) {
    const unsigned splits = context.cuda()->overlaps ? kSplits : 1;
    launchOverlapped(
        context, "decode_attention", decodeAttentionKernel<Width, Chunks>,
        {.grid = dim3(splits, static_cast<unsigned>(a.heads), slots),
         .threads = kThreads,
         .cluster = splits,
         .besideProducts = true},
        a);
}

/// Can all rows of the caches be read `width` elements at once?
bool readsAtOnce(const DecodeAttention& op, int width) {
    const auto fits = [&](const TensorView& view) {
        return isAligned(view.data, sizeof(float) * static_cast<std::size_t>(width));
    };
    return op.q.shape[2] % width == 0 && std::ranges::all_of(op.keys, fits) &&
           std::ranges::all_of(op.values, fits);
}

} // namespace

bool acceptsHead(const DecodeAttention& op) { return op.q.shape[2] <= kMostHeadDim; }

void launch(ExecContext& context, const DecodeAttention& op) {
    const auto heads = static_cast<int>(op.q.shape[1]), headDim = static_cast<int>(op.q.shape[2]);
    const auto kvHeads = static_cast<int>(op.k.shape[1]);
    DecodeArguments a{
        .q = op.q.ptr<float>(),
        .k = op.k.ptr<float>(),
        .v = op.v.ptr<float>(),
        .qStride = op.qStride == 0 ? heads * headDim : op.qStride,
        .kvStride = op.kvStride == 0 ? kvHeads * headDim : op.kvStride,
        .frequencies = op.frequencies.ptr<float>(),
        .positions = op.positions.ptr<std::int32_t>(),
        .keys = {},
        .values = {},
        .capacity = {},
        .y = op.y.ptr<float>(),
        .heads = heads,
        .kvHeads = kvHeads,
        .headDim = headDim,
        .scale = op.scale};
    for (std::size_t slot = 0; slot < op.keys.size(); ++slot) {
        a.keys[slot] = op.keys[slot].ptr<float>();
        a.values[slot] = op.values[slot].ptr<float>();
        a.capacity[slot] = static_cast<int>(op.keys[slot].shape[0]);
    }
    const auto slots = static_cast<unsigned>(op.q.shape[0]);
    if (headDim <= 64 && readsAtOnce(op, 2)) {
        launchShape<2, 1>(context, a, slots);
    } else if (headDim <= 128 && readsAtOnce(op, 4)) {
        launchShape<4, 1>(context, a, slots);
    } else if (headDim <= 256 && readsAtOnce(op, 4)) {
        launchShape<4, 2>(context, a, slots);
    } else if (headDim <= 128) {
        launchShape<1, 4>(context, a, slots);
    } else {
        launchShape<1, 16>(context, a, slots);
    }
}

} // namespace lathe::cuda
