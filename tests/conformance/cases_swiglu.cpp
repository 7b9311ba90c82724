// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu/swiglu.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// A few roundings and an exponential within 2 units in the last place.
constexpr double kBound = 5e-7;

void addShape(std::vector<Check>& checks, Shape shape, CaseOptions options) {
    addCase<SwiGlu>(
        checks, "swiglu", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return SwiGlu{
                .gate = arrays.floats("gate", shape, 4.0),
                .up = arrays.floats("up", shape),
                .y = arrays.output("y", shape, DType::F32, kBound)};
        },
        options);
}

/// Halves of wider rows.
void addStrided(std::vector<Check>& checks, Shape shape, std::int64_t gap, CaseOptions options) {
    addCase<SwiGlu>(
        checks, "swiglu", shape.text() + " gap " + std::to_string(gap),
        [shape, gap](Arrays& arrays) {
            const std::int64_t stride = shape[1] + gap;
            const auto rows = [&](const char* name, double scale) {
                ConstView view = arrays.floats(name, {(shape[0] - 1) * stride + shape[1]}, scale);
                view.shape = shape;
                return view;
            };
            return SwiGlu{
                .gate = rows("gate", 4.0),
                .up = rows("up", 1.0),
                .y = arrays.output("y", shape, DType::F32, kBound),
                .stride = stride};
        },
        options);
}

void addGradient(std::vector<Check>& checks, Shape shape, CaseOptions options) {
    addCase<SwiGluGradient>(
        checks, "swiglu_gradient", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return SwiGluGradient{
                .gate = arrays.floats("gate", shape, 4.0),
                .up = arrays.floats("up", shape),
                .dy = arrays.floats("dy", shape),
                .dgate = arrays.output("dgate", shape, DType::F32, kBound),
                .dup = arrays.output("dup", shape, DType::F32, kBound)};
        },
        options);
}

void addGradients(std::vector<Check>& checks) {
    addGradient(checks, {1, 1}, {});
    addGradient(checks, {3, 17}, {.shifted = true});
    addGradient(checks, {100, 257}, {});
    addGradient(checks, {4, 0}, {.throughRun = true});
    addCase<SwiGluGradient>(checks, "swiglu_gradient", "in place", [](Arrays& arrays) {
        const TensorView gate = arrays.updated("gate", {5, 33}, kBound);
        const TensorView up = arrays.updated("up", {5, 33}, kBound);
        const ConstView dy = arrays.floats("dy", {5, 33});
        return SwiGluGradient{.gate = gate, .up = up, .dy = dy, .dgate = gate, .dup = up};
    });
    addCase<SwiGluGradient>(checks, "swiglu_gradient", "far gates and NaN", [](Arrays& arrays) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const std::vector<float> ones(7, 1.0F);
        return SwiGluGradient{
            .gate = arrays.given<float>(
                "gate", {1, 7}, {-200.0F, -90.0F, -80.0F, 0.0F, 90.0F, 300.0F, nan}),
            .up = arrays.given("up", {1, 7}, ones),
            .dy = arrays.given("dy", {1, 7}, ones),
            .dgate = arrays.output("dgate", {1, 7}, DType::F32, kBound),
            .dup = arrays.output("dup", {1, 7}, DType::F32, kBound)};
    });
}

} // namespace

void addSwiGluCases(std::vector<Check>& checks) {
    addStrided(checks, {1, 300}, 0, {});
    addStrided(checks, {16, 65}, 65, {});
    addStrided(checks, {3, 1000}, 7, {.shifted = true});
    addShape(checks, {1, 1}, {});
    addShape(checks, {3, 17}, {.shifted = true});
    addShape(checks, {100, 257}, {});
    addShape(checks, {4, 0}, {.throughRun = true});
    addCase<SwiGlu>(checks, "swiglu", "y is gate", [](Arrays& arrays) {
        const ConstView up = arrays.floats("up", {5, 33});
        const TensorView y = arrays.updated("y", {5, 33}, kBound);
        return SwiGlu{.gate = y, .up = up, .y = y};
    });
    addCase<SwiGlu>(checks, "swiglu", "y is up", [](Arrays& arrays) {
        const ConstView gate = arrays.floats("gate", {5, 33});
        const TensorView y = arrays.updated("y", {5, 33}, kBound);
        return SwiGlu{.gate = gate, .up = y, .y = y};
    });
    addCase<SwiGlu>(checks, "swiglu", "far gates and NaN", [](Arrays& arrays) {
        const float nan = std::numeric_limits<float>::quiet_NaN();
        return SwiGlu{
            .gate = arrays.given<float>(
                "gate", {1, 7}, {-200.0F, -90.0F, -88.0F, 0.0F, 90.0F, 300.0F, nan}),
            .up = arrays.given<float>("up", {1, 7}, {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F}),
            .y = arrays.output("y", {1, 7}, DType::F32, kBound)};
    });
    addGradients(checks);
}

} // namespace lathe::conformance
