// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/cluster_exchange.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/draft_loop/draft_loop_plan.h"
#include "kernels/ops/draft_loop/draft_stages.cuh"
#include "kernels/ops/geglu/geglu_value.cuh"
#include "kernels/ops/swiglu/swiglu_value.cuh"

#define LATHE_DRAFT_FUNCTION __device__
#include "kernels/ops/draft_step/draft_decision.h"

/// One block of the cluster that makes a DraftLoop.
namespace lathe::cuda {

/// What the blocks wait for. The first six are used once in each layer of each token: what two
/// attentions and the first feed-forward product made, and what was added to hidden states.
enum Stage { MixedSelf, AddedSelf, MixedSource, AddedSource, Inner, AddedInner, Best, Sum, Loaded };
static_assert(Loaded + 1 == DraftLoopPlan::kArrivals);

/// Rows of a matrix that a block copies to its memory: of its own, of its team's or all.
struct RowsCopy {
    enum class Of { Block, Team, All };
    const std::byte* from;
    int to, rowBytes;
    int start, each, count; ///< rows: those of block b are start + b * each ..; there are `count`
    Of of;
};

struct LayerCaches {
    float *keys, *values;
    const float *sourceKeys, *sourceValues;
};

template <class T>
struct LoopArguments {
    DraftLoopPlan plan;
    RowsCopy copies[DraftLoopPlan::kMostCopies];
    int copyCount;
    LayerCaches caches[DraftLoop::kMostLayers];
    const T* embedding;
    const float* bias; ///< distance 0 of the first head
    std::int64_t biasStride;
    float epsilon;
    DraftLoop::Activation activation;
    const std::int32_t *sourceLength, *limits;
    std::int32_t *state, *ids, *rows;
};

extern __shared__ uint4 draftMemory[];

template <class Element>
__device__ Element* place(int offset) {
    return reinterpret_cast<Element*>(reinterpret_cast<std::byte*>(draftMemory) + offset);
}

/// @tparam Narrow a hidden state has an octet for each lane of half a warp at most
template <class T, bool Narrow>
class DraftBlock {
public:
    __device__ explicit DraftBlock(const LoopArguments<T>& arguments)
        : a(arguments), p(arguments.plan), m_block(static_cast<int>(blockOfCluster())),
          m_team(m_block % p.teams), m_member(m_block / p.teams),
          m_members((p.blocks - 1 - m_team) / p.teams + 1) {}

    /// Memory as it has to be for the first token. @return whether there is one
    __device__ bool begin();
    __device__ void draft();
    /// Tells what became of it.
    __device__ void end(bool hasDrafted, int countBefore) const;
    __device__ int count() const { return control()[DraftStep::Count]; }

private:
    static constexpr int kLanes = Narrow ? kWarp / 2 : kWarp;
    static constexpr int kWarps = kDraftThreads / kWarp;

    __device__ static int thread() { return static_cast<int>(threadIdx.x); }
    __device__ static int lane() { return thread() % kWarp; }
    __device__ static int warp() { return thread() / kWarp; }
    __device__ float* floats(int offset) const { return place<float>(offset); }
    __device__ Arrivals& arrivals(int stage) const { return place<Arrivals>(p.arrivals)[stage]; }
    __device__ std::int32_t* control() const { return place<std::int32_t>(p.control); }
    /// Hidden states in front of self-attention, of the source's and of the feed-forward layer.
    __device__ float* hidden(int which) const { return floats(p.hiddens) + which * p.hidden; }
    __device__ int inLayer(int layer, int offset) const {
        return p.firstLayer + layer * p.layerBytes + offset;
    }
    /// Of the heads that this block has.
    __device__ int headOf(int slot) const { return m_team + slot * p.blocks; }
    /// Outputs of this block, `each` of them or fewer, of all.
    __device__ int shareOf(int each, int all) const {
        return max(0, min(each, all - m_block * each));
    }

    /// Until all blocks have sent what they have of a stage.
    __device__ void await(int stage, int floats, std::uint32_t use) const {
        if (thread() == 0) {
            expectBytes(arrivals(stage), static_cast<std::uint32_t>(floats * 4));
        }
        waitForBytes(arrivals(stage), use);
    }
    /// To every block, each by one of `lanes` lanes.
    __device__ void sendAll(int stage, const float* to, float value, int from, int lanes) const {
#pragma unroll 1
        for (int block = from; block < p.blocks; block += lanes) {
            sendTo(static_cast<std::uint32_t>(block), to, value, arrivals(stage));
        }
    }

    __device__ void copyWeights() const;
    __device__ void copyCaches() const;
    __device__ bool isInRange() const;
    /// One token through all layers.
    __device__ void pass(std::int32_t id, int position);
    __device__ void project(int layer, bool isSource, int position) const;
    __device__ void attend(int layer, bool isSource, int visible) const;
    __device__ void feedIn(int layer) const;
    /// What is to come of the last layer's hidden states, into the state and the first id.
    __device__ void decide();
    __device__ ArgMaxPair findBest() const;
    __device__ float sumExponentials(float largest) const;
    /// Column of the first of a warp's logits.
    __device__ int columnOfLogits(int group, int part) const {
        return group * kStatisticsThreads + m_block * p.groupColumns + part * kWarp;
    }

    const LoopArguments<T>& a;
    const DraftLoopPlan& p;
    const int m_block, m_team, m_member, m_members; ///< members: blocks of the team
    std::uint32_t m_layerUse = 0, m_tokenUse = 0;
};

template <class T, bool Narrow>
__device__ bool DraftBlock<T, Narrow>::begin() {
    if (thread() == 0) {
#pragma unroll 1
        for (int i = 0; i < DraftLoopPlan::kArrivals; ++i) {
            initArrivals(arrivals(i));
        }
        announceInit();
    }
    if (warp() == 0) {
        __syncwarp();
        copyWeights();
    }
    waitForPrevious();
    if (thread() < DraftLoopPlan::kIds + p.tokens) {
        const int i = thread();
        control()[i] = i < DraftLoopPlan::kLimits   ? a.state[i]
                       : i < DraftLoopPlan::kSource ? a.limits[i - DraftLoopPlan::kLimits]
                       : i < DraftLoopPlan::kIds    ? *a.sourceLength
                                                    : a.ids[i - DraftLoopPlan::kIds];
    }
    meetCluster(); // before anybody sends
    const bool inRange = isInRange();
    if (inRange) {
        copyCaches();
    }
    waitForBytes(arrivals(Loaded), 0);
    __syncthreads();
    return inRange;
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::copyWeights() const {
#pragma unroll 1
    for (int i = lane(); i < a.copyCount; i += kWarp) {
        const RowsCopy& copy = a.copies[i];
        const int unit = copy.of == RowsCopy::Of::Block  ? m_block
                         : copy.of == RowsCopy::Of::Team ? m_team
                                                         : 0;
        const int first = copy.start + unit * copy.each;
        const int bytes = max(0, min(copy.each, copy.count - first)) * copy.rowBytes;
        if (bytes > 0) {
            announceBytes(arrivals(Loaded), static_cast<std::uint32_t>(bytes));
            copyBulk(
                place<std::byte>(copy.to),
                copy.from + static_cast<std::int64_t>(first) * copy.rowBytes,
                static_cast<std::uint32_t>(bytes), arrivals(Loaded));
        }
    }
    __syncwarp();
    if (lane() == 0) {
        expectBytes(arrivals(Loaded), 0);
    }
}

/// Keys, values and biases of the heads of this block.
template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::copyCaches() const {
    constexpr int kQuadLanes = 8; // of a row
    const int wide = p.heads * p.headDim;
    const int length = control()[DraftStep::Length], source = control()[DraftLoopPlan::kSource];
#pragma unroll 1
    for (int i = 0; i < 4 * p.layers; ++i) {
        const LayerCaches& caches = a.caches[i / 4];
        const bool isSource = i % 4 >= 2;
        const float* from = i % 4 == 0   ? caches.keys
                            : i % 4 == 1 ? caches.values
                            : i % 4 == 2 ? caches.sourceKeys
                                         : caches.sourceValues;
        const int to = i % 4 == 0   ? p.keys
                       : i % 4 == 1 ? p.values
                       : i % 4 == 2 ? p.sourceKeys
                                    : p.sourceValues;
        float* own = floats(inLayer(i / 4, to));
#pragma unroll 1
        for (int slot = 0; headOf(slot) < p.heads; ++slot) {
#pragma unroll 1
            for (int j = thread() / kQuadLanes; j < (isSource ? source : length);
                 j += kDraftThreads / kQuadLanes) {
#pragma unroll 1
                for (int d = 4 * (thread() % kQuadLanes); d < p.headDim; d += 4 * kQuadLanes) {
                    copyAsync(
                        sharedAddress(own + j * p.headDim + d),
                        from + static_cast<std::int64_t>(j) * wide + headOf(slot) * p.headDim + d);
                }
            }
            own += (isSource ? p.sourcePositions : p.positions) * p.headDim;
        }
    }
#pragma unroll 1
    for (int slot = 0; headOf(slot) < p.heads; ++slot) {
        const float* from = a.bias + headOf(slot) * a.biasStride - (p.positions - 1);
#pragma unroll 1
        for (int i = thread(); i < p.positions; i += kDraftThreads) {
            floats(p.bias)[slot * p.positions + i] = from[i];
        }
    }
    endCopyGroup();
    waitForCopies<0>();
}

template <class T, bool Narrow>
__device__ bool DraftBlock<T, Narrow>::isInRange() const {
    const std::int32_t* state = control();
    const std::int32_t fed = state[DraftStep::Fed], count = state[DraftStep::Count];
    const std::int32_t length = state[DraftStep::Length];
    const std::int32_t source = state[DraftLoopPlan::kSource];
    return fed >= 1 && fed <= p.tokens && count >= 0 && count < p.most && length >= 0 &&
           length <= p.positions - fed && source >= 1 && source <= p.sourcePositions;
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::draft() {
    const std::int32_t* state = control();
    const std::int32_t* ids = control() + DraftLoopPlan::kIds;
    int left = state[DraftStep::Fed], position = state[DraftStep::Length];
    bool goesOn = true;
#pragma unroll 1
    for (int next = 0; goesOn && position < p.positions; ++position) {
        pass(ids[next], position);
        next = left > 1 ? next + 1 : 0; // where the draft is
        --left;
        if (left <= 0) {
            decide();
            goesOn = state[DraftStep::Go] != 0;
        }
    }
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::end(bool hasDrafted, int countBefore) const {
    meetCluster(); // nobody's memory goes while others write to it
    if (m_block > 0) {
        return;
    }
    if (thread() < DraftStep::kStateSize) {
        a.state[thread()] = thread() == DraftStep::Go ? 0 : control()[thread()];
    }
    if (hasDrafted) {
        const std::int32_t* rows = place<std::int32_t>(p.rows);
#pragma unroll 1
        for (int i = 4 * countBefore + thread(); i < 4 * count(); i += kDraftThreads) {
            a.rows[i] = rows[i];
        }
        if (thread() == 0) {
            a.ids[0] = control()[DraftLoopPlan::kIds];
        }
    }
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::pass(std::int32_t id, int position) {
    const bool known = id >= 0 && id < p.vocabulary;
#pragma unroll 1
    for (int c = thread(); c < p.hidden; c += kDraftThreads) {
        hidden(0)[c] =
            known ? widen(a.embedding[static_cast<std::int64_t>(id) * p.hidden + c]) : nanf("");
    }
    __syncthreads();
    const int wide = p.heads * p.headDim;
#pragma unroll 1
    for (int layer = 0; layer < p.layers; ++layer, ++m_layerUse) {
        // Self-attention, that of the source, the feed-forward layer: something between, which goes
        // to all blocks, and what is added to the hidden states, which does too.
#pragma unroll 1
        for (int part = 0; part < 3; ++part) {
            const bool isSource = part == 1, attends = part < 2;
            if (attends) {
                project(layer, isSource, position);
                attend(
                    layer, isSource, isSource ? control()[DraftLoopPlan::kSource] : position + 1);
            } else {
                feedIn(layer);
            }
            const int in = attends ? wide : p.inner;
            await(2 * part, in, m_layerUse);
            const OwnRows<T> rows{
                .w = place<const T>(inLayer(layer, attends ? (isSource ? p.sourceO : p.o) : p.out)),
                .x = attends ? floats(p.mixed) + part * wide : floats(p.inners),
                .gamma = nullptr,
                .count = shareOf(p.blockHidden, p.hidden),
                .in = in,
                .epsilon = a.epsilon};
            const float* from = hidden(part) + m_block * p.blockHidden;
            const float* to = hidden(attends ? part + 1 : 0) + m_block * p.blockHidden;
            eachProduct<kWarp, 1>(rows, [&](int row, float product, int first, int lanes) {
                sendAll(2 * part + 1, to + row, from[row] + product, first, lanes);
            });
            await(2 * part + 1, p.hidden, m_layerUse);
        }
    }
}

/// Queries of the heads of this block and, but for the source, this position's keys and values.
template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::project(int layer, bool isSource, int position) const {
    const int slots = (p.heads - 1 - m_team) / p.blocks + 1, size = p.headDim;
    const int rowsOfHead = isSource ? size : 3 * size;
    const OwnRows<T> rows{
        .w = place<const T>(inLayer(layer, isSource ? p.sourceQ : p.qkv)),
        .x = hidden(isSource ? 1 : 0),
        .gamma = floats(inLayer(layer, p.norms)) + (isSource ? p.hidden : 0),
        .count = slots * rowsOfHead,
        .in = p.hidden,
        .epsilon = a.epsilon};
    eachProduct<kLanes, 4>(rows, [&](int row, float product, int first, int) {
        if (first > 0) {
            return;
        }
        int slot = 0;
#pragma unroll 1
        for (; row >= rowsOfHead; row -= rowsOfHead) {
            ++slot;
        }
        if (row < size) {
            floats(p.query)[slot * size + row] = product;
            return;
        }
        const bool isKey = row < 2 * size;
        const int d = row - (isKey ? size : 2 * size);
        floats(
            inLayer(layer, isKey ? p.keys : p.values))[(slot * p.positions + position) * size + d] =
            product;
        if (m_member == 0) {
            float* cache = isKey ? a.caches[layer].keys : a.caches[layer].values;
            cache[(static_cast<std::int64_t>(position) * p.heads + headOf(slot)) * size + d] =
                product;
        }
    });
    __syncthreads();
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::attend(int layer, bool isSource, int visible) const {
    const int positions = isSource ? p.sourcePositions : p.positions, size = p.headDim;
    const float* mixed = floats(p.mixed) + (isSource ? p.heads * size : 0);
    const float* keys = floats(inLayer(layer, isSource ? p.sourceKeys : p.keys));
    const float* values = floats(inLayer(layer, isSource ? p.sourceValues : p.values));
#pragma unroll 1
    for (int slot = 0; headOf(slot) < p.heads; ++slot) {
        const OwnHead head{
            .query = floats(p.query) + slot * size,
            .keys = keys + slot * positions * size,
            .values = values + slot * positions * size,
            .bias = isSource ? nullptr : floats(p.bias) + (slot + 1) * positions - visible,
            .scores = floats(p.scores),
            .parts = floats(p.parts),
            .visible = visible,
            .headDim = size};
        attendHead(head, [&](int d, float y) {
            sendAll(
                isSource ? MixedSource : MixedSelf, mixed + headOf(slot) * size + d, y, m_member,
                m_members);
        });
    }
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::feedIn(int layer) const {
    using Activation = DraftLoop::Activation;
    const Activation activation = a.activation;
    float* ups = floats(p.ups);
#pragma unroll 1
    for (int half = p.gated ? 0 : 1; half < 2; ++half) {
        const OwnRows<T> rows{
            .w = place<const T>(inLayer(layer, half == 0 ? p.up : p.in)),
            .x = hidden(2),
            .gamma = floats(inLayer(layer, p.norms)) + 2 * p.hidden,
            .count = shareOf(p.blockInner, p.inner),
            .in = p.hidden,
            .epsilon = a.epsilon};
        eachProduct<kLanes, 1>(rows, [&](int row, float product, int first, int lanes) {
            if (half == 0) {
                ups[row] = product; // the same lanes have the same rows in both halves
                return;
            }
            float y = product < 0.0F ? 0.0F : product; // fmaxf would lose NaN
            if (activation == Activation::GatedGelu) {
                y = geGluOf(product, ups[row]);
            } else if (activation == Activation::GatedSilu) {
                y = swiGluOf(product, ups[row]);
            }
            sendAll(Inner, floats(p.inners) + m_block * p.blockInner + row, y, first, lanes);
        });
        __syncwarp();
    }
}

/// The likeliest column, in every thread.
template <class T, bool Narrow>
__device__ ArgMaxPair DraftBlock<T, Narrow>::findBest() const {
    float* logits = floats(p.logits);
    const OwnRows<T> rows{
        .w = place<const T>(p.head),
        .x = hidden(0),
        .gamma = floats(p.finalNorm),
        .count = p.groups * p.groupColumns,
        .in = p.hidden,
        .epsilon = a.epsilon};
    eachProduct<kLanes, 4>(rows, [&](int row, float product, int first, int) {
        if (first == 0) {
            logits[row] = product;
        }
    });
    __syncthreads();
    auto* pairs = place<ArgMaxPair>(p.best);
    ArgMaxPair best{-INFINITY, kNoIndex};
    if (warp() == 0) {
#pragma unroll 1
        for (int group = 0; group < p.groups; ++group) {
#pragma unroll 1
            for (int part = 0; part < p.groupColumns / kWarp; ++part) {
                const int column = columnOfLogits(group, part) + lane();
                if (column < p.columns) {
                    best = better(
                        best, {logits[group * p.groupColumns + part * kWarp + lane()], column});
                }
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
    const int own = p.groupColumns / kWarp; // warps of RowStatistics
    if (warp() < own) {                     // no more of them than warps
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
