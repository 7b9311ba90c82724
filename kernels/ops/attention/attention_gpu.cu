// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/attention/attention.h"

namespace lathe::cuda {

namespace {

constexpr int kWarps = 4;

struct HeadArguments {
    const float* q;
    const float* keys;
    const float* values;
    float* y;
    int heads, kvHeads, headDim;
    std::int64_t past, rows; ///< rows: that all tokens see; -1: causal
    float scale;
    const float* bias; ///< distance 0 of the first head; null: none
    std::int64_t biasStride;
};

/// One block per (token, head). Each warp walks every fourth key with an online softmax, lane l
/// holding the elements l, l + 32, ... of the head; the four partial results are merged in a fixed
/// order at the end. Lanes = ceil(headDim / 32).
template <int Lanes>
__global__ void attentionKernel(HeadArguments a) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const std::int64_t token = blockIdx.x / a.heads;
    const int head = static_cast<int>(blockIdx.x % a.heads);
    const int kvHead = head / (a.heads / a.kvHeads);
    const std::int64_t visible = a.rows < 0 ? a.past + token + 1 : a.rows;
    const float* bias =
        a.bias == nullptr ? nullptr : a.bias + head * a.biasStride - (a.past + token);
    const float* query = a.q + (token * a.heads + head) * a.headDim;

    float q[Lanes];
    float sum[Lanes];
#pragma unroll
    for (int i = 0; i < Lanes; ++i) {
        const int d = lane + i * kWarp;
        q[i] = d < a.headDim ? query[d] * a.scale : 0.0F;
        sum[i] = 0.0F;
    }
    float largest = -INFINITY;
    float weight = 0.0F;
    for (std::int64_t k = warp; k < visible; k += kWarps) {
        const std::int64_t row = (k * a.kvHeads + kvHead) * a.headDim;
        float dot = 0.0F;
#pragma unroll
        for (int i = 0; i < Lanes; ++i) {
            const int d = lane + i * kWarp;
            dot += d < a.headDim ? q[i] * a.keys[row + d] : 0.0F;
        }
        const float score = warpSum(dot) + (bias == nullptr ? 0.0F : bias[k]);
        const float next = fmaxf(largest, score);
        const float keep = expf(largest - next); // 0 at the first key
        const float add = expf(score - next);
        weight = weight * keep + add;
#pragma unroll
        for (int i = 0; i < Lanes; ++i) {
            const int d = lane + i * kWarp;
            const float value = d < a.headDim ? a.values[row + d] : 0.0F;
            sum[i] = sum[i] * keep + add * value;
        }
        largest = next;
    }

    __shared__ float maxima[kWarps];
    __shared__ float weights[kWarps];
    __shared__ float sums[kWarps][Lanes * kWarp];
    if (lane == 0) {
        maxima[warp] = largest;
        weights[warp] = weight;
    }
#pragma unroll
    for (int i = 0; i < Lanes; ++i) {
        sums[warp][lane + i * kWarp] = sum[i];
    }
    __syncthreads();
    float top = maxima[0];
    for (int w = 1; w < kWarps; ++w) {
        top = fmaxf(top, maxima[w]);
    }
    float total = 0.0F;
    for (int w = 0; w < kWarps; ++w) {
        total += weights[w] * expf(maxima[w] - top); // a warp without keys: exp(-inf) = 0
    }
    for (int d = static_cast<int>(threadIdx.x); d < a.headDim; d += kWarps * kWarp) {
        float value = 0.0F;
        for (int w = 0; w < kWarps; ++w) {
            value += sums[w][d] * expf(maxima[w] - top);
        }
        a.y[(token * a.heads + head) * a.headDim + d] = value / total;
    }
}

} // namespace

void launch(ExecContext& context, const Attention& op) {
    if (op.q.elementCount() == 0) {
        return;
    }
    if (op.q.shape[2] > 16 * kWarp) {
        throw Unsupported(
            "attention: heads of " + std::to_string(op.q.shape[2]) +
            " elements; the CUDA kernel takes at most 512, --device cpu any size");
    }
    const HeadArguments a{
        op.q.ptr<float>(),
        op.keys.ptr<float>(),
        op.values.ptr<float>(),
        op.y.ptr<float>(),
        static_cast<int>(op.q.shape[1]),
        static_cast<int>(op.keys.shape[1]),
        static_cast<int>(op.q.shape[2]),
        op.past,
        op.causal ? -1 : op.keys.shape[0],
        op.scale,
        op.bias.empty() ? nullptr : op.bias.ptr<float>() + op.biasOrigin,
        op.bias.empty() ? 0 : op.bias.shape[1]};
    const auto blocks = static_cast<unsigned>(op.q.shape[0] * op.q.shape[1]);
    const cudaStream_t stream = context.cuda()->stream;
    if (a.headDim <= kWarp) {
        attentionKernel<1><<<blocks, kWarps * kWarp, 0, stream>>>(a);
    } else if (a.headDim <= 2 * kWarp) {
        attentionKernel<2><<<blocks, kWarps * kWarp, 0, stream>>>(a);
    } else if (a.headDim <= 4 * kWarp) {
        attentionKernel<4><<<blocks, kWarps * kWarp, 0, stream>>>(a);
    } else if (a.headDim > 8 * kWarp) {
        attentionKernel<16><<<blocks, kWarps * kWarp, 0, stream>>>(a);
    } else {
        attentionKernel<8><<<blocks, kWarps * kWarp, 0, stream>>>(a);
    }
    checkLaunch(context, "attention");
}

} // namespace lathe::cuda
