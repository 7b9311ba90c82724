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

void addSummed(std::vector<Check>& checks, Shape shape, CaseOptions options = {}) {
    addCase<AddRmsNorm>(
        checks, "add_rms_norm", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return AddRmsNorm{
                .x = arrays.updated("x", shape, 1e-7),
                .delta = arrays.floats("delta", shape),
                .gamma = arrays.floats("gamma", {shape[1]}),
                .y = arrays.output("y", shape, DType::F32, kBound)};
        },
        options);
}

/// Two sums in single precision, and a difference of what they scale.
constexpr double kGradientBound = 2e-6;

void addGradient(std::vector<Check>& checks, Shape shape, double scale, CaseOptions options = {}) {
    addCase<RmsNormGradient>(
        checks, "rms_norm_gradient",
        shape.text() + (options.shifted ? " shifted" : "") + " scale " + std::to_string(scale),
        [shape, scale](Arrays& arrays) {
            return RmsNormGradient{
                .x = arrays.floats("x", shape, scale),
                .gamma = arrays.floats("gamma", {shape[1]}),
                .dy = arrays.floats("dy", shape),
                .dx = arrays.output("dx", shape, DType::F32, kGradientBound)};
        },
        options);
}

void addGradients(std::vector<Check>& checks) {
    // With a small epsilon the gradient of a single element is all cancellation.
    addCase<RmsNormGradient>(checks, "rms_norm_gradient", "one element", [](Arrays& arrays) {
        return RmsNormGradient{
            .x = arrays.floats("x", {1, 1}),
            .gamma = arrays.floats("gamma", {1}),
            .dy = arrays.floats("dy", {1, 1}),
            .dx = arrays.output("dx", {1, 1}, DType::F32, kGradientBound),
            .epsilon = 1.0F};
    });
    addGradient(checks, {3, 7}, 1.0);
    addGradient(checks, {3, 17}, 1.0, {.shifted = true});
    addGradient(checks, {2, 4097}, 100.0);
    addGradient(checks, {200, 256}, 1.0);
    addGradient(checks, {5, 33}, 1e-4);
    addGradient(checks, {0, 64}, 1.0, {.throughRun = true});
    addCase<RmsNormGradient>(checks, "rms_norm_gradient", "dx is dy", [](Arrays& arrays) {
        const ConstView x = arrays.floats("x", {4, 65});
        const ConstView gamma = arrays.floats("gamma", {65});
        const TensorView dx = arrays.updated("dx", {4, 65}, kGradientBound);
        return RmsNormGradient{.x = x, .gamma = gamma, .dy = dx, .dx = dx, .epsilon = 1e-6F};
    });
    addCase<RmsNormGradient>(checks, "rms_norm_gradient", "a row of zeros", [](Arrays& arrays) {
        std::vector<float> x(2 * 20, 0.0F);
        x[25] = 2.0F;
        return RmsNormGradient{
            .x = arrays.given("x", {2, 20}, x),
            .gamma = arrays.floats("gamma", {20}),
            .dy = arrays.floats("dy", {2, 20}),
            .dx = arrays.output("dx", {2, 20}, DType::F32, kGradientBound)};
    });
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
    addSummed(checks, {1, 1});
    addSummed(checks, {3, 20}, {.shifted = true});
    addSummed(checks, {16, 64});
    addSummed(checks, {1, 4096});
    addSummed(checks, {2, 8192});
    addSummed(checks, {2, 8196});
    addSummed(checks, {5, 333});
    addSummed(checks, {0, 64}, {.throughRun = true});
    addGradients(checks);
}

} // namespace lathe::conformance
