// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cuda/cluster_exchange.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/draft_loop/draft_loop_plan.h"
#include "kernels/ops/draft_loop/draft_stages.cuh"
#include "kernels/ops/geglu/geglu_value.cuh"
#include "kernels/ops/swiglu/swiglu_value.cuh"

/// One block of the cluster that makes a DraftLoop.
namespace lathe::cuda {

/// Products of a layer in their order, and behind all layers that of the head. Behind each but Up
/// and Head, which stay where they are, the blocks wait for one another: for what attention made of
/// queries, keys and values, for hidden states to which something was added, and for Inner.
enum Product { Self, SelfOut, Source, SourceOut, Up, Inner, InnerOut, Head };
/// What else they wait for; the first two in place of products.
enum Arrival { Best = Up, Sum = Head, Loaded = Head + 1 };
static_assert(Loaded + 1 == DraftLoopPlan::kArrivals && InnerOut + 1 == DraftLoopPlan::kProducts);

/// A product as a block takes part in it: places in its memory, see DraftLoopPlan.
struct alignas(16) OwnProduct {
    int w, x, gamma; ///< gamma 0: x is not normed
    int count, in;   ///< rows
    int from, to;    ///< what is added to the first row's product, and where that goes
    int floats;      ///< that come of all blocks
};

/// Rows of a matrix that a block copies to its memory: of its own, of its team's or all.
struct RowsCopy {
    enum class Of { Block, Team, All };
    const std::byte* from;
    int to, rowBytes;
    int start, each, count; ///< rows: those of block b are start + b * each ..; there are `count`
    Of of;
};

template <class T>
struct LoopArguments {
    DraftLoopPlan plan;
    RowsCopy copies[DraftLoopPlan::kMostCopies];
    int copyCount;
    float* caches[DraftLoop::kMostLayers][4]; ///< keys, values; of the source, which are read
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

/// @tparam Narrow no product has more than two octets for each lane of half a warp
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
    __device__ static int thread() { return static_cast<int>(threadIdx.x); }
    __device__ static int lane() { return thread() % kWarp; }
    __device__ static int warp() { return thread() / kWarp; }
    __device__ float* floats(int offset) const { return place<float>(offset); }
    __device__ Arrivals& arrivals(int stage) const { return place<Arrivals>(p.arrivals)[stage]; }
    __device__ std::int32_t* control() const { return place<std::int32_t>(p.control); }
    __device__ OwnProduct* products() const { return place<OwnProduct>(p.products); }
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
    __device__ OwnProduct planned(int layer, int product) const;
    __device__ bool isInRange() const;
    /// One token through all layers, and the last one to the head.
    __device__ void pass(std::int32_t id, int position, bool isLast);
    __device__ void multiply(int layer, int product, int position);
    template <int Outs, class Finish>
    __device__ void multiplyRows(const OwnProduct& own, Finish&& finish) const {
        eachProduct(
            own.count,
            [&] {
                return RowProducts<T, Narrow, Outs>(
                    place<const T>(own.w), floats(own.x),
                    own.gamma == 0 ? nullptr : floats(own.gamma), own.count, own.in, a.epsilon);
            },
            finish);
    }
    __device__ void project(int layer, int position, int row, float product) const;
    __device__ float activated(float product, int row) const;
    __device__ void attend(int layer, bool isSource, int visible) const;
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
    } else {
        copyCaches();
    }
    const int count = DraftLoopPlan::kProducts * p.layers + 1;
    if (thread() < count) {
        products()[thread()] = planned(
            thread() / DraftLoopPlan::kProducts,
            thread() == count - 1 ? Head : thread() % DraftLoopPlan::kProducts);
    }
    waitForPrevious();
    if (thread() < DraftLoopPlan::kIds + p.tokens) {
        const int i = thread();
        control()[i] = i < DraftLoopPlan::kLimits   ? a.state[i]
                       : i < DraftLoopPlan::kSource ? a.limits[i - DraftLoopPlan::kLimits]
                       : i < DraftLoopPlan::kIds    ? *a.sourceLength
                                                    : a.ids[i - DraftLoopPlan::kIds];
    }
    waitForCopies<0>();
    meetCluster(); // before anybody sends
    waitForBytes(arrivals(Loaded), 0);
    return isInRange();
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

/// Keys, values and biases of the heads of this block, by all warps but the first. All positions
/// that may be used, whatever the length is: those behind it are written before they are read.
template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::copyCaches() const {
    constexpr int kQuadLanes = 8; // of a row
    const int wide = p.heads * p.headDim, helpers = kDraftThreads - kWarp;
#pragma unroll 1
    for (int i = 0; i < 4 * p.layers * p.blockHeads; ++i) {
        const int slot = i / 4 % p.blockHeads, layer = i / 4 / p.blockHeads;
        if (headOf(slot) >= p.heads) {
            continue;
        }
        const bool isSource = i % 4 >= 2;
        const int rows = isSource ? p.sourcePositions : p.positions;
        const float* from = a.caches[layer][i % 4] + headOf(slot) * p.headDim;
        float* to = floats(inLayer(layer, p.caches[i % 4])) + slot * rows * p.headDim;
#pragma unroll 1
        for (int j = (thread() - kWarp) / kQuadLanes; j < rows; j += helpers / kQuadLanes) {
#pragma unroll 1
            for (int d = 4 * (thread() % kQuadLanes); d < p.headDim; d += 4 * kQuadLanes) {
                copyAsync(
                    sharedAddress(to + j * p.headDim + d),
                    from + static_cast<std::int64_t>(j) * wide + d);
            }
        }
    }
#pragma unroll 1
    for (int i = thread() - kWarp; i < p.blockHeads * p.positions; i += helpers) {
        const int slot = i / p.positions;
        if (headOf(slot) < p.heads) {
            copyAsyncWord(
                sharedAddress(floats(p.bias) + i),
                a.bias + headOf(slot) * a.biasStride + i % p.positions - (p.positions - 1));
        }
    }
    endCopyGroup();
}

template <class T, bool Narrow>
__device__ OwnProduct DraftBlock<T, Narrow>::planned(int layer, int product) const {
    constexpr int kFloat = static_cast<int>(sizeof(float));
    const auto in = [&](int offset) { return inLayer(layer, offset); };
    const auto hidden = [&](int which) { return p.hiddens + which * p.hidden * kFloat; };
    const auto norm = [&](int which) { return in(p.norms) + which * p.hidden * kFloat; };
    const int wide = p.heads * p.headDim, slots = (p.heads - 1 - m_team) / p.blocks + 1;
    const int sourceMixed = p.mixed + wide * kFloat;
    const int outs = shareOf(p.blockHidden, p.hidden), out = m_block * p.blockHidden * kFloat;
    const int inners = shareOf(p.blockInner, p.inner), inner = m_block * p.blockInner * kFloat;
    switch (product) {
    case Self:
        return {in(p.qkv), hidden(0), norm(0), 3 * slots * p.headDim, p.hidden, 0, 0, wide};
    case SelfOut:
        return {in(p.o), p.mixed, 0, outs, wide, hidden(0) + out, hidden(1) + out, p.hidden};
    case Source:
        return {in(p.sourceQ), hidden(1), norm(1), slots * p.headDim, p.hidden, 0, p.query, wide};
    case SourceOut:
        return {in(p.sourceO),   sourceMixed,     0,       outs, wide,
                hidden(1) + out, hidden(2) + out, p.hidden};
    case Up:
        return {in(p.up), hidden(2), norm(2), p.gated ? inners : 0, p.hidden, 0, p.ups, 0};
    case Inner:
        return {in(p.in), hidden(2), norm(2), inners, p.hidden, 0, p.inners + inner, p.inner};
    case InnerOut:
        return {in(p.out), p.inners, 0, outs, p.inner, hidden(2) + out, hidden(0) + out, p.hidden};
    default:
        return {p.head,   hidden(0), p.finalNorm, p.groups * p.groupColumns,
                p.hidden, 0,         p.logits,    0};
    }
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
        pass(ids[next], position, left <= 1);
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
__device__ void DraftBlock<T, Narrow>::pass(std::int32_t id, int position, bool isLast) {
    const bool known = id >= 0 && id < p.vocabulary;
#pragma unroll 1
    for (int c = thread(); c < p.hidden; c += kDraftThreads) {
        floats(p.hiddens)[c] =
            known ? widen(a.embedding[static_cast<std::int64_t>(id) * p.hidden + c]) : nanf("");
    }
    __syncthreads();
    int layer = 0, product = Self;
#pragma unroll 1
    while (layer < p.layers || (isLast && product == Self)) {
        multiply(layer, layer < p.layers ? product : Head, position);
        if (++product == DraftLoopPlan::kProducts) {
            product = Self;
            ++layer;
            ++m_layerUse;
        }
    }
}

/// One product, what it leads to, and what the other blocks have of it.
template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::multiply(int layer, int product, int position) {
    const OwnProduct own = products()[layer * DraftLoopPlan::kProducts + product % Head];
    const bool attends = product == Self || product == Source, isSource = product == Source;
    if (product == Self || product == Head) { // those of many rows
        multiplyRows<4>(own, [&](int row, float value, int first, int) {
            if (first > 0) {
                return;
            }
            if (product == Self) {
                project(layer, position, row, value);
            } else {
                floats(own.to)[row] = value;
            }
        });
    } else {
        multiplyRows<1>(own, [&](int row, float value, int first, int lanes) {
            float* to = floats(own.to) + row;
            if (own.floats == 0 || attends) {
                *to = value; // in all lanes that have it
                return;
            }
            value = product == Inner ? activated(value, row) : floats(own.from)[row] + value;
            sendAll(product, to, value, first, lanes);
        });
    }
    if (attends || product == Head) {
        __syncthreads();
    } else {
        __syncwarp(); // Up and Inner have the same rows in the same lanes
    }
    if (attends) {
        attend(layer, isSource, isSource ? control()[DraftLoopPlan::kSource] : position + 1);
    }
    if (own.floats > 0) {
        await(product, own.floats, m_layerUse);
    }
}

/// Queries, keys and values of a position, of the heads of this block.
template <class T, bool Narrow>
__device__ void
DraftBlock<T, Narrow>::project(int layer, int position, int row, float product) const {
    const int size = p.headDim;
    int slot = 0;
#pragma unroll 1
    for (; row >= 3 * size; row -= 3 * size) {
        ++slot;
    }
    if (row < size) {
        floats(p.query)[slot * size + row] = product;
        return;
    }
    const int which = row < 2 * size ? 0 : 1, d = row - (which + 1) * size;
    floats(inLayer(layer, p.caches[which]))[(slot * p.positions + position) * size + d] = product;
    if (m_member == 0) {
        a.caches[layer][which]
                [(static_cast<std::int64_t>(position) * p.heads + headOf(slot)) * size + d] =
            product;
    }
}

template <class T, bool Narrow>
__device__ float DraftBlock<T, Narrow>::activated(float product, int row) const {
    switch (a.activation) {
    case DraftLoop::Activation::GatedGelu:
        return geGluOf(product, floats(p.ups)[row]);
    case DraftLoop::Activation::GatedSilu:
        return swiGluOf(product, floats(p.ups)[row]);
    default:
        return product < 0.0F ? 0.0F : product; // fmaxf would lose NaN
    }
}

template <class T, bool Narrow>
__device__ void DraftBlock<T, Narrow>::attend(int layer, bool isSource, int visible) const {
    const int positions = isSource ? p.sourcePositions : p.positions, size = p.headDim;
    const float* mixed = floats(p.mixed) + (isSource ? p.heads * size : 0);
    const float* keys = floats(inLayer(layer, p.caches[isSource ? 2 : 0]));
    const float* values = floats(inLayer(layer, p.caches[isSource ? 3 : 1]));
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
                isSource ? Source : Self, mixed + headOf(slot) * size + d, y, m_member, m_members);
        });
    }
}

} // namespace lathe::cuda
