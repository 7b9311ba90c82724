// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/captured_graph.h"
#include "kernels/ops/step_attention/step_attention.h"
#include "tests/conformance/cases.h"

#include <cmath>
#include <cstring>

namespace lathe::conformance {

namespace {

constexpr double kBound = 4e-6;
constexpr double kSharpBound = 4e-5; ///< see cases_decode_attention.cpp

struct Sizes {
    std::int32_t length = 0;
    std::int64_t rows = 1, heads = 1, headDim = 8, capacity = 16;
    bool source = false;
    bool bias = false;
    std::int64_t kvHeads = 0; ///< 0: heads
    bool turned = false;
    std::int64_t gap = 0; ///< elements between the rows of q, k and v
    double size = 1.0;
};

ConstView spread(Arrays& arrays, const char* name, const Sizes& sizes, std::int64_t heads) {
    const std::int64_t row = heads * sizes.headDim;
    const std::int64_t count = (sizes.rows - 1) * (row + sizes.gap) + row;
    ConstView view = arrays.floats(name, {count}, sizes.size);
    view.shape = {sizes.rows, heads, sizes.headDim};
    return view;
}

StepAttention make(Arrays& arrays, const Sizes& sizes) {
    const std::int64_t kvHeads = sizes.kvHeads == 0 ? sizes.heads : sizes.kvHeads;
    const Shape cache{sizes.capacity, kvHeads, sizes.headDim};
    const Shape fresh{sizes.rows, sizes.heads, sizes.headDim};
    StepAttention op{
        .q = spread(arrays, "q", sizes, sizes.heads),
        .length = arrays.given<std::int32_t>("length", {1}, {sizes.length}),
        .keys = arrays.updated("keys", cache, sizes.turned ? kBound : 0.0),
        .values = arrays.updated("values", cache, 0.0),
        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.headDim))),
        .y = arrays.output("y", fresh, DType::F32, sizes.size > 1.0 ? kSharpBound : kBound)};
    if (!sizes.source) {
        op.k = spread(arrays, "k", sizes, kvHeads);
        op.v = spread(arrays, "v", sizes, kvHeads);
    }
    if (sizes.gap > 0) {
        op.qStride = sizes.heads * sizes.headDim + sizes.gap;
        op.kvStride = kvHeads * sizes.headDim + sizes.gap;
    }
    if (sizes.turned) {
        std::vector<float> all;
        for (std::int64_t j = 0; j < sizes.headDim / 2; ++j) {
            const double share = 2.0 * static_cast<double>(j) / static_cast<double>(sizes.headDim);
            all.push_back(static_cast<float>(std::pow(10000.0, -share)));
        }
        op.frequencies = arrays.given("frequencies", {sizes.headDim / 2}, all);
    }
    if (sizes.bias) {
        op.bias = arrays.floats("bias", {sizes.heads, sizes.capacity + 3});
        op.biasOrigin = sizes.capacity + 1;
    }
    return op;
}

void addSizes(std::vector<Check>& checks, const Sizes& sizes, CaseOptions options = {}) {
    const std::string name =
        "length " + std::to_string(sizes.length) + " of " + std::to_string(sizes.capacity) +
        " rows " + std::to_string(sizes.rows) + " heads " + std::to_string(sizes.heads) + " dim " +
        std::to_string(sizes.headDim) + (sizes.source ? " source" : "") +
        (sizes.bias ? " bias" : "") + (sizes.gap > 0 ? " gap" : "") +
        (sizes.turned ? " turned" : "") +
        (sizes.kvHeads > 0 ? " of " + std::to_string(sizes.kvHeads) : "") +
        (sizes.size > 1.0 ? " sharp" : "") + (options.shifted ? " shifted" : "");
    addCase<StepAttention>(
        checks, "step_attention", name, [sizes](Arrays& arrays) { return make(arrays, sizes); },
        options);
}

/// The same tokens behind `past` others in calls of every width: the same bits, in y and in the
/// caches.
std::vector<Outcome> rowsAreAlone(Machine& machine, std::int64_t past, bool turned) {
    constexpr std::int64_t kTokens = 29;
    const std::int64_t heads = past > 0 ? 16 : 4, headDim = past > 0 ? 64 : 40;
    std::vector<Outcome> outcomes;
    for (const Target target : {Target::Cuda, Target::Scalar}) {
        ExecContext* context = machine.find(target);
        if (context == nullptr) {
            continue;
        }
        Tensor length = Tensor::empty({1}, DType::I32, context->device());
        const auto resultsOf = [&](std::int64_t together) {
            Arrays arrays(*context, 3, false);
            const StepAttention all = make(
                arrays, {.rows = kTokens,
                         .heads = heads,
                         .headDim = headDim,
                         .capacity = past + kTokens + 2,
                         .bias = !turned,
                         .kvHeads = turned ? 2 : heads,
                         .turned = turned});
            for (std::int64_t from = 0; from < kTokens; from += together) {
                const std::int64_t to = std::min(kTokens, from + together);
                StepAttention op = all;
                op.q = all.q.slice(from, to), op.k = all.k.slice(from, to);
                op.v = all.v.slice(from, to), op.y = all.y.slice(from, to);
                const std::int32_t at[1] = {static_cast<std::int32_t>(past + from)};
                put(*context, at, length.view());
                op.length = length.view();
                run(*context, op);
            }
            std::vector<float> results;
            for (const TensorView& view : {all.y, all.keys, all.values}) {
                std::vector<float> part(static_cast<std::size_t>(view.elementCount()));
                copy(*context, view, viewOf(std::span(part), view.shape));
                results.insert(results.end(), part.begin(), part.end());
            }
            return results;
        };
        const std::vector<float> alone = resultsOf(1);
        Outcome outcome{.kernel = std::string(nameOf(target)), .target = target, .failure = {}};
        for (std::int64_t together = 2; together <= kMostTurnedRows; ++together) {
            const std::vector<float> results = resultsOf(together);
            if (std::memcmp(results.data(), alone.data(), alone.size() * sizeof(float)) != 0) {
                outcome.failure = std::to_string(together) + " rows differ from each alone";
            }
        }
        outcomes.push_back(outcome);
    }
    return outcomes;
}

} // namespace

void addStepAttentionCases(std::vector<Check>& checks) {
    addSizes(checks, {});
    addSizes(checks, {.length = 15, .bias = true});
    addSizes(checks, {.length = 3, .rows = 5, .heads = 4, .headDim = 32, .bias = true});
    addSizes(
        checks,
        {.length = 100,
         .rows = 12,
         .heads = 16,
         .headDim = 64,
         .capacity = 128,
         .bias = true,
         .gap = 128},
        {.twice = true});
    addSizes(checks, {.length = 1000, .rows = 2, .heads = 2, .headDim = 128, .capacity = 1024});
    addSizes(checks, {.length = 8190, .heads = 1, .headDim = 16, .capacity = 8192, .bias = true});
    addSizes(checks, {.length = 9, .rows = 3, .heads = 2, .headDim = 300});
    addSizes(checks, {.length = 9, .rows = 3, .heads = 2, .headDim = 21, .gap = 5});
    addSizes(
        checks, {.length = 60, .rows = 3, .heads = 2, .headDim = 64, .capacity = 64},
        {.shifted = true});
    addSizes(checks, {.length = 50, .heads = 2, .headDim = 64, .capacity = 64, .size = 60.0});
    addSizes(checks, {.length = 1, .source = true});
    addSizes(
        checks,
        {.length = 37, .rows = 7, .heads = 4, .headDim = 32, .capacity = 64, .source = true});
    addSizes(checks, {.length = 0, .heads = 2, .kvHeads = 1, .turned = true});
    addSizes(
        checks, {.length = 900,
                 .rows = 12,
                 .heads = 8,
                 .headDim = 128,
                 .capacity = 1000,
                 .kvHeads = 2,
                 .turned = true,
                 .gap = 64});
    addSizes(
        checks, {.length = 77,
                 .rows = 5,
                 .heads = 4,
                 .headDim = 34,
                 .capacity = 85,
                 .kvHeads = 4,
                 .turned = true});
    // On both sides of the rows that the CUDA kernel holds in shared memory.
    addSizes(
        checks,
        {.length = 318, .rows = 5, .heads = 2, .headDim = 64, .capacity = 400, .bias = true});
    addSizes(
        checks, {.length = 500,
                 .rows = 12,
                 .heads = 16,
                 .headDim = 64,
                 .capacity = 530,
                 .kvHeads = 4,
                 .turned = true,
                 .gap = 64});
    addSizes(
        checks, {.length = 158,
                 .rows = 6,
                 .heads = 2,
                 .headDim = 128,
                 .capacity = 200,
                 .kvHeads = 1,
                 .turned = true});
    addSizes(checks, {.length = 701, .heads = 2, .headDim = 32, .capacity = 900, .source = true});
    // Rows behind the cache, and sources of no length, are not there.
    addSizes(checks, {.length = 14, .rows = 4, .heads = 2});
    addSizes(checks, {.length = -1, .rows = 2});
    addSizes(checks, {.length = 0, .rows = 2, .source = true});
    addSizes(checks, {.length = 17, .source = true});
    for (const bool turned : {false, true}) {
        // 300: the tokens lie where the CUDA kernel ceases to hold rows in shared memory.
        for (const std::int64_t past : {0, 300}) {
            checks.push_back(
                {"step_attention",
                 "rows are what each is alone behind " + std::to_string(past) +
                     (turned ? ", turned" : ""),
                 [past, turned](Machine& machine) { return rowsAreAlone(machine, past, turned); }});
        }
    }
}

} // namespace lathe::conformance
