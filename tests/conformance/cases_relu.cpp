// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/relu/relu.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

void addShape(std::vector<Check>& checks, Shape shape, CaseOptions options) {
    addCase<Relu>(
        checks, "relu", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return Relu{
                .x = arrays.floats("x", shape), .y = arrays.output("y", shape, DType::F32, 0.0)};
        },
        options);
}

} // namespace

void addReluCases(std::vector<Check>& checks) {
    addShape(checks, {1, 1}, {});
    addShape(checks, {3, 17}, {.shifted = true});
    addShape(checks, {300, 257}, {});
    addShape(checks, {0, 8}, {.throughRun = true});
    addCase<Relu>(checks, "relu", "y is x", [](Arrays& arrays) {
        const TensorView y = arrays.updated("y", {5, 33}, 0.0);
        return Relu{.x = y, .y = y};
    });
    addCase<Relu>(checks, "relu", "infinities and NaN", [](Arrays& arrays) {
        const float inf = std::numeric_limits<float>::infinity();
        const float nan = std::numeric_limits<float>::quiet_NaN();
        return Relu{
            .x = arrays.given<float>("x", {1, 6}, {inf, -inf, nan, -0.0F, 1e-45F, -1e-45F}),
            .y = arrays.output("y", {1, 6}, DType::F32, 0.0)};
    });
}

} // namespace lathe::conformance
