// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention/attention.h"
#include "tests/conformance/cases.h"

#include <cmath>

namespace lathe::conformance {

namespace {

/// Scores and weighted sums in single precision.
constexpr double kBound = 4e-6;
/// A score of 200 is known to 200 * 2^-24 = 1.2e-5, and its exponential to that share.
constexpr double kSharpBound = 4e-5;

struct Sizes {
    std::int64_t tokens = 1, past = 0, heads = 1, kvHeads = 1, headDim = 1;
    std::int64_t spare = 0; ///< rows of the cache that hold NaN still
    double size = 1.0;      ///< of queries: large ones make soft-max sharp
    bool causal = true;     ///< else `past` are rows beside the fresh ones, or fewer
    bool bias = false;      ///< with columns to spare that hold NaN
};

/// Two columns before and one behind those that are needed must not be read.
void addBias(Arrays& arrays, Attention& op) {
    const std::int64_t heads = op.q.shape[1];
    const std::int64_t back = op.past + op.q.shape[0] - 1;
    const std::int64_t ahead = op.causal ? 0 : std::max<std::int64_t>(0, op.keys.shape[0] - 1);
    const std::int64_t columns = 2 + back + 1 + ahead + 1;
    std::vector<float> values = arrays.normals(heads * columns, 2.0);
    for (std::int64_t head = 0; head < heads; ++head) {
        for (const std::int64_t unread : {std::int64_t{0}, std::int64_t{1}, columns - 1}) {
            values[static_cast<std::size_t>(head * columns + unread)] =
                std::numeric_limits<float>::quiet_NaN();
        }
    }
    op.bias = arrays.given("bias", {heads, columns}, values);
    op.biasOrigin = 2 + back;
}

Attention make(Arrays& arrays, const Sizes& sizes) {
    const std::int64_t rows = sizes.past + sizes.tokens + sizes.spare;
    const Shape cache{rows, sizes.kvHeads, sizes.headDim};
    const auto filled = [&](const char* name) {
        std::vector<float> values = arrays.normals(cache.elementCount(), 1.0);
        std::fill(
            values.end() - sizes.spare * cache.rowElements(), values.end(),
            std::numeric_limits<float>::quiet_NaN());
        return arrays.given(name, cache, values);
    };
    const Shape fresh{sizes.tokens, sizes.heads, sizes.headDim};
    Attention op{
        .q = arrays.floats("q", fresh, sizes.size),
        .keys = filled("keys"),
        .values = filled("values"),
        .past = sizes.causal ? sizes.past : 0,
        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.headDim))),
        .y = arrays.output("y", fresh, DType::F32, sizes.size > 1.0 ? kSharpBound : kBound),
        .causal = sizes.causal};
    if (sizes.bias) {
        addBias(arrays, op);
    }
    return op;
}

void addSizes(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    const std::string name = "tokens " + std::to_string(sizes.tokens) + " past " +
                             std::to_string(sizes.past) + " heads " + std::to_string(sizes.heads) +
                             "/" + std::to_string(sizes.kvHeads) + " dim " +
                             std::to_string(sizes.headDim) + (sizes.spare > 0 ? " spare" : "") +
                             (sizes.size > 1.0 ? " sharp" : "") + (sizes.causal ? "" : " all") +
                             (sizes.bias ? " bias" : "") + (options.shifted ? " shifted" : "");
    addCase<Attention>(
        checks, "attention", name, [sizes](Arrays& arrays) { return make(arrays, sizes); },
        options);
}

} // namespace

void addAttentionCases(std::vector<Check>& checks) {
    addSizes(checks, {});
    addSizes(checks, {.tokens = 1, .past = 0, .heads = 4, .kvHeads = 2, .headDim = 64, .spare = 9});
    addSizes(
        checks, {.tokens = 1, .past = 200, .heads = 6, .kvHeads = 3, .headDim = 33, .spare = 1});
    addSizes(checks, {.tokens = 1, .past = 700, .heads = 8, .kvHeads = 8, .headDim = 128});
    addSizes(
        checks, {.tokens = 5, .past = 61, .heads = 2, .kvHeads = 1, .headDim = 16, .spare = 3});
    addSizes(checks, {.tokens = 8, .past = 0, .heads = 1, .kvHeads = 1, .headDim = 1});
    addSizes(
        checks, {.tokens = 33, .past = 0, .heads = 4, .kvHeads = 4, .headDim = 32, .spare = 70});
    addSizes(
        checks, {.tokens = 70, .past = 63, .heads = 4, .kvHeads = 2, .headDim = 40, .spare = 5});
    addSizes(
        checks, {.tokens = 130, .past = 1, .heads = 3, .kvHeads = 1, .headDim = 64},
        {.shifted = true});
    addSizes(checks, {.tokens = 65, .past = 7, .heads = 2, .kvHeads = 2, .headDim = 256});
    addSizes(
        checks, {.tokens = 40, .past = 30, .heads = 2, .kvHeads = 2, .headDim = 64, .size = 60.0});
    addSizes(
        checks, {.tokens = 1, .past = 90, .heads = 2, .kvHeads = 2, .headDim = 64, .size = 60.0});
    addSizes(checks, {.tokens = 3, .past = 2, .heads = 2, .kvHeads = 1, .headDim = 300});
    addSizes(
        checks, {.tokens = 0, .past = 4, .heads = 2, .kvHeads = 1, .headDim = 8},
        {.throughRun = true});
    addSizes(checks, {.bias = true});
    addSizes(
        checks, {.tokens = 1, .past = 62, .heads = 4, .kvHeads = 4, .headDim = 64, .bias = true});
    addSizes(
        checks,
        {.tokens = 7,
         .past = 30,
         .heads = 3,
         .kvHeads = 3,
         .headDim = 32,
         .spare = 4,
         .bias = true},
        {.shifted = true});
    addSizes(
        checks, {.tokens = 70, .past = 63, .heads = 4, .kvHeads = 2, .headDim = 24, .bias = true});
    addSizes(
        checks, {.tokens = 3, .past = 2, .heads = 2, .kvHeads = 1, .headDim = 300, .bias = true});
    addSizes(
        checks, {.tokens = 1,
                 .past = 0,
                 .heads = 2,
                 .kvHeads = 2,
                 .headDim = 16,
                 .causal = false,
                 .bias = true});
    addSizes(
        checks, {.tokens = 22,
                 .past = 0,
                 .heads = 4,
                 .kvHeads = 4,
                 .headDim = 24,
                 .causal = false,
                 .bias = true});
    addSizes(
        checks, {.tokens = 130,
                 .past = 0,
                 .heads = 2,
                 .kvHeads = 2,
                 .headDim = 40,
                 .causal = false,
                 .bias = true});
    addSizes(
        checks,
        {.tokens = 1, .past = 15, .heads = 4, .kvHeads = 4, .headDim = 64, .causal = false});
    addSizes(
        checks,
        {.tokens = 11, .past = 80, .heads = 2, .kvHeads = 1, .headDim = 33, .causal = false});
    addSizes(
        checks,
        {.tokens = 40, .past = -33, .heads = 2, .kvHeads = 2, .headDim = 64, .causal = false});
}

} // namespace lathe::conformance
