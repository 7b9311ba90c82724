// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/kmeans_rows/kmeans_rows.h"
#include "tests/conformance/cases.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::conformance {

namespace {

/// Every kernel takes the same sums in the same order, in double precision without fused rounding.
constexpr double kBound = 0.0;

struct RowsCase {
    Shape shape;
    std::int64_t clusters = 16;
    DType dtype = DType::BF16;
    bool weighted = true, curve = false;
    CaseOptions options{};
};

std::vector<float> lognormals(Arrays& arrays, std::int64_t count) {
    std::vector<float> values = arrays.normals(count, 2.0);
    for (float& value : values) {
        value = std::exp(value);
    }
    return values;
}

struct Wanted {
    std::int64_t clusters = 16;
    bool curve = false;
};

KmeansRows opOn(Arrays& arrays, Wanted wanted, ConstView values, ConstView weights) {
    const Shape table{values.shape[0], wanted.clusters};
    return {
        .values = values,
        .weights = weights,
        .centroids = arrays.output("centroids", table, DType::F64, kBound),
        .cost = arrays.output("cost", {table[0]}, DType::F64, kBound),
        .curve = wanted.curve ? arrays.output("curve", table, DType::F64, kBound) : TensorView{}};
}

void addRows(std::vector<Check>& checks, const RowsCase& c) {
    const std::string name = c.shape.text() + " " + std::string(nameOf(c.dtype)) + " into " +
                             std::to_string(c.clusters) + (c.weighted ? " weighted" : "") +
                             (c.curve ? " curve" : "") + (c.options.shifted ? " shifted" : "");
    addCase<KmeansRows>(
        checks, "kmeans_rows", name,
        [c](Arrays& arrays) {
            const ConstView values = arrays.weights("values", c.shape, c.dtype, 0.02);
            const ConstView weights =
                c.weighted
                    ? arrays.given("weights", c.shape, lognormals(arrays, c.shape.elementCount()))
                    : ConstView{};
            return opOn(arrays, {c.clusters, c.curve}, values, weights);
        },
        c.options);
}

/// Repeated, huge, tiny and signed-zero values, narrow bands far from zero.
float hostileValue(std::mt19937_64& random) {
    switch (random() % 8) {
    case 0:
        return 0.0F;
    case 1:
        return -0.0F;
    case 2:
        return std::numeric_limits<float>::max();
    case 3:
        return -std::numeric_limits<float>::max();
    case 4:
        return std::numeric_limits<float>::denorm_min() * static_cast<float>(random() % 5);
    case 5:
        return 10000.0F + 0.001F * static_cast<float>(random() % 9);
    default:
        return static_cast<float>(random() % 1000) - 500.0F;
    }
}

/// Row by row: nothing but one value, two values, no weight at all, some without weight, one weight
/// above all others, and hostile values throughout.
void addHostile(std::vector<Check>& checks, std::int64_t width, std::int64_t clusters, bool curve) {
    const std::string name = "hostile rows of " + std::to_string(width) + " into " +
                             std::to_string(clusters) + (curve ? " curve" : "");
    addCase<KmeansRows>(checks, "kmeans_rows", name, [=](Arrays& arrays) {
        constexpr std::int64_t kRows = 24;
        std::vector<float> values, weights;
        for (std::int64_t row = 0; row < kRows; ++row) {
            for (std::int64_t i = 0; i < width; ++i) {
                const float two = arrays.random()() % 2 == 0 ? -1.5F : 3.0F;
                const float any = hostileValue(arrays.random());
                values.push_back(row == 0 ? 0.25F : row == 1 ? two : any);
                const bool none = row % 4 == 2 || (row % 4 == 3 && arrays.random()() % 3 == 0);
                weights.push_back(none ? 0.0F : std::exp(2.0F * arrays.normals(1, 1.0)[0]));
            }
            weights.back() *= row % 4 == 1 ? 1e25F : 1.0F;
        }
        const Shape shape{kRows, width};
        const ConstView given = arrays.given("values", shape, values);
        return opOn(arrays, {clusters, curve}, given, arrays.given("weights", shape, weights));
    });
}

void addUnusable(std::vector<Check>& checks) {
    addCase<KmeansRows>(checks, "kmeans_rows", "rows that are not numbers", [](Arrays& arrays) {
        const float infinite = std::numeric_limits<float>::infinity();
        const float nan = std::numeric_limits<float>::quiet_NaN();
        const ConstView values = arrays.given<float>(
            "values", {6, 3}, {1, 2, nan, -infinite, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5, 6});
        const ConstView weights = arrays.given<float>(
            "weights", {6, 3}, {1, 1, 1, 1, 1, 1, 1, -1, 1, nan, 1, 1, 1, 1, infinite, 1, 1, 1});
        return opOn(arrays, {2, true}, values, weights);
    });
}

/// Lengths from below 1 to beyond the row; what lies behind them are numbers that no row may see.
void addLengths(std::vector<Check>& checks, std::int64_t width, DType dtype, bool curve) {
    const std::string name = "rows of 0 to " + std::to_string(width) + " " +
                             std::string(nameOf(dtype)) + (curve ? " curve" : "");
    addCase<KmeansRows>(checks, "kmeans_rows", name, [=](Arrays& arrays) {
        constexpr std::int64_t kRows = 40;
        const Shape shape{kRows, width};
        std::vector<std::int32_t> lengths{-1, 0, 1, 2, static_cast<std::int32_t>(width) + 1};
        while (lengths.size() < static_cast<std::size_t>(kRows)) {
            const auto bound = static_cast<std::uint64_t>(width);
            lengths.push_back(static_cast<std::int32_t>(1 + arrays.random()() % bound));
        }
        std::vector<float> weights = lognormals(arrays, shape.elementCount());
        for (std::int64_t row = 0; row < kRows; ++row) {
            const auto length = std::max(lengths[static_cast<std::size_t>(row)], 0);
            for (std::int64_t i = length; i < width; ++i) {
                weights[static_cast<std::size_t>(row * width + i)] = -1.0F;
            }
        }
        KmeansRows op = opOn(
            arrays, {8, curve}, arrays.weights("values", shape, dtype, 0.02),
            arrays.given("weights", shape, weights));
        op.lengths = arrays.given("lengths", Shape{kRows}, lengths);
        return op;
    });
}

} // namespace

void addKmeansRowsCases(std::vector<Check>& checks) {
    addRows(checks, {.shape = {1, 1}, .clusters = 1});
    addRows(checks, {.shape = {2, 1}, .clusters = 4, .curve = true});
    addRows(checks, {.shape = {3, 7}, .clusters = 3, .dtype = DType::F32});
    addRows(checks, {.shape = {5, 33}, .dtype = DType::F16, .options = {.shifted = true}});
    addRows(checks, {.shape = {4, 256}, .clusters = 8, .weighted = false, .curve = true});
    addRows(checks, {.shape = {3, 257}, .clusters = 1, .curve = true});
    addRows(checks, {.shape = {3, 257}, .clusters = 2, .dtype = DType::F32});
    addRows(checks, {.shape = {2, 1000}, .clusters = 256, .curve = true});
    addRows(checks, {.shape = {3000, 40}, .clusters = 4});
    addRows(checks, {.shape = {4, 4096}, .curve = true});
    addRows(checks, {.shape = {2, 4096}, .dtype = DType::F16});
    addRows(checks, {.shape = {2, 4099}, .dtype = DType::F32, .options = {.shifted = true}});
    addRows(checks, {.shape = {2, 11008}});
    addRows(checks, {.shape = {1, 16384}, .clusters = 5, .dtype = DType::F32, .curve = true});
    addRows(checks, {.shape = {1, 50000}, .clusters = 4, .dtype = DType::F32});
    addRows(checks, {.shape = {0, 10}, .options = {.throughRun = true}});
    addHostile(checks, 5, 7, true);
    addHostile(checks, 40, 6, false);
    addHostile(checks, 700, 16, true);
    addUnusable(checks);
    addLengths(checks, 9, DType::F32, true);
    addLengths(checks, 300, DType::F16, true);
    addLengths(checks, 4096, DType::BF16, false);
}

} // namespace lathe::conformance
