// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/step_attention/step_attention.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kMostHeadDim = static_cast<int>(kMostStepHead);
constexpr int kMostParts = kThreads > kMostHeadDim ? kThreads : kMostHeadDim;
/// Lanes that share the product of a query with a key.
constexpr int kKeyLanes = 8;
constexpr int kKeysOfWarp = kWarp / kKeyLanes;
constexpr int kKeysOfBlock = kWarps * kKeysOfWarp;

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
};

/// Rows of the keys or the values of one head: those of the cache, and behind them the fresh ones.
struct HeadRows {
    const float *cached, *fresh;
    std::int64_t cacheStride, freshStride;
    int length;

    __device__ const float* row(int j) const {
        return j < length ? cached + j * cacheStride : fresh + (j - length) * freshStride;
    }
};

/// This lane's share of the product of the query with a key.
template <bool Quads>
__device__ float partOfDot(const float* query, const float* key, int headDim) {
    const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
    float dot = 0.0F;
    if constexpr (Quads) {
        for (int d = 4 * lane; d < headDim; d += 4 * kKeyLanes) {
            const float4 a = *reinterpret_cast<const float4*>(query + d);
            const float4 b = *reinterpret_cast<const float4*>(key + d);
            dot = fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, dot))));
        }
    } else {
        for (int d = lane; d < headDim; d += kKeyLanes) {
            dot = fmaf(query[d], key[d], dot);
        }
    }
    return dot;
}

/// Scores of all visible keys; the same order of additions wherever a key lies.
template <bool Quads>
__device__ void score(
    const StepArguments& a, const HeadRows& keys, const float* query, const float* bias,
    int visible, float* scores) {
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int group = static_cast<int>(threadIdx.x) % kWarp / kKeyLanes;
    for (int from = warp * kKeysOfWarp; from < visible; from += kKeysOfBlock) {
        const int j = from + group;
        float dot = j < visible ? partOfDot<Quads>(query, keys.row(j), a.headDim) : 0.0F;
#pragma unroll
        for (int offset = kKeyLanes / 2; offset > 0; offset /= 2) {
            dot += __shfl_xor_sync(0xffffffffU, dot, offset);
        }
        if (j < visible && static_cast<int>(threadIdx.x) % kKeyLanes == 0) {
            scores[j] = dot + (bias == nullptr ? 0.0F : bias[j]);
        }
    }
}

/// y = sum of scores[j] * values of key j, over `weight`: a part of the threads takes every so
/// many-th key; parts are added in their order.
__device__ void
mix(const HeadRows& values, const float* scores, int visible, int headDim, float weight,
    float* parts, float* y) {
    const int count = max(1, kThreads / headDim);
    const auto thread = static_cast<int>(threadIdx.x);
    for (int d = thread % headDim; d < headDim; d += kThreads) {
        const int part = thread / headDim;
        if (part < count) {
            float sum = 0.0F;
#pragma unroll 4
            for (int j = part; j < visible; j += count) {
                sum = fmaf(scores[j], values.row(j)[d], sum);
            }
            parts[part * headDim + d] = sum;
        }
    }
    __syncthreads();
    for (int d = thread; d < headDim; d += kThreads) {
        float sum = 0.0F;
        for (int part = 0; part < count; ++part) {
            sum += parts[part * headDim + d];
        }
        y[d] = sum / weight;
    }
}

/// to = x turned by the angles of a position, see rope_gpu.cu.
__device__ void turn(const float* x, float* to, int position, int j, const StepArguments& a) {
    const int half = a.headDim / 2;
    float sine, cosine;
    sincosf(static_cast<float>(position) * a.frequencies[j], &sine, &cosine);
    const float first = x[j], second = x[j + half];
    to[j] = first * cosine - second * sine;
    to[j + half] = second * cosine + first * sine;
}

/// One block a head (x) of a row (y).
template <bool Quads>
__global__ void __launch_bounds__(kThreads) stepAttentionKernel(const StepArguments a) {
    extern __shared__ float4 dynamic[];
    __shared__ float4 query4[kMostHeadDim / 4];
    __shared__ float parts[kMostParts];
    __shared__ float reduced[kWarp];
    auto* scores = reinterpret_cast<float*>(dynamic);
    auto* query = reinterpret_cast<float*>(query4);
    const auto head = static_cast<int>(blockIdx.x), row = static_cast<int>(blockIdx.y);
    const auto thread = static_cast<int>(threadIdx.x);
    letNextBegin();
    waitForPrevious();
    const int length = *a.length;
    const bool fresh = a.k != nullptr;
    const int visible = fresh ? length + row + 1 : length;
    float* y = a.y + (static_cast<std::int64_t>(row) * a.heads + head) * a.headDim;
    if (length < 0 || visible < 1 || visible > a.capacity) {
        for (int d = thread; d < a.headDim; d += kThreads) {
            y[d] = nanf("");
        }
        return;
    }
    const int group = a.heads / a.kvHeads, half = a.headDim / 2;
    const std::int64_t stride = static_cast<std::int64_t>(a.kvHeads) * a.headDim;
    const int at = head / group * a.headDim;
    const int cached = fresh ? length : visible;
    const HeadRows values{a.values + at, fresh ? a.v + at : nullptr, stride, a.kvStride, cached};
    HeadRows keys{a.keys + at, fresh ? a.k + at : nullptr, stride, a.kvStride, cached};
    const float* q = a.q + row * a.qStride + static_cast<std::int64_t>(head) * a.headDim;
    if (a.frequencies == nullptr) {
        for (int d = thread; d < a.headDim; d += kThreads) {
            query[d] = q[d] * a.scale;
        }
    } else {
        float* turned = scores + (a.capacity + 3) / 4 * 4; // [row + 1, headDim]
        for (int i = thread; i < half * (row + 1); i += kThreads) {
            const int r = i / half;
            turn(keys.fresh + r * a.kvStride, turned + r * a.headDim, length + r, i % half, a);
        }
        for (int j = thread; j < half; j += kThreads) {
            turn(q, query, length + row, j, a);
            query[j] *= a.scale;
            query[j + half] *= a.scale;
        }
        keys.fresh = turned;
        keys.freshStride = a.headDim;
    }
    __syncthreads();
    if (fresh && head % group == 0) { // no block reads this row from the cache
        for (int d = thread; d < a.headDim; d += kThreads) {
            a.keys[(visible - 1) * stride + at + d] = keys.row(visible - 1)[d];
            a.values[(visible - 1) * stride + at + d] = values.row(visible - 1)[d];
        }
    }
    const float* bias = a.bias == nullptr ? nullptr : a.bias + head * a.biasStride - (visible - 1);
    score<Quads>(a, keys, query, bias, visible, scores);
    __syncthreads();
    float largest = -INFINITY;
    for (int j = thread; j < visible; j += kThreads) {
        largest = fmaxf(largest, scores[j]);
    }
    largest = blockMax(largest, reduced);
    float weight = 0.0F;
    for (int j = thread; j < visible; j += kThreads) {
        scores[j] = expf(scores[j] - largest);
        weight += scores[j];
    }
    weight = blockSum(weight, reduced); // and all scores are there
    mix(values, scores, visible, a.headDim, weight, parts, y);
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
    const StepArguments a{
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
    const auto fits = [](const void* data) {
        return reinterpret_cast<std::uintptr_t>(data) % sizeof(float4) == 0;
    };
    const bool quads = headDim % 4 == 0 && fits(a.keys) && fits(a.k) && a.kvStride % 4 == 0;
    const auto scores = static_cast<std::size_t>((a.capacity + 3) / 4 * 4);
    const std::size_t turned =
        op.frequencies.empty() ? 0 : rows * static_cast<std::size_t>(headDim);
    const LaunchShape shape{
        .grid = dim3(static_cast<unsigned>(heads), rows),
        .threads = kThreads,
        .shared = (scores + turned) * sizeof(float)};
    launchOverlapped(
        context, "step_attention", quads ? stepAttentionKernel<true> : stepAttentionKernel<false>,
        shape, a);
}

} // namespace lathe::cuda
