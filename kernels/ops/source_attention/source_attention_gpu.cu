// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/cluster_exchange.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/source_attention/source_attention.h"
#include "kernels/ops/step_attention/held_attention.cuh"
#include "kernels/ops/step_product/product_order.cuh"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kThreads = kHeldThreads;
constexpr int kWarps = kThreads / kWarp;
/// Most outputs that a warp multiplies at a time, each in one segment of the columns.
constexpr int kMostOuts = 8;
/// Larger clusters find no room beside the keys and values that the attention in front holds.
constexpr int kMostCluster = 4;
constexpr std::int64_t kMostHeadDim = 128;
static_assert(kMostHeadDim <= kThreads && kMostSegments <= kWarps);

/// Places in the shared memory of a block, in bytes. The same for all.
struct Places {
    int keys = 0, values = 0, products = 0, norms = 0, query = 0, scores = 0, parts = 0, end = 0;

    Places(std::int64_t weights, std::int64_t capacity, std::int64_t headDim) {
        std::int64_t at = roundedUp(weights);
        const auto floats = [&at](int& place, std::int64_t count) {
            place = static_cast<int>(at);
            at += roundedUp(count * static_cast<std::int64_t>(sizeof(float)));
        };
        floats(keys, capacity * headDim);
        floats(values, capacity * headDim);
        floats(products, kMostSegments * headDim);
        floats(norms, kMostSegments);
        floats(query, headDim);
        floats(scores, capacity);
        floats(parts, kAttentionWarps * headDim + 1);
        end = static_cast<int>(at);
    }

private:
    static std::int64_t roundedUp(std::int64_t bytes) { return (bytes + 15) / 16 * 16; }
};

template <class T>
struct SourceArguments {
    const float *x, *gamma; ///< gamma null: none
    const T* w;
    const std::int32_t* length;
    const float *keys, *values;
    float* y;
    int in, heads, headDim, capacity, segments;
    int cluster, share; ///< blocks of a head, and of its query's elements those of each
    float epsilon;
    Places places;
};

/// One block of the cluster that has a head (x) of a row (y). Each makes a share of the query; the
/// first one attends. `Outs`: outputs of a warp at a time.
template <class T, int Outs>
class Block {
public:
    __device__ explicit Block(const SourceArguments<T>& arguments)
        : a(arguments), m_head(static_cast<int>(blockIdx.x) / a.cluster),
          m_member(static_cast<int>(blockIdx.x) % a.cluster), m_row(static_cast<int>(blockIdx.y)),
          m_segment(warp() % a.segments), m_length(*a.length) {}

    __device__ bool attends() const { return m_member == 0; }

    /// The weights of the block's share of the queries, and where it attends keys and values.
    __device__ void fetch() {
        if (warp() == 0) {
            fetchWeights();
        } else if (attends() && isInRange()) {
            fetchRows(a.keys, floats(a.places.keys));
            fetchRows(a.values, floats(a.places.values));
        }
        endCopyGroup();
#pragma unroll
        for (int c = 0; c < kUnit; ++c) {
            m_gamma[c].load(a.gamma + column(c), a.gamma != nullptr && column(c) < a.in);
        }
        // The barriers of all blocks are there before anybody waits or sends.
        if (a.cluster > 1) {
            meetCluster();
        } else {
            __syncthreads();
        }
    }

    /// The query, in the memory of the block that attends.
    __device__ void makeQuery() {
        const float* from = a.x + static_cast<std::int64_t>(m_row) * a.in;
        Eight x[kUnit];
#pragma unroll
        for (int c = 0; c < kUnit; ++c) {
            x[c].load(from + column(c), column(c) < a.in);
        }
        if (a.gamma != nullptr) {
            float squares = 0.0F;
#pragma unroll
            for (int c = 0; c < kUnit; ++c) {
                squares = x[c].scale(m_gamma[c], squares);
            }
            squares = warpSum(squares);
            if (warp() < a.segments && lane() == 0) {
                floats(a.places.norms)[m_segment] = squares;
            }
        }
        waitForBytes(weights(), 0);
        constexpr int kLanes = kWarp / Outs;
        const int groups = kWarps / a.segments;
        for (int first = warp() / a.segments * Outs; first < a.share; first += groups * Outs) {
            const float product = multiply(x, first);
            const int o = first + lane() / kLanes;
            if (lane() % kLanes == 0 && o < a.share) {
                floats(a.places.products)[m_segment * a.share + o] = product;
            }
        }
        __syncthreads();
        if (thread() < a.share) {
            float* to = floats(a.places.query) + m_member * a.share + thread();
            if (a.cluster > 1) {
                sendTo(0, to, element(), query());
            } else {
                *to = element();
            }
        }
    }

    __device__ void attend() const {
        waitForCopies<0>();
        __syncthreads();
        if (a.cluster > 1) {
            waitForBytes(query(), 0);
        }
        float* y = a.y + (static_cast<std::int64_t>(m_row) * a.heads + m_head) * a.headDim;
        if (!isInRange()) {
            if (thread() < a.headDim) {
                y[thread()] = nanf("");
            }
            return;
        }
        const OwnHead head{
            .query = floats(a.places.query),
            .keys = floats(a.places.keys),
            .values = floats(a.places.values),
            .bias = nullptr,
            .scores = floats(a.places.scores),
            .parts = floats(a.places.parts),
            .visible = m_length,
            .headDim = a.headDim};
        attendHead(head, [y](int d, float value) { y[d] = value; });
    }

private:
    __device__ static int thread() { return static_cast<int>(threadIdx.x); }
    __device__ static int lane() { return thread() % kWarp; }
    __device__ static int warp() { return thread() / kWarp; }
    __device__ static Arrivals& weights() {
        __shared__ Arrivals arrivals;
        return arrivals;
    }
    /// What the blocks of the cluster send to the first one.
    __device__ static Arrivals& query() {
        __shared__ Arrivals arrivals;
        return arrivals;
    }
    __device__ static std::byte* memory() {
        extern __shared__ uint4 sourceMemory[];
        return reinterpret_cast<std::byte*>(sourceMemory);
    }
    __device__ static float* floats(int place) {
        return reinterpret_cast<float*>(memory() + place);
    }
    __device__ bool isInRange() const { return m_length >= 1 && m_length <= a.capacity; }
    /// First of the lane's columns in a chunk of its segment.
    __device__ int column(int chunk) const {
        return columnOf(chunk, m_segment, a.segments) + lane() * kOctet;
    }

    __device__ void fetchWeights() const {
        constexpr std::uint32_t kPiece = 8192; ///< bytes
        const auto bytes =
            static_cast<std::uint32_t>(a.share * a.in) * static_cast<std::uint32_t>(sizeof(T));
        const std::int64_t first = std::int64_t{m_head} * a.headDim + m_member * a.share;
        const auto* from = reinterpret_cast<const std::byte*>(a.w + first * a.in);
        if (lane() == 0) {
            initArrivals(weights());
            initArrivals(query());
            announceInit();
            expectBytes(weights(), bytes);
            if (attends()) {
                constexpr auto kFloat = static_cast<std::uint32_t>(sizeof(float));
                expectBytes(query(), static_cast<std::uint32_t>(a.headDim) * kFloat);
            }
        }
        __syncwarp();
        for (std::uint32_t at = static_cast<std::uint32_t>(lane()) * kPiece; at < bytes;
             at += kWarp * kPiece) {
            copyBulk(memory() + at, from + at, min(kPiece, bytes - at), weights());
        }
    }
    __device__ void fetchRows(const float* cache, float* to) const {
        const int quads = a.headDim / 4, helpers = kThreads - kWarp;
        for (int i = thread() - kWarp; i < m_length * quads; i += helpers) {
            const int j = i / quads, d = i % quads * 4;
            copyAsync(
                sharedAddress(to + j * a.headDim + d),
                cache + (static_cast<std::int64_t>(j) * a.heads + m_head) * a.headDim + d);
        }
    }
    /// Products of the warp's segment. That of output first + o is in lanes from
    /// o * (kWarp / Outs) on, any number behind the last output.
    __device__ float multiply(const Eight (&x)[kUnit], int first) const {
        const auto* w = reinterpret_cast<const T*>(memory());
        float sums[Outs] = {};
#pragma unroll
        for (int c = 0; c < kUnit; ++c) {
            if (column(c) < a.in) {
#pragma unroll
                for (int o = 0; o < Outs; ++o) {
                    const int row = min(first + o, a.share - 1);
                    Stored<T> stored;
                    stored.part[0] = *reinterpret_cast<const uint4*>(w + row * a.in + column(c));
                    sums[o] = stored.times(x[c], sums[o]);
                }
            }
        }
        return warpSums(sums);
    }
    /// Of the query, one for each of the first threads, as StepProduct finishes it.
    __device__ float element() const {
        const float *products = floats(a.places.products), *norms = floats(a.places.norms);
        float total = products[thread()], squares = a.gamma != nullptr ? norms[0] : 0.0F;
        for (int s = 1; s < a.segments; ++s) {
            total += products[s * a.share + thread()];
            squares += a.gamma != nullptr ? norms[s] : 0.0F;
        }
        return __fmul_rn(total, a.gamma != nullptr ? normOf(squares, a.in, a.epsilon) : 1.0F);
    }

    const SourceArguments<T>& a;
    const int m_head, m_member, m_row, m_segment, m_length;
    Eight m_gamma[kUnit];
};

template <class T, int Outs>
__global__ void __launch_bounds__(kThreads, 1)
    sourceAttentionKernel(const __grid_constant__ SourceArguments<T> arguments) {
    letNextBegin();
    Block<T, Outs> block(arguments);
    block.fetch();
    waitForPrevious();
    block.makeQuery();
    if (block.attends()) {
        block.attend();
    }
}

/// Blocks of a head: as many as there is a multiprocessor for, which have the less to fetch and to
/// multiply each; 0 where there are not enough.
int clusterOf(ExecContext& context, const SourceAttention& op) {
    const std::int64_t heads = op.keys.shape[1] * op.x.shape[0], headDim = op.keys.shape[2];
    for (int blocks = kMostCluster; blocks > 0; blocks /= 2) {
        if (headDim % blocks == 0 && heads * blocks <= context.cuda()->multiprocessors) {
            return blocks;
        }
    }
    return 0;
}

/// With `cluster` blocks a head.
Places placesOf(const SourceAttention& op, int cluster) {
    const std::int64_t headDim = op.keys.shape[2];
    const auto element = static_cast<std::int64_t>(sizeOf(op.w.dtype));
    return {headDim / cluster * op.x.shape[1] * element, op.keys.shape[0], headDim};
}

template <class T, int Outs>
void launchOuts(ExecContext& context, const SourceArguments<T>& a, std::int64_t rows) {
    auto* kernel = sourceAttentionKernel<T, Outs>;
    const LaunchShape shape{
        .grid = dim3(static_cast<unsigned>(a.heads * a.cluster), static_cast<unsigned>(rows)),
        .threads = kThreads,
        .cluster = static_cast<unsigned>(a.cluster),
        .shared = static_cast<std::size_t>(a.places.end),
        .besideProducts = true};
    allowShared(kernel, shape.shared);
    launchOverlapped(context, "source_attention", kernel, shape, a);
}

template <class T>
void launchTyped(ExecContext& context, const SourceAttention& op) {
    const int cluster = clusterOf(context, op);
    const SourceArguments<T> a{
        .x = op.x.ptr<float>(),
        .gamma = op.gamma.empty() ? nullptr : op.gamma.ptr<float>(),
        .w = op.w.ptr<T>(),
        .length = op.length.ptr<std::int32_t>(),
        .keys = op.keys.ptr<float>(),
        .values = op.values.ptr<float>(),
        .y = op.y.ptr<float>(),
        .in = static_cast<int>(op.x.shape[1]),
        .heads = static_cast<int>(op.keys.shape[1]),
        .headDim = static_cast<int>(op.keys.shape[2]),
        .capacity = static_cast<int>(op.keys.shape[0]),
        .segments = segmentsOf(op.x.shape[1]),
        .cluster = cluster,
        .share = static_cast<int>(op.keys.shape[2]) / cluster,
        .epsilon = op.epsilon,
        .places = placesOf(op, cluster)};
    const std::int64_t rows = op.x.shape[0];
    const int outs = (a.share * a.segments + kWarps - 1) / kWarps; // in one go
    if (outs <= 1) {
        launchOuts<T, 1>(context, a, rows);
    } else if (outs <= 2) {
        launchOuts<T, 2>(context, a, rows);
    } else if (outs <= 4) {
        launchOuts<T, 4>(context, a, rows);
    } else {
        launchOuts<T, kMostOuts>(context, a, rows);
    }
}

} // namespace

bool attendsInOneLaunch(ExecContext& context, const SourceAttention& op) {
    const ExecContext::CudaState& gpu = *context.cuda();
    const std::int64_t in = op.x.shape[1], headDim = op.keys.shape[2];
    const bool suits = sizeOf(op.w.dtype) == 2 && in % kOctet == 0 && headDim % 4 == 0 &&
                       headDim <= kMostHeadDim &&
                       in <= std::int64_t{segmentsOf(in)} * kUnit * kChunk &&
                       isAligned(op.x.data) && isAligned(op.gamma.data) && isAligned(op.w.data) &&
                       isAligned(op.keys.data) && isAligned(op.values.data);
    constexpr std::int64_t kMostCapacity = 1 << 16; // places are ints
    if (!gpu.overlaps || !suits || op.keys.shape[0] > kMostCapacity) {
        return false;
    }
    constexpr int kDeclaredBytes = 64; // at least
    const int cluster = clusterOf(context, op);
    return cluster > 0 && placesOf(op, cluster).end <= gpu.mostShared - kDeclaredBytes;
}

void launch(ExecContext& context, const SourceAttention& op) {
    if (!cuda::attendsInOneLaunch(context, op)) {
        throw Unsupported(
            "source_attention: this GPU does not take weights of " + op.w.shape.text() +
            " and the keys and values for " + op.y.shape.text() +
            " at once; make the queries first");
    }
    if (op.w.dtype == DType::F16) {
        launchTyped<__half>(context, op);
    } else {
        launchTyped<__nv_bfloat16>(context, op);
    }
}

} // namespace lathe::cuda
