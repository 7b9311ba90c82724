// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/guided_hessian/guided_hessian.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// That of a product, and as much again for the roots that its operands are scaled by.
constexpr double kBound = 8e-6;

struct Sizes {
    std::int64_t rows = 1, in = 1, out = 1, groups = 1;
};

void addSizes(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    addCase<GuidedHessian>(
        checks, "guided_hessian",
        "rows " + std::to_string(sizes.rows) + " in " + std::to_string(sizes.in) + " out " +
            std::to_string(sizes.out) + " groups " + std::to_string(sizes.groups) +
            (options.shifted ? " shifted" : ""),
        [sizes](Arrays& arrays) {
            return GuidedHessian{
                .x = arrays.floats("x", {sizes.rows, sizes.in}),
                .dy = arrays.floats("dy", {sizes.rows, sizes.out}),
                .sums = arrays.updated("sums", {sizes.groups, sizes.in, sizes.in}, kBound)};
        },
        options);
}

} // namespace

void addGuidedHessianCases(std::vector<Check>& checks) {
    addSizes(checks, {1, 1, 1, 1});
    addSizes(checks, {3, 5, 2, 2});
    addSizes(checks, {31, 33, 17, 4}, {.shifted = true}); // groups of 4 and of 5
    addSizes(checks, {255, 300, 70, 1});
    addSizes(checks, {9, 1200, 3, 1}); // more than one tile on a CPU, the last one of few rows
    addSizes(checks, {3, 3000, 3, 1}); // the same on a GPU
    addSizes(checks, {0, 4, 4, 2}, {.throughRun = true});
    addSizes(checks, {4, 0, 4, 2}, {.throughRun = true});
}

} // namespace lathe::conformance
