// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/add/add.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// One rounded addition: kernels have to agree exactly, but for the sign of zero.
constexpr double kBound = 1e-7;

void addShape(std::vector<Check>& checks, Shape shape, CaseOptions options) {
    addCase<Add>(
        checks, "add", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return Add{
                .a = arrays.floats("a", shape),
                .b = arrays.floats("b", shape),
                .y = arrays.output("y", shape, DType::F32, kBound)};
        },
        options);
}

} // namespace

void addAddCases(std::vector<Check>& checks) {
    addShape(checks, {1, 1}, {});
    addShape(checks, {3, 17}, {.shifted = true});
    addShape(checks, {2, 31}, {});
    addShape(checks, {300, 257}, {});
    addShape(checks, {0, 8}, {.throughRun = true});
    addCase<Add>(checks, "add", "y is a", [](Arrays& arrays) {
        const ConstView b = arrays.floats("b", {5, 33});
        const TensorView y = arrays.updated("y", {5, 33}, kBound);
        return Add{.a = y, .b = b, .y = y};
    });
    addCase<Add>(checks, "add", "y is a and b", [](Arrays& arrays) {
        const TensorView y = arrays.updated("y", {7, 9}, kBound);
        return Add{.a = y, .b = y, .y = y};
    });
    addCase<Add>(checks, "add", "infinities and NaN", [](Arrays& arrays) {
        const float inf = std::numeric_limits<float>::infinity();
        const float nan = std::numeric_limits<float>::quiet_NaN();
        return Add{
            .a = arrays.given<float>("a", {1, 5}, {inf, inf, nan, 3e38F, 1e-45F}),
            .b = arrays.given<float>("b", {1, 5}, {-inf, 1.0F, 1.0F, 3e38F, 1e-45F}),
            .y = arrays.output("y", {1, 5}, DType::F32, kBound)};
    });
}

} // namespace lathe::conformance
