// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/row_statistics/row_statistics.h"
#include "tests/conformance/cases.h"

#include <cmath>
#include <limits>

namespace lathe::conformance {

namespace {

/// Exponentials within 2 units in the last place, summed in single precision by blocks.
constexpr double kBound = 1e-6;

void addRows(
    std::vector<Check>& checks, Shape shape, std::int64_t columns, CaseOptions options = {}) {
    const std::string name = shape.text() + ", " + std::to_string(columns) + " columns" +
                             (options.shifted ? " shifted" : "");
    addCase<RowStatistics>(
        checks, "row_statistics", name,
        [shape, columns](Arrays& arrays) {
            return RowStatistics{
                .logits = arrays.floats("logits", shape, 4.0),
                .targets = arrays.integers(
                    "targets", {shape[0]}, -1, static_cast<std::int32_t>(columns - 1)),
                .columns = columns,
                .argmax = arrays.output("argmax", {shape[0]}, DType::I32),
                .values = arrays.output("values", {shape[0], 3}, DType::F32, kBound)};
        },
        options);
}

/// Ties across the lanes of every vector width, rows without a number, and padding that is larger
/// than everything that counts.
std::vector<float> unusualRows(std::int64_t vocabulary) {
    const float inf = std::numeric_limits<float>::infinity();
    std::vector<float> logits(static_cast<std::size_t>(7 * vocabulary), -1.0F);
    const auto row = [&](std::int64_t r) { return logits.begin() + r * vocabulary; };
    row(0)[3] = row(0)[20] = row(0)[35] = 2.0F; // a tie: the lowest index
    row(1)[35] = row(1)[17] = 2.0F;
    std::fill(row(2), row(3), -inf); // nothing possible
    std::fill(row(3), row(4), -inf);
    row(3)[4] = 1.0F; // one entry possible
    row(4)[5] = std::numeric_limits<float>::quiet_NaN();
    row(5)[0] = 1e30F;                // all weight on one entry
    std::fill(row(6), row(7), 88.0F); // sums beyond the range of floats
    for (std::int64_t r = 0; r < 7; ++r) {
        row(r)[vocabulary - 1] = 1e35F;
    }
    return logits;
}

} // namespace

void addRowStatisticsCases(std::vector<Check>& checks) {
    addRows(checks, {1, 1}, 1);
    addRows(checks, {3, 7}, 5);
    addRows(checks, {5, 33}, 33, {.shifted = true});
    addRows(checks, {11, 2048}, 2000);
    addRows(checks, {2, 32128}, 32100, {.twice = true});
    addRows(checks, {0, 10}, 10, {.throughRun = true});
    addCase<RowStatistics>(checks, "row_statistics", "unusual rows", [](Arrays& arrays) {
        return RowStatistics{
            .logits = arrays.given("logits", {7, 38}, unusualRows(38)),
            .targets = arrays.given<std::int32_t>("targets", {7}, {3, -1, 4, 1, 0, 36, -1}),
            .columns = 37,
            .argmax = arrays.output("argmax", {7}, DType::I32),
            .values = arrays.output("values", {7, 3}, DType::F32, kBound)};
    });
    addCase<RowStatistics>(checks, "row_statistics", "nothing but NaN", [](Arrays& arrays) {
        std::vector<float> rows(300, std::numeric_limits<float>::quiet_NaN());
        return RowStatistics{
            .logits = arrays.given("logits", {1, 300}, rows),
            .targets = arrays.given<std::int32_t>("targets", {1}, {299}),
            .columns = 300,
            .argmax = arrays.output("argmax", {1}, DType::I32),
            .values = arrays.output("values", {1, 3}, DType::F32, kBound)};
    });
}

} // namespace lathe::conformance
