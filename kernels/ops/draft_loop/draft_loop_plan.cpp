// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/draft_loop/draft_loop_plan.h"

#include "kernels/core/aligned.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace lathe {

namespace {

constexpr std::int64_t kMostTokens = 64, kMostRows = 256;
constexpr std::int64_t kOctet = DraftLoopPlan::kOctet; ///< neighbouring columns in one load

bool fits(const ConstView& view) { return view.empty() || isAligned(view.data); }

bool takesLayer(const DraftLoop::Layer& layer, DType dtype) {
    const ConstView keys = layer.keys, values = layer.values;
    return std::ranges::all_of(
               std::initializer_list<const ConstView*>{
                   &layer.q, &layer.k, &layer.v, &layer.o, &layer.sourceQ, &layer.sourceO,
                   &layer.in, &layer.out, &layer.up},
               [dtype](const ConstView* view) {
                   return (view->empty() || view->dtype == dtype) && fits(*view);
               }) &&
           std::ranges::all_of(
               std::initializer_list<const ConstView*>{
                   &layer.selfNorm, &layer.sourceNorm, &layer.innerNorm, &keys, &values,
                   &layer.sourceKeys, &layer.sourceValues},
               [](const ConstView* view) { return fits(*view); });
}

bool takes(const DraftLoop& op, int blocks) {
    if (op.layers.empty() || std::ssize(op.layers) > DraftLoop::kMostLayers) {
        return false;
    }
    const DraftLoop::Layer& first = op.layers.front();
    const std::int64_t headDim = first.keys.shape[2], inner = first.in.shape[0];
    const DType dtype = op.embedding.dtype;
    return (blocks == 8 || blocks == 16) && headDim % 4 == 0 &&
           headDim <= DraftLoopPlan::kMostHeadDim && op.embedding.shape[1] % kOctet == 0 &&
           first.q.shape[0] % kOctet == 0 && inner % kOctet == 0 && op.head.dtype == dtype &&
           fits(op.head) && fits(op.finalNorm) && op.ids.shape[0] <= kMostTokens &&
           op.rows.shape[0] <= kMostRows &&
           std::ranges::all_of(op.layers, [dtype](const DraftLoop::Layer& layer) {
               return takesLayer(layer, dtype);
           });
}

/// Places one behind the other, each aligned to 16 bytes.
class Places {
public:
    void add(int& place, std::int64_t bytes) {
        place = static_cast<int>(std::min<std::int64_t>(m_end, kTooMuch));
        m_end = std::min(m_end + (bytes + 15) / 16 * 16, kTooMuch);
    }
    void floats(int& place, std::int64_t count) {
        add(place, count * static_cast<std::int64_t>(sizeof(float)));
    }
    int end() const { return static_cast<int>(m_end); }

private:
    static constexpr std::int64_t kTooMuch = std::numeric_limits<int>::max() / 2;
    std::int64_t m_end = 0;
};

void placeLayer(DraftLoopPlan& plan, std::int64_t element) {
    Places places;
    const std::int64_t wide = std::int64_t{plan.heads} * plan.headDim;
    const std::int64_t own = std::int64_t{plan.blockHeads} * plan.headDim;
    const auto matrix = [&](int& place, std::int64_t rows, std::int64_t columns) {
        places.add(place, rows * columns * element);
    };
    places.floats(plan.norms, std::int64_t{3} * plan.hidden);
    matrix(plan.qkv, 3 * own, plan.hidden);
    matrix(plan.sourceQ, own, plan.hidden);
    matrix(plan.o, plan.blockHidden, wide);
    matrix(plan.sourceO, plan.blockHidden, wide);
    matrix(plan.in, plan.blockInner, plan.hidden);
    matrix(plan.up, plan.gated ? plan.blockInner : 0, plan.hidden);
    matrix(plan.out, plan.blockHidden, plan.inner);
    places.floats(plan.caches[0], own * plan.positions);
    places.floats(plan.caches[1], own * plan.positions);
    places.floats(plan.caches[2], own * plan.sourcePositions);
    places.floats(plan.caches[3], own * plan.sourcePositions);
    plan.layerBytes = places.end();
}

void placeAll(DraftLoopPlan& plan, std::int64_t element) {
    Places places;
    const std::int64_t own = std::int64_t{plan.blockHeads} * plan.headDim;
    const std::int64_t columns = std::int64_t{plan.groups} * plan.groupColumns;
    places.add(plan.arrivals, DraftLoopPlan::kArrivals * std::int64_t{8});
    places.floats(plan.products, std::int64_t{8} * (DraftLoopPlan::kProducts * plan.layers + 1));
    places.floats(plan.control, DraftLoopPlan::kIds + plan.tokens);
    places.floats(plan.rows, std::int64_t{4} * plan.most);
    places.floats(plan.best, std::int64_t{2} * plan.blocks);
    places.floats(plan.sums, DraftLoopPlan::kWarp);
    places.floats(plan.hiddens, std::int64_t{3} * plan.hidden);
    places.floats(plan.mixed, std::int64_t{2} * plan.heads * plan.headDim);
    places.floats(plan.inners, plan.inner);
    places.floats(plan.ups, plan.gated ? plan.blockInner : 0);
    places.floats(plan.query, own);
    places.floats(plan.parts, std::int64_t{DraftLoopPlan::kAttentionWarps} * plan.headDim + 1);
    places.floats(plan.scores, std::max(plan.positions, plan.sourcePositions));
    places.floats(plan.logits, columns);
    places.floats(plan.finalNorm, plan.hidden);
    places.floats(plan.bias, std::int64_t{plan.blockHeads} * plan.positions);
    places.add(plan.head, columns * plan.hidden * element);
    placeLayer(plan, element);
    int layers = 0;
    places.add(plan.firstLayer, std::int64_t{plan.layers} * plan.layerBytes);
    places.add(layers, 0);
    plan.bytes = layers;
}

/// A block that no other waits for between two layers could be one behind them, and what comes for
/// the next layer would be taken for what it still waits for. With several heads all wait for those
/// of the other heads; with one they wait for those that have outputs of the hidden states.
bool isLeftBehind(const DraftLoopPlan& plan) {
    return plan.heads == 1 && (plan.blocks - 1) * plan.blockHidden >= plan.hidden;
}

} // namespace

std::int64_t draftPositions(std::int64_t wanted, const ConstView& cache) {
    return wanted > 0 ? std::min(wanted, cache.shape[0]) : cache.shape[0];
}

std::optional<DraftLoopPlan> planDraftLoop(const DraftLoop& op, int blocks) {
    if (!takes(op, blocks)) {
        return std::nullopt;
    }
    const DraftLoop::Layer& first = op.layers.front();
    const auto size = [](std::int64_t extent) { return static_cast<int>(extent); };
    const auto share = [blocks](std::int64_t count) {
        return static_cast<int>((count + blocks - 1) / blocks);
    };
    DraftLoopPlan plan{
        .blocks = blocks,
        .layers = static_cast<int>(op.layers.size()),
        .hidden = size(op.embedding.shape[1]),
        .heads = size(first.keys.shape[1]),
        .headDim = size(first.keys.shape[2]),
        .inner = size(first.in.shape[0]),
        .columns = size(op.columns),
        .vocabulary = size(op.embedding.shape[0]),
        .positions = size(draftPositions(op.positions, first.keys)),
        .sourcePositions = size(draftPositions(op.sourcePositions, first.sourceKeys)),
        .most = size(op.rows.shape[0]),
        .tokens = size(op.ids.shape[0])};
    plan.teams = std::min(plan.heads, blocks);
    plan.blockHeads = share(plan.heads);
    plan.blockHidden = share(plan.hidden);
    plan.blockInner = share(plan.inner);
    constexpr int kThreads = DraftLoopPlan::kStatisticsThreads;
    plan.groupColumns = kThreads / blocks;
    plan.groups = size((op.columns + kThreads - 1) / kThreads);
    plan.gated = op.activation != DraftLoop::Activation::Relu;
    constexpr int kCopiesOfLayer = 8, kCopiesOfHead = 4;
    const int copies =
        plan.layers * (kCopiesOfLayer + kCopiesOfHead * plan.blockHeads) + plan.groups + 1;
    if (copies > DraftLoopPlan::kMostCopies || isLeftBehind(plan)) {
        return std::nullopt;
    }
    placeAll(plan, static_cast<std::int64_t>(sizeOf(op.embedding.dtype)));
    return plan;
}

} // namespace lathe
