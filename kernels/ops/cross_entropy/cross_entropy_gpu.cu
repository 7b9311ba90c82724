// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/ops/cross_entropy/cross_entropy.h"

namespace lathe::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kNoIndex = 0x7fffffff; ///< behind every real one, so that `better` replaces it

/// max and log(sum(exp(row - max))) of one row, in every thread of the block.
struct RowNorm {
    float largest;
    float logSum;
};
__device__ RowNorm rowNorm(const float* row, std::int64_t cols, float* shared) {
    float largest = -INFINITY;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        largest = fmaxf(largest, row[c]);
    }
    largest = blockMax(largest, shared);
    float sum = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        sum += expf(row[c] - largest);
    }
    return {largest, logf(blockSum(sum, shared))};
}

__device__ int rowArgMax(const float* row, std::int64_t cols, ArgMaxPair* shared) {
    ArgMaxPair best{-INFINITY, kNoIndex};
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        best = better(best, {row[c], static_cast<int>(c)});
    }
    const int found = blockArgMax(best, shared).index;
    return found == kNoIndex ? 0 : found; // nothing but NaN
}

__global__ void crossEntropyKernel(
    const float* logits, const std::int32_t* targets, float* nll, std::int64_t cols) {
    __shared__ float shared[kWarp];
    const float* row = logits + blockIdx.x * cols;
    const RowNorm norm = rowNorm(row, cols, shared);
    if (threadIdx.x == 0) {
        const std::int32_t target = targets[blockIdx.x];
        const bool known = target >= 0 && target < cols;
        nll[blockIdx.x] = known ? norm.logSum - (row[target] - norm.largest) : nanf("");
    }
}

__global__ void crossEntropyGradientKernel(
    const float* logits, const std::int32_t* targets, float scale, float* dlogits,
    std::int64_t cols) {
    __shared__ float shared[kWarp];
    const float* row = logits + blockIdx.x * cols;
    float* to = dlogits + blockIdx.x * cols;
    const RowNorm norm = rowNorm(row, cols, shared); // every thread has read the row
    const std::int32_t target = targets[blockIdx.x];
    const bool known = target >= 0 && target < cols;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        const float below = row[c] - norm.largest - norm.logSum;
        // Near 1 the difference of the target's entry would cancel.
        const float gradient = c == target ? expm1f(below) : expf(below);
        to[c] = known ? scale * gradient : nanf("");
    }
}

__global__ void
distanceKernel(const float* p, const float* q, float* kl, std::int32_t* same, std::int64_t cols) {
    __shared__ float shared[kWarp];
    __shared__ ArgMaxPair pairs[kWarp];
    const float* pRow = p + blockIdx.x * cols;
    const float* qRow = q + blockIdx.x * cols;
    const RowNorm pNorm = rowNorm(pRow, cols, shared);
    const RowNorm qNorm = rowNorm(qRow, cols, shared);
    float sum = 0.0F;
    for (std::int64_t c = threadIdx.x; c < cols; c += blockDim.x) {
        const float logP = pRow[c] - pNorm.largest - pNorm.logSum;
        const float logQ = qRow[c] - qNorm.largest - qNorm.logSum;
        const float probability = expf(logP);
        sum += probability > 0.0F ? probability * (logP - logQ) : 0.0F;
    }
    sum = blockSum(sum, shared);
    const int pBest = rowArgMax(pRow, cols, pairs);
    const int qBest = rowArgMax(qRow, cols, pairs);
    if (threadIdx.x == 0) {
        // Rounding may leave a tiny negative number where the distributions agree; NaN stays.
        kl[blockIdx.x] = sum < 0.0F ? 0.0F : sum;
        same[blockIdx.x] = pBest == qBest ? 1 : 0;
    }
}

__global__ void argMaxKernel(const float* logits, std::int32_t* index, std::int64_t cols) {
    __shared__ ArgMaxPair pairs[kWarp];
    const int best = rowArgMax(logits + blockIdx.x * cols, cols, pairs);
    if (threadIdx.x == 0) {
        index[blockIdx.x] = best;
    }
}

unsigned rowsOf(const ConstView& logits) { return static_cast<unsigned>(logits.shape[0]); }

} // namespace

void launch(ExecContext& context, const CrossEntropy& op) {
    if (op.logits.elementCount() == 0) {
        return;
    }
    crossEntropyKernel<<<rowsOf(op.logits), kThreads, 0, context.cuda()->stream>>>(
        op.logits.ptr<float>(), op.targets.ptr<std::int32_t>(), op.nll.ptr<float>(),
        op.logits.shape[1]);
    checkLaunch(context, "cross_entropy");
}

void launch(ExecContext& context, const CrossEntropyGradient& op) {
    if (op.logits.elementCount() == 0) {
        return;
    }
    crossEntropyGradientKernel<<<rowsOf(op.logits), kThreads, 0, context.cuda()->stream>>>(
        op.logits.ptr<float>(), op.targets.ptr<std::int32_t>(), op.scale, op.dlogits.ptr<float>(),
        op.logits.shape[1]);
    checkLaunch(context, "cross_entropy_gradient");
}

void launch(ExecContext& context, const DistributionDistance& op) {
    if (op.p.elementCount() == 0) {
        return;
    }
    distanceKernel<<<rowsOf(op.p), kThreads, 0, context.cuda()->stream>>>(
        op.p.ptr<float>(), op.q.ptr<float>(), op.kl.ptr<float>(), op.sameArgmax.ptr<std::int32_t>(),
        op.p.shape[1]);
    checkLaunch(context, "distribution_distance");
}

void launch(ExecContext& context, const ArgMax& op) {
    if (op.logits.elementCount() == 0) {
        return;
    }
    argMaxKernel<<<rowsOf(op.logits), kThreads, 0, context.cuda()->stream>>>(
        op.logits.ptr<float>(), op.index.ptr<std::int32_t>(), op.logits.shape[1]);
    checkLaunch(context, "argmax");
}

} // namespace lathe::cuda
