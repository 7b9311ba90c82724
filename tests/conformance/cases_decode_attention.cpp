// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/captured_graph.h"
#include "kernels/ops/decode_attention/decode_attention.h"
#include "tests/conformance/cases.h"

#include <array>
#include <cmath>
#include <cstring>

namespace lathe::conformance {

namespace {

/// Scores and weighted sums in single precision, of queries and keys turned in single precision.
constexpr double kBound = 4e-6;
/// A score of 200 is known to 200 * 2^-24 = 1.2e-5, and its exponential to that share.
constexpr double kSharpBound = 4e-5;

struct Sizes {
    std::vector<std::int32_t> positions; ///< one a slot
    std::int64_t heads = 1, kvHeads = 1, headDim = 2;
    std::int64_t spare = 1; ///< rows of the caches behind the fresh one
    std::int64_t gap = 0;   ///< elements between the slots of q, k and v
    double size = 1.0;      ///< of queries: large ones make soft-max sharp
};

/// The caches of a case, whose views the op refers to.
struct Caches {
    std::vector<TensorView> keys, values;
};

std::vector<float> frequencies(std::int64_t headDim) {
    std::vector<float> all;
    for (std::int64_t j = 0; j < headDim / 2; ++j) {
        all.push_back(static_cast<float>(
            std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(headDim))));
    }
    return all;
}

/// A view of `slots` rows with a gap behind each; the array is no larger than what is read.
ConstView spread(Arrays& arrays, const char* name, const Sizes& sizes, std::int64_t heads) {
    const auto slots = static_cast<std::int64_t>(sizes.positions.size());
    const std::int64_t row = heads * sizes.headDim;
    const std::int64_t count = (slots - 1) * (row + sizes.gap) + row;
    ConstView view = arrays.floats(name, {count}, sizes.size);
    view.shape = {slots, heads, sizes.headDim};
    return view;
}

DecodeAttention make(Arrays& arrays, const Sizes& sizes, Caches& caches) {
    const auto slots = static_cast<std::int64_t>(sizes.positions.size());
    const double bound = sizes.size > 1.0 ? kSharpBound : kBound;
    DecodeAttention op{
        .q = spread(arrays, "q", sizes, sizes.heads),
        .k = spread(arrays, "k", sizes, sizes.kvHeads),
        .v = spread(arrays, "v", sizes, sizes.kvHeads),
        .frequencies = arrays.given("frequencies", {sizes.headDim / 2}, frequencies(sizes.headDim)),
        .positions = arrays.given("positions", {slots}, sizes.positions),
        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.headDim))),
        .y = arrays.output("y", {slots, sizes.heads, sizes.headDim}, DType::F32, bound)};
    if (sizes.gap > 0) {
        op.qStride = sizes.heads * sizes.headDim + sizes.gap;
        op.kvStride = sizes.kvHeads * sizes.headDim + sizes.gap;
    }
    caches = {};
    for (std::size_t slot = 0; slot < sizes.positions.size(); ++slot) {
        const std::int64_t rows = sizes.positions[slot] + 1 + sizes.spare;
        const Shape shape{rows, sizes.kvHeads, sizes.headDim};
        const std::string suffix = std::to_string(slot);
        caches.keys.push_back(arrays.updated("keys " + suffix, shape, kBound));
        caches.values.push_back(arrays.updated("values " + suffix, shape, kBound));
    }
    op.keys = caches.keys;
    op.values = caches.values;
    return op;
}

void addSizes(std::vector<Check>& checks, const Sizes& sizes, CaseOptions options = {}) {
    std::string name = "positions";
    for (const std::int32_t position : sizes.positions) {
        name += " " + std::to_string(position);
    }
    name += " heads " + std::to_string(sizes.heads) + "/" + std::to_string(sizes.kvHeads) +
            " dim " + std::to_string(sizes.headDim) + (sizes.gap > 0 ? " gap" : "") +
            (sizes.size > 1.0 ? " sharp" : "") + (options.shifted ? " shifted" : "");
    addCase<DecodeAttention>(
        checks, "decode_attention", name,
        [sizes, caches = std::make_shared<Caches>()](Arrays& arrays) {
            return make(arrays, sizes, *caches);
        },
        options);
}

/// Launches recorded once read what `put` wrote since: as many bits as launches of their own.
std::vector<Outcome> replayed(Machine& machine) {
    ExecContext* context = machine.find(Target::Cuda);
    if (context == nullptr || !CapturedGraph::isAvailable(*context)) {
        return {};
    }
    const Sizes sizes{.positions = {200, 77}, .heads = 6, .kvHeads = 3, .headDim = 64};
    using Result = std::vector<float>;
    const auto resultsOf = [&](bool record) {
        Arrays arrays(*context, 5, false);
        Caches caches;
        DecodeAttention op = make(arrays, sizes, caches);
        Tensor positions = Tensor::empty({2}, DType::I32, context->device());
        op.positions = positions.view();
        const auto launch = [&] { run(*context, op); };
        const auto graph = record ? CapturedGraph::record(*context, launch) : nullptr;
        std::vector<Result> results;
        for (const std::array<std::int32_t, 2>& at :
             {std::array<std::int32_t, 2>{3, 76}, {150, 77}, {200, 0}}) {
            put(*context, at, positions.view());
            if (record) {
                graph->replay(*context);
            } else {
                launch();
            }
            Result& y = results.emplace_back(static_cast<std::size_t>(op.y.elementCount()));
            copy(*context, op.y, viewOf(std::span(y), op.y.shape));
        }
        return results;
    };
    const std::vector<Result> wanted = resultsOf(false), got = resultsOf(true);
    Outcome outcome{.kernel = "cuda graph", .target = Target::Cuda, .failure = {}};
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (std::memcmp(wanted[i].data(), got[i].data(), wanted[i].size() * sizeof(float)) != 0) {
            outcome.failure = "replay " + std::to_string(i) + " differs from the same launch";
        }
    }
    return {outcome};
}

} // namespace

void addDecodeAttentionCases(std::vector<Check>& checks) {
    addSizes(checks, {.positions = {0}});
    addSizes(checks, {.positions = {0}, .heads = 4, .kvHeads = 2, .headDim = 64});
    addSizes(checks, {.positions = {1}, .heads = 2, .kvHeads = 1, .headDim = 128});
    addSizes(checks, {.positions = {15}, .heads = 3, .kvHeads = 3, .headDim = 128});
    addSizes(checks, {.positions = {127}, .heads = 32, .kvHeads = 32, .headDim = 128});
    addSizes(checks, {.positions = {128}, .heads = 8, .kvHeads = 2, .headDim = 64, .spare = 9});
    addSizes(checks, {.positions = {129}, .heads = 2, .kvHeads = 1, .headDim = 80});
    addSizes(checks, {.positions = {1023}, .heads = 4, .kvHeads = 4, .headDim = 128, .spare = 0});
    addSizes(checks, {.positions = {4095}, .heads = 4, .kvHeads = 1, .headDim = 64});
    addSizes(checks, {.positions = {333}, .heads = 2, .kvHeads = 2, .headDim = 256});
    addSizes(checks, {.positions = {40}, .heads = 2, .kvHeads = 1, .headDim = 300});
    addSizes(checks, {.positions = {70}, .heads = 2, .kvHeads = 1, .headDim = 34});
    addSizes(
        checks, {.positions = {90}, .heads = 2, .kvHeads = 2, .headDim = 64}, {.shifted = true});
    addSizes(
        checks, {.positions = {190}, .heads = 2, .kvHeads = 1, .headDim = 256}, {.shifted = true});
    addSizes(checks, {.positions = {90}, .heads = 2, .kvHeads = 2, .headDim = 64, .size = 60.0});
    addSizes(checks, {.positions = {5, 0, 160}, .heads = 4, .kvHeads = 2, .headDim = 32, .gap = 6});
    addSizes(checks, {.positions = std::vector<std::int32_t>(16, 17), .heads = 2, .headDim = 128});
    checks.push_back({"decode_attention", "a graph reads positions anew", replayed});
}

} // namespace lathe::conformance
