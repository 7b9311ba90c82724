// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/squared_gradient/squared_gradient.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// Twice the bound of the product that is squared.
constexpr double kBound = 8e-6;

struct Sizes {
    std::int64_t rows = 1, in = 1, out = 1;
};

void addSizes(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    addCase<SquaredGradient>(
        checks, "squared_gradient",
        "rows " + std::to_string(sizes.rows) + " in " + std::to_string(sizes.in) + " out " +
            std::to_string(sizes.out) + (options.shifted ? " shifted" : ""),
        [sizes](Arrays& arrays) {
            return SquaredGradient{
                .x = arrays.floats("x", {sizes.rows, sizes.in}),
                .dy = arrays.floats("dy", {sizes.rows, sizes.out}),
                .sums = arrays.updated("sums", {sizes.out, sizes.in}, kBound)};
        },
        options);
}

} // namespace

void addSquaredGradientCases(std::vector<Check>& checks) {
    addSizes(checks, {1, 1, 1});
    addSizes(checks, {3, 5, 2});
    addSizes(checks, {31, 33, 17}, {.shifted = true});
    addSizes(checks, {255, 300, 70});
    addSizes(checks, {9, 70000, 33});  // more than one tile on a CPU, the last one of few rows
    addSizes(checks, {5, 30000, 300}); // the same on a GPU
    addSizes(checks, {0, 4, 4}, {.throughRun = true});
    addSizes(checks, {4, 0, 4}, {.throughRun = true});
}

} // namespace lathe::conformance
