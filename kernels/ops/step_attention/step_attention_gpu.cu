// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/step_attention/attention_order.cuh"
#include "kernels/ops/step_attention/step_attention.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kWarps = kAttentionWarps;
constexpr int kThreads = kWarps * kWarp;
constexpr int kMostHeadDim = static_cast<int>(kMostStepHead);
constexpr int kMostParts = kThreads > kMostHeadDim ? kThreads : kMostHeadDim;
constexpr int kKeysOfBlock = kThreads / kKeyLanes;
/// Most bytes of keys and values of a head that are held in shared memory: the block of a product
/// still finds room beside them.
constexpr int kMostHeldBytes = 160 * 1024;
/// What the kernels that hold rows declare by themselves, at most.
constexpr int kDeclaredBytes = (4 * kWarp + kWarps * 4 * kWarp + kWarp) * 4;

struct StepArguments {
    const float *q, *k, *v; ///< k, v null: a source
    std::int64_t qStride, kvStride;
    const std::int32_t* length;
    float *keys, *values;
    const float* frequencies; ///< null: nothing is turned
    int capacity, heads, kvHeads, headDim;
    float scale;
    const float* bias; ///< distance 0 of the first head; null: none
    std::int64_t biasStride;
    float* y;
    int most = 0; ///< rows, a multiple of kWarps, that are held in shared memory
};

/// Where a block stands: a head of a row, and what of the cache it sees.
struct Place {
    int head, row, length, visible, cached;
    bool fresh, inRange;

    __device__ explicit Place(const StepArguments& a)
        : head(static_cast<int>(blockIdx.x)), row(static_cast<int>(blockIdx.y)), length(*a.length),
          fresh(a.k != nullptr) {
        visible = fresh ? length + row + 1 : length;
        inRange = length >= 0 && visible >= 1 && visible <= a.capacity;
        cached = inRange ? (fresh ? length : visible) : 0;
    }
};

/// Rows of the keys or the values of one head: those of the cache, and behind them the fresh ones.
struct HeadRows {
    const float *cached, *fresh;
    std::int64_t cacheStride, freshStride;
    int length, headDim;
    float* held = nullptr; ///< the first rows, in shared memory
    int most = 0;          ///< of them

    __device__
    HeadRows(const StepArguments& a, const Place& at, const float* cache, const float* freshRows)
        : cacheStride(static_cast<std::int64_t>(a.kvHeads) * a.headDim), freshStride(a.kvStride),
          length(at.cached), headDim(a.headDim) {
        const int from = at.head / (a.heads / a.kvHeads) * a.headDim;
        cached = cache + from;
        fresh = at.fresh ? freshRows + from : nullptr;
    }
    /// Asks for the first rows of the cache, which are there behind waitForCopies and a barrier,
    /// and the second-level cache for those behind them.
    __device__ void hold(float* shared, int rows) {
        held = shared;
        most = rows;
        const auto thread = static_cast<int>(threadIdx.x);
        const int quads = headDim / 4;
        int quad = thread % quads;
        for (int j = thread / quads; j < min(length, most); j += kThreads / quads) {
            copyAsync(
                sharedAddress(held + j * headDim + 4 * quad), cached + j * cacheStride + 4 * quad);
            quad += kThreads % quads;
            if (quad >= quads) {
                quad -= quads;
                ++j;
            }
        }
        constexpr int kLine = 32; // floats
        for (int j = most + thread; j < length; j += kThreads) {
            for (int d = 0; d < headDim; d += kLine) {
                prefetchLine(cached + j * cacheStride + d);
            }
        }
    }
    /// Any row, behind the barrier.
    __device__ const float* row(int j) const {
        if (j < most) {
            return held + j * headDim;
        }
        return j < length ? cached + j * cacheStride : fresh + (j - length) * freshStride;
    }
};

/// to = x turned by the angles of a position, see rope_gpu.cu.
__device__ void turn(const float* x, float* to, int position, int j, const StepArguments& a) {
    const int half = a.headDim / 2;
    float sine, cosine;
    sincosf(static_cast<float>(position) * a.frequencies[j], &sine, &cosine);
    const float first = x[j], second = x[j + half];
    to[j] = first * cosine - second * sine;
    to[j + half] = second * cosine + first * sine;
}

/// The scaled query in shared memory; fresh rows go where they are held. Where there are
/// frequencies keys are turned, those that are not held to `turned` [row + 1, headDim]. The row's
/// own go to the cache.
__device__ void prepare(
    const StepArguments& a, const Place& at, HeadRows& keys, const HeadRows& values, float* query,
    float* turned) {
    const auto thread = static_cast<int>(threadIdx.x);
    const int group = a.heads / a.kvHeads, half = a.headDim / 2;
    const float* q = a.q + at.row * a.qStride + static_cast<std::int64_t>(at.head) * a.headDim;
    const int fresh = at.fresh ? min(at.row + 1, max(keys.most - at.length, 0)) : 0; // held
    for (int i = thread; i < fresh * a.headDim; i += kThreads) {
        const int r = i / a.headDim, d = i % a.headDim, to = at.length * a.headDim + i;
        values.held[to] = values.fresh[r * a.kvStride + d];
        if (a.frequencies == nullptr) {
            keys.held[to] = keys.fresh[r * a.kvStride + d];
        }
    }
    if (a.frequencies == nullptr) {
        for (int d = thread; d < a.headDim; d += kThreads) {
            query[d] = q[d] * a.scale;
        }
    } else {
        for (int i = thread; i < half * (at.row + 1); i += kThreads) {
            const int r = i / half;
            float* to =
                r < fresh ? keys.held + (at.length + r) * a.headDim : turned + r * a.headDim;
            turn(keys.fresh + r * a.kvStride, to, at.length + r, i % half, a);
        }
        for (int j = thread; j < half; j += kThreads) {
            turn(q, query, at.length + at.row, j, a);
            query[j] *= a.scale;
            query[j + half] *= a.scale;
        }
        keys.fresh = turned;
        keys.freshStride = a.headDim;
    }
    __syncthreads();
    if (at.fresh && at.head % group == 0) { // no block reads this row from the cache
        const std::int64_t own = (at.visible - 1) * keys.cacheStride + at.head / group * a.headDim;
        for (int d = thread; d < a.headDim; d += kThreads) {
            a.keys[own + d] = keys.row(at.visible - 1)[d];
            a.values[own + d] = values.row(at.visible - 1)[d];
        }
    }
}

__device__ void writeNan(float* y, int headDim) {
    for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
        y[d] = nanf("");
    }
}

/// Scores become their exponentials. @return their sum
__device__ float softmax(float* scores, int visible, float* reduced) {
    const auto thread = static_cast<int>(threadIdx.x);
    float largest = -INFINITY, weight = 0.0F;
    for (int j = thread; j < visible; j += kThreads) {
        largest = fmaxf(largest, scores[j]);
    }
    largest = blockMax(largest, reduced);
    for (int j = thread; j < visible; j += kThreads) {
        scores[j] = expf(scores[j] - largest);
        weight += scores[j];
    }
    return blockSum(weight, reduced); // and all scores are there
}

/// y = the sum of what every part has [parts, headDim], in their order.
__device__ void addParts(const float* parts, int count, int headDim, float weight, float* y) {
    __syncthreads();
    for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kThreads) {
        float sum = 0.0F;
        for (int part = 0; part < count; ++part) {
            sum += parts[part * headDim + d];
        }
        y[d] = sum / weight;
    }
}

/// A lane's shares of some keys and of some values on their way: eight lanes a key, a warp a value.
/// Each key's product is added up in an order of its own, values in that of their keys.
template <int Parts>
struct Flight {
    static constexpr int kKeys = Parts <= 2 ? 4 : 2, kValues = 8;
    static constexpr int kKeysOfPass = kKeys * kKeysOfBlock, kValuesOfPass = kValues * kWarps;
    float4 keys[kKeys][Parts];
    float values[kValues][Parts];

    __device__ static int keyOf(int u) {
        return u * kKeysOfBlock + static_cast<int>(threadIdx.x) / kKeyLanes;
    }
    __device__ static int valueOf(int u) {
        return u * kWarps + static_cast<int>(threadIdx.x) / kWarp;
    }
    /// Rows [from, to) of those behind `first`; all others stay as they are.
    __device__ void loadKeys(const HeadRows& rows, int first, int from, int to, int headDim) {
        const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
#pragma unroll
        for (int u = 0; u < kKeys; ++u) {
            const int j = first + keyOf(u);
#pragma unroll
            for (int p = 0; p < Parts; ++p) {
                const int d = 4 * (lane + kKeyLanes * p);
                if (j >= from && j < to) {
                    keys[u][p] =
                        d < headDim ? *reinterpret_cast<const float4*>(rows.row(j) + d) : float4{};
                }
            }
        }
    }
    __device__ static void loadQuery(float4 (&to)[Parts], const float* query, int headDim) {
#pragma unroll
        for (int p = 0; p < Parts; ++p) {
            const int d = 4 * (static_cast<int>(threadIdx.x) % kKeyLanes + kKeyLanes * p);
            to[p] = d < headDim ? *reinterpret_cast<const float4*>(query + d) : float4{};
        }
    }
    /// Keys behind `first` that are held, of those below `to`.
    __device__ static void
    loadHeld(float4 (&keys)[kKeys][Parts], const HeadRows& rows, int first, int to) {
        const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
#pragma unroll
        for (int u = 0; u < kKeys; ++u) {
            const int j = min(first + keyOf(u), to - 1);
#pragma unroll
            for (int p = 0; p < Parts; ++p) {
                const int d = 4 * (lane + kKeyLanes * p);
                keys[u][p] =
                    d < rows.headDim
                        ? *reinterpret_cast<const float4*>(rows.held + j * rows.headDim + d)
                        : float4{};
            }
        }
    }
    __device__ void loadValues(const HeadRows& rows, int first, int from, int to, int headDim) {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
        for (int u = 0; u < kValues; ++u) {
            const int j = first + valueOf(u);
#pragma unroll
            for (int p = 0; p < Parts; ++p) {
                const int d = lane + kWarp * p;
                if (j >= from && j < to) {
                    values[u][p] = d < headDim ? rows.row(j)[d] : 0.0F;
                }
            }
        }
    }
    /// The values of a warp below `to`, each times its score: those that are held.
    __device__ static void
    addHeld(float (&sums)[Parts], const float* scores, const HeadRows& rows, int to) {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll 8
        for (int j = valueOf(0); j < to; j += kWarps) {
#pragma unroll
            for (int p = 0; p < Parts; ++p) {
                const int d = min(lane + kWarp * p, rows.headDim - 1);
                sums[p] = fmaf(scores[j], rows.held[j * rows.headDim + d], sums[p]);
            }
        }
    }
    /// The same with those behind `first` that have arrived.
    __device__ void addValues(float (&sums)[Parts], const float* scores, int first, int to) const {
#pragma unroll
        for (int u = 0; u < kValues; ++u) {
            const int j = first + valueOf(u);
#pragma unroll
            for (int p = 0; p < Parts; ++p) {
                sums[p] = j < to ? fmaf(scores[j], values[u][p], sums[p]) : sums[p];
            }
        }
    }
};

/// Scores begin as biases: those of the block's row are there already.
__device__ void beginScores(const StepArguments& a, const Place& at, float* scores) {
    const float* bias =
        a.bias == nullptr ? nullptr : a.bias + at.head * a.biasStride - (at.visible - 1);
    for (int j = static_cast<int>(threadIdx.x); j < at.visible; j += kThreads) {
        scores[j] = bias == nullptr ? 0.0F : bias[j];
    }
}

/// A query's product with some keys, eight lanes each: added to the scores of those below `to`.
template <int Parts, int Keys>
__device__ void addScores(
    const float4 (&query)[Parts], const float4 (&keys)[Keys][Parts], int first, int to,
    float* scores) {
    float dots[Keys] = {};
#pragma unroll
    for (int u = 0; u < Keys; ++u) {
#pragma unroll
        for (int p = 0; p < Parts; ++p) {
            dots[u] = quadProduct(query[p], keys[u][p], dots[u]);
        }
    }
#pragma unroll
    for (int u = 0; u < Keys; ++u) {
        dots[u] = keySum(dots[u]);
    }
#pragma unroll
    for (int u = 0; u < Keys; ++u) {
        const int j = first + Flight<Parts>::keyOf(u);
        if (j < to && threadIdx.x % kKeyLanes == 0) {
            scores[j] += dots[u];
        }
    }
}

/// One block a head (x) of a row (y), heads of up to 32 * Parts elements in quads. The first rows
/// are in shared memory before the kernel in front has ended, others come in flights.
template <int Parts>
__global__ void __launch_bounds__(kThreads) stepAttentionKernel(const StepArguments a) {
    using F = Flight<Parts>;
    extern __shared__ float4 dynamic[];
    __shared__ float4 query4[Parts * kWarp / 4];
    __shared__ float parts[kWarps * Parts * kWarp], reduced[kWarp];
    auto* held = reinterpret_cast<float*>(dynamic);
    float* turned = held + 2 * a.most * a.headDim;
    float* scores =
        turned + (a.frequencies == nullptr ? 0 : static_cast<int>(gridDim.y) * a.headDim);
    auto* query = reinterpret_cast<float*>(query4);
    letNextBegin();
    const auto thread = static_cast<int>(threadIdx.x);
    const int lane = thread % kWarp, warp = thread / kWarp;
    const Place at(a);
    HeadRows keys(a, at, a.keys, a.k), values(a, at, a.values, a.v);
    keys.hold(held, a.most);
    values.hold(held + a.most * a.headDim, a.most);
    endCopyGroup();
    F flight;
    flight.loadKeys(keys, a.most, 0, at.cached, a.headDim);
    flight.loadValues(values, a.most, 0, at.cached, a.headDim);
    if (at.inRange) {
        beginScores(a, at, scores);
    }
    waitForPrevious();
    float* y = a.y + (static_cast<std::int64_t>(at.row) * a.heads + at.head) * a.headDim;
    if (!at.inRange) {
        writeNan(y, a.headDim);
        return;
    }
    waitForCopies<0>();
    prepare(a, at, keys, values, query, turned);
    float4 mine[Parts];
    F::loadQuery(mine, query, a.headDim);
    const int near = min(at.visible, a.most);
    for (int first = 0; first < near; first += F::kKeysOfPass) {
        float4 some[F::kKeys][Parts];
        F::loadHeld(some, keys, first, near);
        addScores(mine, some, first, near, scores);
    }
    for (int first = a.most; first < at.visible; first += F::kKeysOfPass) {
        flight.loadKeys(keys, first, at.cached, at.visible, a.headDim);
        addScores(mine, flight.keys, first, at.visible, scores);
        flight.loadKeys(keys, first + F::kKeysOfPass, 0, at.cached, a.headDim);
    }
    __syncthreads();
    const float weight = softmax(scores, at.visible, reduced);
    float sums[Parts] = {};
    F::addHeld(sums, scores, values, near);
    for (int first = a.most; first < at.visible; first += F::kValuesOfPass) {
        flight.loadValues(values, first, at.cached, at.visible, a.headDim);
        flight.addValues(sums, scores, first, at.visible);
        flight.loadValues(values, first + F::kValuesOfPass, 0, at.cached, a.headDim);
    }
#pragma unroll
    for (int p = 0; p < Parts; ++p) {
        if (lane + kWarp * p < a.headDim) {
            parts[warp * a.headDim + lane + kWarp * p] = sums[p];
        }
    }
    addParts(parts, kWarps, a.headDim, weight, y);
}

/// Heads of any length and alignment, key by key.
__global__ void __launch_bounds__(kThreads) stepAttentionAnyKernel(const StepArguments a) {
    extern __shared__ float4 dynamic[];
    __shared__ float query[kMostHeadDim], parts[kMostParts], reduced[kWarp];
    auto* scores = reinterpret_cast<float*>(dynamic);
    letNextBegin();
    waitForPrevious();
    const auto thread = static_cast<int>(threadIdx.x);
    const Place at(a);
    float* y = a.y + (static_cast<std::int64_t>(at.row) * a.heads + at.head) * a.headDim;
    if (!at.inRange) {
        writeNan(y, a.headDim);
        return;
    }
    HeadRows keys(a, at, a.keys, a.k);
    const HeadRows values(a, at, a.values, a.v);
    prepare(a, at, keys, values, query, scores + (a.capacity + 3) / 4 * 4);
    const float* bias =
        a.bias == nullptr ? nullptr : a.bias + at.head * a.biasStride - (at.visible - 1);
    const int warp = thread / kWarp, lane = thread % kWarp;
    for (int j = warp; j < at.visible; j += kWarps) {
        float dot = 0.0F;
        for (int d = lane; d < a.headDim; d += kWarp) {
            dot = fmaf(query[d], keys.row(j)[d], dot);
        }
        dot = warpSum(dot);
        if (lane == 0) {
            scores[j] = dot + (bias == nullptr ? 0.0F : bias[j]);
        }
    }
    __syncthreads();
    const float weight = softmax(scores, at.visible, reduced);
    const int count = max(1, kThreads / a.headDim);
    for (int d = thread % a.headDim; d < a.headDim; d += kThreads) {
        const int part = thread / a.headDim;
        if (part < count) {
            float sum = 0.0F;
            for (int j = part; j < at.visible; j += count) {
                sum = fmaf(scores[j], values.row(j)[d], sum);
            }
            parts[part * a.headDim + d] = sum;
        }
    }
    addParts(parts, count, a.headDim, weight, y);
}

/// Rows of the cache that are held in shared memory beside others: all blocks should be there at
/// once.
int heldRows(ExecContext& context, const StepArguments& a, int rows, int othersBytes) {
    const ExecContext::CudaState& gpu = *context.cuda();
    const int room = gpu.mostShared - kDeclaredBytes - othersBytes;
    const int together = (a.heads * rows - 1) / gpu.multiprocessors + 1;
    const int rowBytes = 2 * a.headDim * static_cast<int>(sizeof(float));
    const int capacity = (a.capacity + kWarps - 1) / kWarps * kWarps;
    const int bytes = std::clamp(room, 0, kMostHeldBytes / together);
    return std::min(capacity, bytes / rowBytes / kWarps * kWarps);
}

} // namespace

bool acceptsCache(const StepAttention& op) {
    return op.q.shape[2] <= kMostHeadDim && op.keys.shape[0] <= kMostStepKeys &&
           (op.frequencies.empty() || op.q.shape[0] <= kMostTurnedRows);
}

void launch(ExecContext& context, const StepAttention& op) {
    const auto rows = static_cast<unsigned>(op.q.shape[0]);
    const std::int64_t heads = op.q.shape[1], headDim = op.q.shape[2];
    const std::int64_t kvHeads = op.keys.shape[1];
    StepArguments a{
        .q = op.q.ptr<float>(),
        .k = op.k.empty() ? nullptr : op.k.ptr<float>(),
        .v = op.k.empty() ? nullptr : op.v.ptr<float>(),
        .qStride = op.qStride == 0 ? heads * headDim : op.qStride,
        .kvStride = op.kvStride == 0 ? kvHeads * headDim : op.kvStride,
        .length = op.length.ptr<std::int32_t>(),
        .keys = op.keys.ptr<float>(),
        .values = op.values.ptr<float>(),
        .frequencies = op.frequencies.empty() ? nullptr : op.frequencies.ptr<float>(),
        .capacity = static_cast<int>(op.keys.shape[0]),
        .heads = static_cast<int>(heads),
        .kvHeads = static_cast<int>(kvHeads),
        .headDim = static_cast<int>(headDim),
        .scale = op.scale,
        .bias = op.bias.empty() ? nullptr : op.bias.ptr<float>() + op.biasOrigin,
        .biasStride = op.bias.empty() ? 0 : op.bias.shape[1],
        .y = op.y.ptr<float>()};
    const bool quads = headDim % 4 == 0 && isAligned(a.keys) && isAligned(a.values) &&
                       isAligned(a.k) && a.kvStride % 4 == 0;
    const auto scores = static_cast<std::size_t>((a.capacity + 3) / 4 * 4);
    const std::size_t turned =
        op.frequencies.empty() ? 0 : rows * static_cast<std::size_t>(headDim);
    auto* kernel = stepAttentionAnyKernel;
    if (quads && headDim <= 4 * kWarp) {
        kernel = headDim <= kWarp       ? stepAttentionKernel<1>
                 : headDim <= 2 * kWarp ? stepAttentionKernel<2>
                                        : stepAttentionKernel<4>;
        const auto others = static_cast<int>((scores + turned) * sizeof(float));
        a.most =
            context.cuda()->overlaps ? heldRows(context, a, static_cast<int>(rows), others) : 0;
    }
    const LaunchShape shape{
        .grid = dim3(static_cast<unsigned>(heads), rows),
        .threads = kThreads,
        .shared =
            (2 * a.most * static_cast<std::size_t>(headDim) + scores + turned) * sizeof(float),
        .besideProducts = true};
    allowShared(kernel, shape.shared);
    launchOverlapped(context, "step_attention", kernel, shape, a);
}

} // namespace lathe::cuda
