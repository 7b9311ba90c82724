// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/draft_loop/draft_stages.cuh"
#include "kernels/ops/geglu/geglu_value.cuh"
#include "kernels/ops/row_statistics/statistics_order.cuh"
#include "kernels/ops/swiglu/swiglu_value.cuh"

#define LATHE_DRAFT_FUNCTION __device__
#include "kernels/ops/draft_step/draft_decision.h"

#include <algorithm>
#include <atomic>
#include <string>

namespace lathe::cuda {

namespace {

constexpr int kWarps = kDraftThreads / kWarp;
using Plan = DraftLoopPlan;
using Activation = DraftLoop::Activation;

/// What the blocks wait for. The first six are used once in each layer of each token.
enum Stage { MixedSelf, AddedSelf, MixedSource, AddedSource, Inner, AddedInner, Best, Sum, Loaded };
static_assert(Loaded + 1 == Plan::kArrivals);

template <class T>
struct LayerPointers {
    const float *selfNorm, *sourceNorm, *innerNorm;
    const T *q, *k, *v, *o, *sourceQ, *sourceO, *in, *up, *out;
    float *keys, *values;
    const float *sourceKeys, *sourceValues;
};

template <class T>
struct LoopArguments {
    Plan plan;
    LayerPointers<T> layers[DraftLoop::kMostLayers];
    const T *embedding, *head;
    const float *finalNorm, *bias; ///< bias: distance 0 of the first head
    std::int64_t biasStride;
    float epsilon;
    Activation activation;
    const std::int32_t *sourceLength, *limits;
    std::int32_t *state, *ids, *rows;
};

extern __shared__ uint4 draftMemory[];

template <class Element>
__device__ Element* place(int offset) {
    return reinterpret_cast<Element*>(reinterpret_cast<std::byte*>(draftMemory) + offset);
}

/// One block of the cluster.
template <class T>
class Draft {
public:
    __device__ explicit Draft(const LoopArguments<T>& arguments)
        : a(arguments), p(arguments.plan), m_block(static_cast<int>(blockOfCluster())),
          m_team(m_block % p.teams), m_member(m_block / p.teams),
          m_members((p.blocks - 1 - m_team) / p.teams + 1) {}

    __device__ void begin();
    /// The whole draft. @return whether there is anything to tell
    __device__ void run();

private:
    __device__ static int thread() { return static_cast<int>(threadIdx.x); }
    __device__ static int lane() { return thread() % kWarp; }
    __device__ static int warp() { return thread() / kWarp; }
    __device__ float* floats(int offset) const { return place<float>(offset); }
    __device__ Arrivals& arrivals(Stage stage) const { return place<Arrivals>(p.arrivals)[stage]; }
    __device__ std::int32_t* control() const { return place<std::int32_t>(p.control); }
    /// Hidden states behind the feed-forward layer, which are those in front of the next one;
    /// behind self-attention; behind that of the source.
    __device__ float* hidden(int which) const { return floats(p.hiddens) + which * p.hidden; }
    __device__ int layerPlace(int layer, int offset) const {
        return p.firstLayer + layer * p.layerBytes + offset;
    }
    /// Outputs of this block of so many.
    __device__ int shareOf(int each, int all) const {
        return max(0, min(each, all - m_block * each));
    }

    /// Until all blocks have sent what they have of a stage.
    __device__ void await(Stage stage, int bytes, std::uint32_t use) {
        if (thread() == 0) {
            expectBytes(arrivals(stage), static_cast<std::uint32_t>(bytes));
        }
        waitForBytes(arrivals(stage), use);
    }
    /// To every block, each by one of `lanes` lanes.
    __device__ void sendAll(Stage stage, const float* to, float value, int from, int lanes) const {
        for (int block = from; block < p.blocks; block += lanes) {
            sendTo(static_cast<std::uint32_t>(block), to, value, arrivals(stage));
        }
    }

    __device__ void fetch(int to, const void* from, std::int64_t bytes) {
        if (bytes > 0) {
            announceBytes(arrivals(Loaded), static_cast<std::uint32_t>(bytes));
            copyBulk(
                place<std::byte>(to), from, static_cast<std::uint32_t>(bytes), arrivals(Loaded));
        }
    }
    /// `count` rows of [.., columns] from `first` on.
    __device__ void fetchRows(int to, const T* from, int first, int count, int columns) {
        fetch(
            to, from + static_cast<std::int64_t>(first) * columns,
            static_cast<std::int64_t>(max(count, 0)) * columns * sizeof(T));
    }
    __device__ void fetchWeights();
    __device__ void fetchLayer(const LayerPointers<T>& from, int layer);
    __device__ void readBiases();
    /// Rows [0, count) of the heads of this block.
    __device__ void readCache(int to, const float* from, int capacity, int count);
    __device__ bool isInRange() const;

    /// One token through all layers.
    __device__ void pass(std::int32_t id, int position);
    __device__ void embed(std::int32_t id);
    __device__ void projectSelf(int layer, int position);
    __device__ void
    attend(Stage stage, int keys, int values, int capacity, int visible, bool hasBias);
    /// hidden(to) = hidden(from) + rows of w * x.
    __device__ void add(Stage stage, int w, const float* x, int in, int from, int to);
    __device__ void projectSource(int layer);
    __device__ void feedIn(int layer);
    __device__ void decide();
    __device__ ArgMaxPair findBest();
    __device__ float sumExponentials(float largest);
    __device__ int columnOfLogit(int i) const {
        return i / p.groupColumns * kStatisticsThreads + m_block * p.groupColumns +
               i % p.groupColumns;
    }
    __device__ OwnRows<T>
    ownRows(int w, const float* x, const float* gamma, int count, int in) const {
        return {place<const T>(w), x, gamma, count, in, a.epsilon};
    }

    const LoopArguments<T>& a;
    const Plan& p;
    const int m_block, m_team, m_member, m_members; ///< members: blocks of the team
    std::uint32_t m_layerUse = 0, m_tokenUse = 0;
};

template <class T>
__device__ void Draft<T>::begin() {
    if (thread() == 0) {
        for (int i = 0; i < Plan::kArrivals; ++i) {
            initArrivals(arrivals(static_cast<Stage>(i)));
        }
        announceInit();
        fetchWeights();
    }
    meetCluster();
    readBiases();
    waitForPrevious();
    for (int i = thread(); i < Plan::kIds + p.tokens; i += kDraftThreads) {
        control()[i] = i < Plan::kLimits ? a.state[i]
                       : i < Plan::kIds  ? a.limits[i - Plan::kLimits]
                                         : a.ids[i - Plan::kIds];
    }
    __syncthreads();
    waitForBytes(arrivals(Loaded), 0);
}

template <class T>
__device__ void Draft<T>::fetchWeights() {
    for (int layer = 0; layer < p.layers; ++layer) {
        fetchLayer(a.layers[layer], layer);
    }
    fetch(p.finalNorm, a.finalNorm, p.hidden * sizeof(float));
    for (int group = 0; group < p.groups; ++group) {
        const int first = group * kStatisticsThreads + m_block * p.groupColumns;
        fetchRows(
            p.head + group * p.groupColumns * p.hidden * static_cast<int>(sizeof(T)), a.head, first,
            min(p.groupColumns, p.columns - first), p.hidden);
    }
    expectBytes(arrivals(Loaded), 0);
}

template <class T>
__device__ void Draft<T>::fetchLayer(const LayerPointers<T>& from, int layer) {
    const int base = layerPlace(layer, 0), norm = p.hidden * static_cast<int>(sizeof(float));
    fetch(base + p.norms, from.selfNorm, norm);
    fetch(base + p.norms + norm, from.sourceNorm, norm);
    fetch(base + p.norms + 2 * norm, from.innerNorm, norm);
    const int bytes = p.headDim * p.hidden * static_cast<int>(sizeof(T));
    for (int slot = 0; m_team + slot * p.blocks < p.heads; ++slot) {
        const int row = (m_team + slot * p.blocks) * p.headDim;
        const T* qkv[] = {from.q, from.k, from.v};
        for (int i = 0; i < 3; ++i) {
            fetchRows(base + p.qkv + (3 * slot + i) * bytes, qkv[i], row, p.headDim, p.hidden);
        }
        fetchRows(base + p.sourceQ + slot * bytes, from.sourceQ, row, p.headDim, p.hidden);
    }
    const int outs = shareOf(p.blockHidden, p.hidden), inners = shareOf(p.blockInner, p.inner);
    const int out = m_block * p.blockHidden, inner = m_block * p.blockInner;
    const int wide = p.heads * p.headDim;
    fetchRows(base + p.o, from.o, out, outs, wide);
    fetchRows(base + p.sourceO, from.sourceO, out, outs, wide);
    fetchRows(base + p.in, from.in, inner, inners, p.hidden);
    fetchRows(base + p.up, from.up, inner, p.gated ? inners : 0, p.hidden);
    fetchRows(base + p.out, from.out, out, outs, p.inner);
}

template <class T>
__device__ void Draft<T>::readBiases() {
    for (int slot = 0; m_team + slot * p.blocks < p.heads; ++slot) {
        const float* from = a.bias + (m_team + slot * p.blocks) * a.biasStride - (p.capacity - 1);
        for (int i = thread(); i < p.capacity; i += kDraftThreads) {
            floats(p.bias)[slot * p.capacity + i] = from[i];
        }
    }
}

template <class T>
__device__ void Draft<T>::readCache(int to, const float* from, int capacity, int count) {
    const int wide = p.heads * p.headDim;
    for (int slot = 0; m_team + slot * p.blocks < p.heads; ++slot) {
        const float* head = from + (m_team + slot * p.blocks) * p.headDim;
        float* own = floats(to) + slot * capacity * p.headDim;
#pragma unroll 4
        for (int j = warp(); j < count; j += kWarps) {
            for (int d = lane(); d < p.headDim; d += kWarp) {
                own[j * p.headDim + d] = head[static_cast<std::int64_t>(j) * wide + d];
            }
        }
    }
}

template <class T>
__device__ bool Draft<T>::isInRange() const {
    const std::int32_t* state = control();
    const std::int32_t fed = state[DraftStep::Fed], count = state[DraftStep::Count];
    const std::int32_t length = state[DraftStep::Length], source = *a.sourceLength;
    return fed >= 1 && fed <= p.tokens && count >= 0 && count < p.most && length >= 0 &&
           length <= p.capacity - fed && source >= 1 && source <= p.sourceCapacity;
}

template <class T>
__device__ void Draft<T>::run() {
    std::int32_t* state = control();
    const std::int32_t* ids = control() + Plan::kIds;
    const bool inRange = isInRange();
    const int before = state[DraftStep::Count];
    if (inRange) {
        int position = state[DraftStep::Length];
        for (int layer = 0; layer < p.layers; ++layer) {
            const LayerPointers<T>& from = a.layers[layer];
            readCache(layerPlace(layer, p.keys), from.keys, p.capacity, position);
            readCache(layerPlace(layer, p.values), from.values, p.capacity, position);
            readCache(
                layerPlace(layer, p.sourceKeys), from.sourceKeys, p.sourceCapacity,
                *a.sourceLength);
            readCache(
                layerPlace(layer, p.sourceValues), from.sourceValues, p.sourceCapacity,
                *a.sourceLength);
        }
        for (int left = state[DraftStep::Fed] - 1, next = 0; left > 0; --left) {
            pass(ids[next++], position++);
        }
        std::int32_t id = ids[state[DraftStep::Fed] - 1];
        do {
            pass(id, position++);
            decide();
            id = ids[0];
        } while (state[DraftStep::Go] != 0 && position < p.capacity);
    }
    meetCluster(); // nobody's memory goes while others write to it
    if (m_block > 0) {
        return;
    }
    if (thread() < DraftStep::kStateSize) {
        a.state[thread()] = thread() == DraftStep::Go ? 0 : state[thread()];
    }
    if (inRange) {
        const std::int32_t* rows = place<std::int32_t>(p.rows);
        for (int i = 4 * before + thread(); i < 4 * state[DraftStep::Count]; i += kDraftThreads) {
            a.rows[i] = rows[i];
        }
        if (thread() == 0) {
            a.ids[0] = ids[0];
        }
    }
}

template <class T>
__device__ void Draft<T>::embed(std::int32_t id) {
    const bool known = id >= 0 && id < p.vocabulary;
    for (int c = thread(); c < p.hidden; c += kDraftThreads) {
        hidden(0)[c] =
            known ? widen(a.embedding[static_cast<std::int64_t>(id) * p.hidden + c]) : nanf("");
    }
    __syncthreads();
}

template <class T>
__device__ void Draft<T>::pass(std::int32_t id, int position) {
    embed(id);
    const int wide = p.heads * p.headDim, bytes = static_cast<int>(sizeof(float));
    float* mixed = floats(p.mixed);
    for (int layer = 0; layer < p.layers; ++layer, ++m_layerUse) {
        const auto at = [&](int offset) { return layerPlace(layer, offset); };
        projectSelf(layer, position);
        attend(MixedSelf, at(p.keys), at(p.values), p.capacity, position + 1, true);
        await(MixedSelf, wide * bytes, m_layerUse);
        add(AddedSelf, at(p.o), mixed, wide, 0, 1);
        await(AddedSelf, p.hidden * bytes, m_layerUse);
        projectSource(layer);
        attend(
            MixedSource, at(p.sourceKeys), at(p.sourceValues), p.sourceCapacity, *a.sourceLength,
            false);
        await(MixedSource, wide * bytes, m_layerUse);
        add(AddedSource, at(p.sourceO), mixed + wide, wide, 1, 2);
        await(AddedSource, p.hidden * bytes, m_layerUse);
        feedIn(layer);
        await(Inner, p.inner * bytes, m_layerUse);
        add(AddedInner, at(p.out), floats(p.inners), p.inner, 2, 0);
        await(AddedInner, p.hidden * bytes, m_layerUse);
    }
}

template <class T>
__device__ void Draft<T>::projectSelf(int layer, int position) {
    const int slots = (p.heads - 1 - m_team) / p.blocks + 1;
    const int rows = 3 * p.headDim;
    eachProduct<4>(
        ownRows(
            layerPlace(layer, p.qkv), hidden(0), floats(layerPlace(layer, p.norms)), slots * rows,
            p.hidden),
        [&](int row, float product, int from, int) {
            if (from > 0) {
                return;
            }
            int slot = 0;
            for (; row >= rows; row -= rows) {
                ++slot;
            }
            if (row < p.headDim) {
                floats(p.query)[slot * p.headDim + row] = product;
                return;
            }
            const bool isKey = row < 2 * p.headDim;
            const int d = row - (isKey ? 1 : 2) * p.headDim;
            float* own = floats(layerPlace(layer, isKey ? p.keys : p.values));
            own[(slot * p.capacity + position) * p.headDim + d] = product;
            if (m_member == 0) {
                float* cache = isKey ? a.layers[layer].keys : a.layers[layer].values;
                const int head = m_team + slot * p.blocks;
                cache[(static_cast<std::int64_t>(position) * p.heads + head) * p.headDim + d] =
                    product;
            }
        });
    __syncthreads();
}

template <class T>
__device__ void Draft<T>::projectSource(int layer) {
    const int slots = (p.heads - 1 - m_team) / p.blocks + 1;
    eachProduct<1>(
        ownRows(
            layerPlace(layer, p.sourceQ), hidden(1), floats(layerPlace(layer, p.norms)) + p.hidden,
            slots * p.headDim, p.hidden),
        [&](int row, float product, int from, int) {
            if (from == 0) {
                floats(p.query)[row] = product;
            }
        });
    __syncthreads();
}

template <class T>
__device__ void
Draft<T>::attend(Stage stage, int keys, int values, int capacity, int visible, bool hasBias) {
    for (int slot = 0; m_team + slot * p.blocks < p.heads; ++slot) {
        const int head = m_team + slot * p.blocks, before = slot * capacity;
        const float* mixed = floats(p.mixed) + (stage == MixedSelf ? 0 : p.heads * p.headDim);
        attendHead(
            {.query = floats(p.query) + slot * p.headDim,
             .keys = floats(keys) + before * p.headDim,
             .values = floats(values) + before * p.headDim,
             .bias = hasBias ? floats(p.bias) + before + capacity - visible : nullptr,
             .scores = floats(p.scores),
             .parts = floats(p.parts),
             .visible = visible,
             .headDim = p.headDim},
            [&](int d, float y) {
                sendAll(stage, mixed + head * p.headDim + d, y, m_member, m_members);
            });
    }
}

template <class T>
__device__ void Draft<T>::add(Stage stage, int w, const float* x, int in, int from, int to) {
    const int first = m_block * p.blockHidden;
    eachProduct<1>(
        ownRows(w, x, nullptr, shareOf(p.blockHidden, p.hidden), in),
        [&](int row, float product, int lane, int lanes) {
            sendAll(
                stage, hidden(to) + first + row, hidden(from)[first + row] + product, lane, lanes);
        });
}

template <class T>
__device__ void Draft<T>::feedIn(int layer) {
    const int first = m_block * p.blockInner, count = shareOf(p.blockInner, p.inner);
    const float* gamma = floats(layerPlace(layer, p.norms)) + 2 * p.hidden;
    const auto rowsOf = [&](int w) {
        return ownRows(layerPlace(layer, w), hidden(2), gamma, count, p.hidden);
    };
    float* ups = floats(p.ups);
    if (p.gated) {
        eachProduct<1>(rowsOf(p.up), [&](int row, float product, int, int) { ups[row] = product; });
        __syncwarp(); // the same lanes have the same rows below
    }
    const Activation activation = a.activation;
    eachProduct<1>(rowsOf(p.in), [&](int row, float product, int lane, int lanes) {
        float y = product < 0.0F ? 0.0F : product; // fmaxf would lose NaN
        if (activation == Activation::GatedGelu) {
            y = geGluOf(product, ups[row]);
        } else if (activation == Activation::GatedSilu) {
            y = swiGluOf(product, ups[row]);
        }
        sendAll(Inner, floats(p.inners) + first + row, y, lane, lanes);
    });
}

/// The likeliest column, in every thread.
template <class T>
__device__ ArgMaxPair Draft<T>::findBest() {
    float* logits = floats(p.logits);
    const int count = p.groups * p.groupColumns;
    eachProduct<4>(
        ownRows(p.head, hidden(0), floats(p.finalNorm), count, p.hidden),
        [&](int row, float product, int from, int) {
            if (from == 0) {
                logits[row] = product;
            }
        });
    __syncthreads();
    auto* pairs = place<ArgMaxPair>(p.best);
    const ArgMaxPair none{-INFINITY, kNoIndex};
    if (warp() == 0) {
        ArgMaxPair best = none;
        for (int i = lane(); i < count; i += kWarp) {
            const int column = columnOfLogit(i);
            if (column < p.columns) {
                best = better(best, {logits[i], column});
            }
        }
        best = warpArgMax(best);
        if (lane() < p.blocks) {
            const auto block = static_cast<std::uint32_t>(lane());
            sendTo(block, &pairs[m_block].value, best.value, arrivals(Best));
            sendTo(
                block, &pairs[m_block].index, static_cast<std::uint32_t>(best.index),
                arrivals(Best));
        }
    }
    await(Best, p.blocks * static_cast<int>(sizeof(ArgMaxPair)), m_tokenUse);
    return warpArgMax(lane() < p.blocks ? pairs[lane()] : none);
}

/// Over all columns, in every thread of the first warp.
template <class T>
__device__ float Draft<T>::sumExponentials(float largest) {
    const int own = p.groupColumns / kWarp; // warps of RowStatistics
    for (int part = warp(); part < own; part += kWarps) {
        float sum = 0.0F;
        for (int group = 0; group < p.groups; ++group) {
            const int i = group * p.groupColumns + part * kWarp + lane();
            if (columnOfLogit(i) < p.columns) {
                sum += expf(floats(p.logits)[i] - largest);
            }
        }
        sum = warpSum(sum);
        sendAll(Sum, floats(p.sums) + m_block * own + part, sum, lane(), kWarp);
    }
    if (warp() > 0) {
        return 0.0F;
    }
    await(Sum, kWarp * static_cast<int>(sizeof(float)), m_tokenUse);
    return warpSum(floats(p.sums)[lane()]);
}

/// What the token behind the last one is and whether to go on, into the state and the first id.
template <class T>
__device__ void Draft<T>::decide() {
    const ArgMaxPair best = findBest();
    const float sum = sumExponentials(best.value);
    if (thread() == 0) {
        const float values[] = {best.value, logSumExpOf(best.value, sum)};
        std::int32_t* limits = control() + Plan::kLimits;
        const DraftPointers pointers{
            .argmax = nullptr,
            .values = nullptr,
            .limits = limits,
            .state = control(),
            .id = control() + Plan::kIds,
            .rows = place<std::int32_t>(p.rows),
            .stepRows = 1,
            .most = p.most};
        noteDraft(pointers, __int_as_float(limits[DraftStep::Threshold]), indexOf(best), values);
    }
    ++m_tokenUse;
    __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(kDraftThreads, 1)
    draftLoopKernel(const __grid_constant__ LoopArguments<T> arguments) {
    Draft<T> draft(arguments);
    draft.begin();
    draft.run();
}

template <class T>
LoopArguments<T> argumentsOf(const DraftLoop& op, const Plan& plan) {
    LoopArguments<T> a{
        .plan = plan,
        .layers = {},
        .embedding = op.embedding.ptr<T>(),
        .head = op.head.ptr<T>(),
        .finalNorm = op.finalNorm.ptr<float>(),
        .bias = op.bias.ptr<float>() + op.biasOrigin,
        .biasStride = op.bias.shape[1],
        .epsilon = op.epsilon,
        .activation = op.activation,
        .sourceLength = op.sourceLength.ptr<std::int32_t>(),
        .limits = op.limits.ptr<std::int32_t>(),
        .state = op.state.ptr<std::int32_t>(),
        .ids = op.ids.ptr<std::int32_t>(),
        .rows = op.rows.ptr<std::int32_t>()};
    std::ranges::transform(op.layers, a.layers, [](const DraftLoop::Layer& layer) {
        return LayerPointers<T>{
            .selfNorm = layer.selfNorm.ptr<float>(),
            .sourceNorm = layer.sourceNorm.ptr<float>(),
            .innerNorm = layer.innerNorm.ptr<float>(),
            .q = layer.q.ptr<T>(),
            .k = layer.k.ptr<T>(),
            .v = layer.v.ptr<T>(),
            .o = layer.o.ptr<T>(),
            .sourceQ = layer.sourceQ.ptr<T>(),
            .sourceO = layer.sourceO.ptr<T>(),
            .in = layer.in.ptr<T>(),
            .up = layer.up.ptr<T>(),
            .out = layer.out.ptr<T>(),
            .keys = layer.keys.ptr<float>(),
            .values = layer.values.ptr<float>(),
            .sourceKeys = layer.sourceKeys.ptr<float>(),
            .sourceValues = layer.sourceValues.ptr<float>()};
    });
    return a;
}

int attributeOf(cudaDeviceAttr attribute, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
    return value;
}

/// Lets the kernel have clusters of 16 and all the shared memory there is, once on each device.
template <class T>
void prepare(int device) {
    static std::atomic<std::uint64_t> prepared{0};
    const std::uint64_t bit = std::uint64_t{1} << (device % 64);
    if ((prepared.load() & bit) != 0) {
        return;
    }
    allowShared(
        draftLoopKernel<T>,
        static_cast<std::size_t>(attributeOf(cudaDevAttrMaxSharedMemoryPerBlockOptin, device)));
    check(
        cudaFuncSetAttribute(
            reinterpret_cast<const void*>(draftLoopKernel<T>),
            cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
        "cudaFuncSetAttribute");
    prepared |= bit;
}

template <class T>
bool fits(int blocks, int bytes) {
    cudaLaunchConfig_t config{};
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(blocks), 1, 1};
    config.gridDim = static_cast<unsigned>(blocks);
    config.blockDim = kDraftThreads;
    config.dynamicSmemBytes = static_cast<std::size_t>(bytes);
    config.attrs = &cluster;
    config.numAttrs = 1;
    int clusters = 0;
    if (cudaOccupancyMaxActiveClusters(&clusters, draftLoopKernel<T>, &config) != cudaSuccess) {
        cudaGetLastError(); // a size that this GPU does not have
        return false;
    }
    return clusters > 0;
}

} // namespace

int draftLoopBlocks(ExecContext& context, const DraftLoop& op) {
    const int device = context.cuda()->device;
    if (!context.cuda()->overlaps) { // not Hopper, or code that was not built for it
        return 0;
    }
    const int most = attributeOf(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    int found = 0;
    withFloatType(op.embedding.dtype, [&](auto zero) {
        using T = decltype(zero);
        prepare<T>(device);
        for (const int blocks : {16, 8}) {
            const std::optional<Plan> plan = planDraftLoop(op, blocks);
            if (found == 0 && plan && plan->bytes <= most && fits<T>(blocks, plan->bytes)) {
                found = blocks;
            }
        }
    });
    return found;
}

void launch(ExecContext& context, const DraftLoop& op) {
    const std::optional<Plan> plan =
        op.blocks > 0 ? planDraftLoop(op, op.blocks) : std::optional<Plan>();
    if (!plan || !context.cuda()->overlaps ||
        plan->bytes >
            attributeOf(cudaDevAttrMaxSharedMemoryPerBlockOptin, context.cuda()->device)) {
        throw Unsupported(
            "draft_loop: " + std::to_string(op.blocks) +
            " blocks of this GPU do not hold the decoder; draft step by step");
    }
    withFloatType(op.embedding.dtype, [&](auto zero) {
        using T = decltype(zero);
        prepare<T>(context.cuda()->device);
        launchOverlapped(
            context, "draft_loop", draftLoopKernel<T>,
            {.grid = dim3(static_cast<unsigned>(plan->blocks)),
             .threads = kDraftThreads,
             .cluster = static_cast<unsigned>(plan->blocks),
             .shared = static_cast<std::size_t>(plan->bytes)},
            argumentsOf<T>(op, *plan));
    });
}

} // namespace lathe::cuda
