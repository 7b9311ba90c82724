// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/geglu/geglu.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// A few roundings, and an exponential of up to 20 known to 20 * 2^-24: where it is large the
/// result is small.
constexpr double kBound = 1e-6;

void addShape(std::vector<Check>& checks, Shape shape, CaseOptions options) {
    addCase<GeGlu>(
        checks, "geglu", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return GeGlu{
                .gate = arrays.floats("gate", shape, 2.0),
                .up = arrays.floats("up", shape),
                .y = arrays.output("y", shape, DType::F32, kBound)};
        },
        options);
}

} // namespace

void addGeGluCases(std::vector<Check>& checks) {
    addShape(checks, {1, 1}, {});
    addShape(checks, {3, 17}, {.shifted = true});
    addShape(checks, {100, 257}, {});
    addShape(checks, {4, 0}, {.throughRun = true});
    addCase<GeGlu>(checks, "geglu", "y is gate", [](Arrays& arrays) {
        const ConstView up = arrays.floats("up", {5, 33});
        const TensorView y = arrays.updated("y", {5, 33}, kBound);
        return GeGlu{.gate = y, .up = up, .y = y};
    });
    addCase<GeGlu>(checks, "geglu", "y is up", [](Arrays& arrays) {
        const ConstView gate = arrays.floats("gate", {5, 33});
        const TensorView y = arrays.updated("y", {5, 33}, kBound);
        return GeGlu{.gate = gate, .up = y, .y = y};
    });
    addCase<GeGlu>(checks, "geglu", "far gates and NaN", [](Arrays& arrays) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const std::vector<float> ones(8, 1.0F);
        return GeGlu{
            .gate = arrays.given<float>(
                "gate", {1, 8}, {-1e20F, -200.0F, -11.0F, 0.0F, 1e-30F, 11.0F, 300.0F, nan}),
            .up = arrays.given("up", {1, 8}, ones),
            .y = arrays.output("y", {1, 8}, DType::F32, kBound)};
    });
}

} // namespace lathe::conformance
