// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope/rope.h"
#include "tests/conformance/cases.h"

#include <cmath>

namespace lathe::conformance {

namespace {

/// Sine and cosine within 2e-7, and a fused or separate rounding of the products.
constexpr double kBound = 1e-6;

std::vector<float> frequencies(std::int64_t headDim) {
    std::vector<float> out(static_cast<std::size_t>(headDim / 2));
    for (std::size_t j = 0; j < out.size(); ++j) {
        out[j] = static_cast<float>(
            std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(headDim)));
    }
    return out;
}

void addShape(
    std::vector<Check>& checks, Shape shape, std::int32_t lastPosition, CaseOptions options = {}) {
    addCase<Rope>(
        checks, "rope",
        shape.text() + (options.shifted ? " shifted" : "") + " positions to " +
            std::to_string(lastPosition),
        [shape, lastPosition](Arrays& arrays) {
            const std::int32_t low = std::min(lastPosition, 0);
            return Rope{
                .x = arrays.updated("x", shape, kBound),
                .frequencies = arrays.given("frequencies", {shape[2] / 2}, frequencies(shape[2])),
                .positions =
                    arrays.integers("positions", {shape[0]}, low, std::max(lastPosition, 0))};
        },
        options);
}

} // namespace

void addRopeCases(std::vector<Check>& checks) {
    addShape(checks, {1, 1, 2}, 5);
    addShape(checks, {7, 3, 6}, 100);
    addShape(checks, {5, 2, 34}, 2048, {.shifted = true});
    addShape(checks, {100, 8, 64}, 256);
    addShape(checks, {9, 2, 128}, 131072);
    addShape(checks, {2, 1, 600}, 10);
    addShape(checks, {40, 2, 64}, -2048); // back
    addShape(checks, {0, 4, 32}, 1, {.throughRun = true});
}

} // namespace lathe::conformance
