// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/draft_loop/draft_block.cuh"

#define LATHE_DRAFT_FUNCTION __device__
#include "kernels/ops/draft_step/draft_decision.h"

/// How the blocks of a DraftLoop find the next token, and whether there is one.
namespace lathe::cuda {

/// The likeliest column, in every thread.
template <class T, bool Narrow>
__device__ ArgMaxPair DraftBlock<T, Narrow>::findBest() const {
    const float* logits = floats(p.logits);
    __syncthreads();
    auto* pairs = place<ArgMaxPair>(p.best);
    ArgMaxPair best{-INFINITY, kNoIndex};
    if (warp() == 0) {
        const int mask = p.groupColumns - 1; // a power of two
#pragma unroll 4
        for (int i = lane(); i < p.groups * p.groupColumns; i += kWarp) {
            const int column = (i & ~mask) * p.blocks + m_block * p.groupColumns + (i & mask);
            if (column < p.columns) {
                best = better(best, {logits[i], column});
            }
        }
        best = bestOf(best);
        if (lane() < p.blocks) {
            const auto block = static_cast<std::uint32_t>(lane());
            sendTo(block, &pairs[m_block].value, best.value, arrivals(Best));
            sendTo(
                block, &pairs[m_block].index, static_cast<std::uint32_t>(best.index),
                arrivals(Best));
        }
    }
    await(Best, 2 * p.blocks, m_tokenUse);
    return bestOf(lane() < p.blocks ? pairs[lane()] : ArgMaxPair{-INFINITY, kNoIndex});
}

/// Over all columns, in every thread of the first warp.
template <class T, bool Narrow>
__device__ float DraftBlock<T, Narrow>::sumExponentials(float largest) const {
    const int own = p.groupColumns / kWarp; // warps of RowStatistics, four at most
    if (warp() < own) {
        float sum = 0.0F;
#pragma unroll 1
        for (int group = 0; group < p.groups; ++group) {
            if (columnOfLogits(group, warp()) + lane() < p.columns) {
                const int i = group * p.groupColumns + thread();
                sum += expf(floats(p.logits)[i] - largest);
            }
        }
        sendAll(Sum, floats(p.sums) + m_block * own + warp(), warpSum(sum), lane(), kWarp);
    }
    if (warp() > 0) {
        return 0.0F;
    }
    await(Sum, kWarp, m_tokenUse);
    return warpSum(floats(p.sums)[lane()]);
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::decide() {
    const ArgMaxPair best = findBest();
    const float sum = sumExponentials(best.value);
    if (thread() == 0) {
        const float values[] = {best.value, logSumExpOf(best.value, sum)};
        std::int32_t* limits = control() + DraftLoopPlan::kLimits;
        const DraftPointers pointers{
            .argmax = nullptr,
            .values = nullptr,
            .limits = limits,
            .state = control(),
            .id = control() + DraftLoopPlan::kIds,
            .rows = place<std::int32_t>(p.rows),
            .stepRows = 1,
            .most = p.most};
        noteDraft(pointers, __int_as_float(limits[DraftStep::Threshold]), indexOf(best), values);
    }
    ++m_tokenUse;
    __syncthreads();
}

} // namespace lathe::cuda
