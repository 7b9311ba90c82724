// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rms_norm/rms_norm.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// The sum of squares in single precision.
constexpr double kBound = 1e-6;

void addShape(std::vector<Check>& checks, Shape shape, double scale, CaseOptions options = {}) {
    addCase<RmsNorm>(
        checks, "rms_norm",
        shape.text() + (options.shifted ? " shifted" : "") + " scale " + std::to_string(scale),
        [shape, scale](Arrays& arrays) {
            return RmsNorm{
                .x = arrays.floats("x", shape, scale),
                .gamma = arrays.floats("gamma", {shape[1]}),
                .y = arrays.output("y", shape, DType::F32, kBound)};
        },
        options);
}

} // namespace

void addRmsNormCases(std::vector<Check>& checks) {
    addShape(checks, {1, 1}, 1.0);
    addShape(checks, {3, 7}, 1.0);
    addShape(checks, {3, 17}, 1.0, {.shifted = true});
    addShape(checks, {2, 4097}, 100.0);
    addShape(checks, {200, 256}, 1.0);
    addShape(checks, {5, 33}, 1e-4);
    addShape(checks, {0, 64}, 1.0, {.throughRun = true});
    addCase<RmsNorm>(checks, "rms_norm", "y is x", [](Arrays& arrays) {
        const ConstView gamma = arrays.floats("gamma", {65});
        const TensorView y = arrays.updated("y", {4, 65}, kBound);
        return RmsNorm{.x = y, .gamma = gamma, .y = y, .epsilon = 1e-6F};
    });
    addCase<RmsNorm>(checks, "rms_norm", "a row of zeros and one with NaN", [](Arrays& arrays) {
        std::vector<float> x(3 * 20, 0.0F);
        x[25] = std::numeric_limits<float>::quiet_NaN();
        x[45] = 2.0F;
        return RmsNorm{
            .x = arrays.given("x", {3, 20}, x),
            .gamma = arrays.floats("gamma", {20}),
            .y = arrays.output("y", {3, 20}, DType::F32, kBound)};
    });
}

} // namespace lathe::conformance
