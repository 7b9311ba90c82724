// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/attention_gradient/attention_gradient.h"
#include "tests/conformance/cases.h"

#include <cmath>

namespace lathe::conformance {

namespace {

/// Scores, their differences and weighted sums in single precision.
constexpr double kBound = 8e-6;
/// A score of 200 is known to 200 * 2^-24 = 1.2e-5, and its exponential to that share.
constexpr double kSharpBound = 8e-5;

struct Sizes {
    std::int64_t tokens = 1, heads = 1, kvHeads = 1, headDim = 1;
    double size = 1.0; ///< of queries: large ones make soft-max sharp
};

AttentionGradient make(Arrays& arrays, const Sizes& sizes) {
    const Shape queries{sizes.tokens, sizes.heads, sizes.headDim};
    const Shape keys{sizes.tokens, sizes.kvHeads, sizes.headDim};
    const double bound = sizes.size > 1.0 ? kSharpBound : kBound;
    return {
        .q = arrays.floats("q", queries, sizes.size),
        .keys = arrays.floats("keys", keys),
        .values = arrays.floats("values", keys),
        .dy = arrays.floats("dy", queries),
        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sizes.headDim))),
        .dq = arrays.output("dq", queries, DType::F32, bound),
        .dkeys = arrays.output("dkeys", keys, DType::F32, bound),
        .dvalues = arrays.output("dvalues", keys, DType::F32, bound)};
}

void addSizes(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    addCase<AttentionGradient>(
        checks, "attention_gradient",
        "tokens " + std::to_string(sizes.tokens) + " heads " + std::to_string(sizes.heads) + "/" +
            std::to_string(sizes.kvHeads) + " dim " + std::to_string(sizes.headDim) +
            (sizes.size > 1.0 ? " sharp" : "") + (options.shifted ? " shifted" : ""),
        [sizes](Arrays& arrays) { return make(arrays, sizes); }, options);
}

} // namespace

void addAttentionGradientCases(std::vector<Check>& checks) {
    addSizes(checks, {});
    addSizes(checks, {.tokens = 2, .heads = 1, .kvHeads = 1, .headDim = 3});
    addSizes(checks, {.tokens = 7, .heads = 4, .kvHeads = 2, .headDim = 4});
    addSizes(checks, {.tokens = 33, .heads = 4, .kvHeads = 4, .headDim = 32});
    addSizes(checks, {.tokens = 70, .heads = 6, .kvHeads = 2, .headDim = 40}, {.shifted = true});
    addSizes(checks, {.tokens = 130, .heads = 3, .kvHeads = 1, .headDim = 64});
    addSizes(checks, {.tokens = 37, .heads = 4, .kvHeads = 2, .headDim = 128});
    addSizes(checks, {.tokens = 21, .heads = 2, .kvHeads = 1, .headDim = 96});
    addSizes(checks, {.tokens = 65, .heads = 2, .kvHeads = 2, .headDim = 256});
    addSizes(checks, {.tokens = 40, .heads = 2, .kvHeads = 2, .headDim = 64, .size = 60.0});
    addSizes(checks, {.tokens = 5, .heads = 2, .kvHeads = 1, .headDim = 300});
    addSizes(checks, {.tokens = 0, .heads = 2, .kvHeads = 1, .headDim = 8}, {.throughRun = true});
}

} // namespace lathe::conformance
