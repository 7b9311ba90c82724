// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/attention_gradient/attention_gradient.h"

namespace lathe::cuda {

namespace {

constexpr int kWarps = 4;

struct GradientArguments {
    const float* q;
    const float* keys;
    const float* values;
    const float* dy;
    float* dq;
    float* dkeys;
    float* dvalues;
    float2* rows; ///< [tokens, heads]: log of the sum of exponentials; sum(P * dP)
    int heads, kvHeads, headDim;
    std::int64_t tokens;
    float scale;
};

/// The elements l, l + 32, ... of one head in lane l. Lanes = ceil(headDim / 32).
template <int Lanes>
struct Row {
    float value[Lanes];

    __device__ static Row load(const float* from, int headDim) {
        Row row;
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
        for (int i = 0; i < Lanes; ++i) {
            const int d = lane + i * kWarp;
            row.value[i] = d < headDim ? from[d] : 0.0F;
        }
        return row;
    }
    __device__ void add(float factor, const Row& other) {
#pragma unroll
        for (int i = 0; i < Lanes; ++i) {
            value[i] = fmaf(factor, other.value[i], value[i]);
        }
    }
};

/// In every lane.
template <int Lanes>
__device__ float dot(const Row<Lanes>& a, const Row<Lanes>& b) {
    float sum = 0.0F;
#pragma unroll
    for (int i = 0; i < Lanes; ++i) {
        sum = fmaf(a.value[i], b.value[i], sum);
    }
    return warpSum(sum);
}

/// The sum of the block's warps, in a fixed order, to `to`.
template <int Lanes>
__device__ void
mergeRows(const Row<Lanes>& row, float (*shared)[Lanes * kWarp], float* to, int headDim) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    __syncthreads(); // the buffer may still be read from the merge before
#pragma unroll
    for (int i = 0; i < Lanes; ++i) {
        shared[warp][lane + i * kWarp] = row.value[i];
    }
    __syncthreads();
    for (int d = static_cast<int>(threadIdx.x); d < headDim; d += kWarps * kWarp) {
        float sum = 0.0F;
        for (int w = 0; w < kWarps; ++w) {
            sum += shared[w][d];
        }
        to[d] = sum;
    }
}

/// Softmax statistics of one query over the keys that it sees, merged over the block: every warp
/// walks every fourth key with an online softmax.
template <int Lanes>
__device__ float2
softmaxOf(const GradientArguments& a, const Row<Lanes>& q, const Row<Lanes>& dy, int kvHead) {
    __shared__ float maxima[kWarps];
    __shared__ float totals[kWarps];
    __shared__ float mixtures[kWarps];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t visible = blockIdx.x / a.heads + 1;
    float largest = -INFINITY;
    float total = 0.0F;
    float mixed = 0.0F;
    for (std::int64_t k = warp; k < visible; k += kWarps) {
        const std::int64_t at = (k * a.kvHeads + kvHead) * a.headDim;
        const float score = a.scale * dot(q, Row<Lanes>::load(a.keys + at, a.headDim));
        const float gradient = dot(dy, Row<Lanes>::load(a.values + at, a.headDim));
        const float next = fmaxf(largest, score);
        const float keep = expf(largest - next); // 0 at the first key
        const float add = expf(score - next);
        total = total * keep + add;
        mixed = mixed * keep + add * gradient;
        largest = next;
    }
    if (threadIdx.x % kWarp == 0) {
        maxima[warp] = largest;
        totals[warp] = total;
        mixtures[warp] = mixed;
    }
    __syncthreads();
    float top = maxima[0];
    for (int w = 1; w < kWarps; ++w) {
        top = fmaxf(top, maxima[w]);
    }
    float sum = 0.0F;
    float mixture = 0.0F;
    for (int w = 0; w < kWarps; ++w) {
        const float factor = expf(maxima[w] - top); // a warp without keys: exp(-inf) = 0
        sum += totals[w] * factor;
        mixture += mixtures[w] * factor;
    }
    return {top + logf(sum), mixture / sum};
}

/// One block per (token, query head): dq, and the statistics of its softmax for the keys.
template <int Lanes>
__global__ void queryKernel(GradientArguments a) {
    __shared__ float shared[kWarps][Lanes * kWarp];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t token = blockIdx.x / a.heads;
    const int head = static_cast<int>(blockIdx.x % a.heads);
    const int kvHead = head / (a.heads / a.kvHeads);
    const std::int64_t query = static_cast<std::int64_t>(blockIdx.x) * a.headDim;
    const Row<Lanes> q = Row<Lanes>::load(a.q + query, a.headDim);
    const Row<Lanes> dy = Row<Lanes>::load(a.dy + query, a.headDim);
    const float2 softmax = softmaxOf(a, q, dy, kvHead);
    if (threadIdx.x == 0) {
        a.rows[blockIdx.x] = softmax;
    }
    Row<Lanes> dq{};
    for (std::int64_t k = warp; k <= token; k += kWarps) {
        const std::int64_t at = (k * a.kvHeads + kvHead) * a.headDim;
        const Row<Lanes> key = Row<Lanes>::load(a.keys + at, a.headDim);
        const float weight = expf(a.scale * dot(q, key) - softmax.x);
        const float gradient = dot(dy, Row<Lanes>::load(a.values + at, a.headDim));
        dq.add(a.scale * weight * (gradient - softmax.y), key);
    }
    mergeRows<Lanes>(dq, shared, a.dq + query, a.headDim);
}

/// One block per (token, key head): what all queries that see this key add to it.
template <int Lanes>
__global__ void keyKernel(GradientArguments a) {
    __shared__ float shared[kWarps][Lanes * kWarp];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t token = blockIdx.x / a.kvHeads;
    const int kvHead = static_cast<int>(blockIdx.x % a.kvHeads);
    const int group = a.heads / a.kvHeads;
    const std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * a.headDim;
    const Row<Lanes> key = Row<Lanes>::load(a.keys + at, a.headDim);
    const Row<Lanes> value = Row<Lanes>::load(a.values + at, a.headDim);
    Row<Lanes> dkey{};
    Row<Lanes> dvalue{};
    const std::int64_t readers = (a.tokens - token) * group;
    for (std::int64_t i = warp; i < readers; i += kWarps) {
        const std::int64_t row = (token + i / group) * a.heads + kvHead * group + i % group;
        const Row<Lanes> q = Row<Lanes>::load(a.q + row * a.headDim, a.headDim);
        const Row<Lanes> dy = Row<Lanes>::load(a.dy + row * a.headDim, a.headDim);
        const float2 softmax = a.rows[row];
        const float weight = expf(a.scale * dot(q, key) - softmax.x);
        dkey.add(a.scale * weight * (dot(dy, value) - softmax.y), q);
        dvalue.add(weight, dy);
    }
    mergeRows<Lanes>(dkey, shared, a.dkeys + at, a.headDim);
    mergeRows<Lanes>(dvalue, shared, a.dvalues + at, a.headDim);
}

template <int Lanes>
void launchLanes(ExecContext& context, const GradientArguments& a) {
    const cudaStream_t stream = context.cuda()->stream;
    queryKernel<Lanes><<<static_cast<unsigned>(a.tokens * a.heads), kWarps * kWarp, 0, stream>>>(a);
    keyKernel<Lanes><<<static_cast<unsigned>(a.tokens * a.kvHeads), kWarps * kWarp, 0, stream>>>(a);
}

} // namespace

void launch(ExecContext& context, const AttentionGradient& op) {
    if (op.q.elementCount() == 0) {
        return;
    }
    if (op.q.shape[2] > 16 * kWarp) {
        throw Unsupported(
            "attention_gradient: heads of " + std::to_string(op.q.shape[2]) +
            " elements; the CUDA kernel takes at most 512, --device cpu any size");
    }
    const Arena::Scope scope(context.scratch());
    const TensorView rows = context.scratch().take({op.q.shape[0], op.q.shape[1], 2}, DType::F32);
    const GradientArguments a{
        op.q.ptr<float>(),
        op.keys.ptr<float>(),
        op.values.ptr<float>(),
        op.dy.ptr<float>(),
        op.dq.ptr<float>(),
        op.dkeys.ptr<float>(),
        op.dvalues.ptr<float>(),
        reinterpret_cast<float2*>(rows.ptr<float>()),
        static_cast<int>(op.q.shape[1]),
        static_cast<int>(op.keys.shape[1]),
        static_cast<int>(op.q.shape[2]),
        op.q.shape[0],
        op.scale};
    if (a.headDim <= kWarp) {
        launchLanes<1>(context, a);
    } else if (a.headDim <= 2 * kWarp) {
        launchLanes<2>(context, a);
    } else if (a.headDim <= 4 * kWarp) {
        launchLanes<4>(context, a);
    } else if (a.headDim <= 8 * kWarp) {
        launchLanes<8>(context, a);
    } else {
        launchLanes<16>(context, a);
    }
    checkLaunch(context, "attention_gradient");
}

} // namespace lathe::cuda
