// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/packed_inputs.h"

namespace lathe::conformance {

namespace {

/// Single precision sums of up to 16411 products in any order; measured up to 1e-6.
constexpr double kBound = 4e-6;

struct Sizes {
    int bits = 4;
    std::int64_t rows = 1, in = 1, out = 1;
    bool bias = false;
};

LutGemv makeGemv(Arrays& arrays, const Sizes& sizes) {
    LutGemv op{
        .x = arrays.floats("x", {sizes.rows, sizes.in}),
        .packed = randomCodes(arrays, sizes.out, sizes.in, sizes.bits),
        .table =
            arrays.weights("table", {sizes.out, std::int64_t{1} << sizes.bits}, DType::F16, 0.1),
        .bits = sizes.bits,
        .y = {}};
    if (sizes.bias) {
        op.bias = arrays.floats("bias", {sizes.out});
    }
    op.y = arrays.output("y", {sizes.rows, sizes.out}, DType::F32, kBound);
    return op;
}

void addGemv(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    const std::string name = std::to_string(sizes.bits) + " bit rows " +
                             std::to_string(sizes.rows) + " in " + std::to_string(sizes.in) +
                             " out " + std::to_string(sizes.out) + (sizes.bias ? " bias" : "") +
                             (options.shifted ? " shifted" : "");
    addCase<LutGemv>(
        checks, "lut_gemv", name, [sizes](Arrays& arrays) { return makeGemv(arrays, sizes); },
        options);
}

void addGemvCases(std::vector<Check>& checks) {
    for (int bits = 1; bits <= 8; ++bits) {
        addGemv(checks, {bits, 1, 1, 1});
        addGemv(checks, {bits, 1, 1030, 33, true});
        addGemv(checks, {bits, 2, 77, 31});
        addGemv(checks, {bits, 3, 513, 5, true});
        addGemv(checks, {bits, 5, 31, 19, true});
        addGemv(checks, {bits, 8, 259, 66});
        addGemv(checks, {bits, 1, 256, 1024});
        addGemv(checks, {bits, 3, 165, 23, true}, {.shifted = true});
        addGemv(checks, {bits, 1, 16411, 3, true});
    }
    addGemv(checks, {4, 8, 16411, 3, true});
    addGemv(checks, {3, 1, 64, 4099, true}); // many rows for every group of threads
    addGemv(checks, {4, 2, 0, 9, true});
    addGemv(checks, {4, 1, 8, 0}, {.throughRun = true});
    addCase<LutGemv>(checks, "lut_gemv", "NaN and infinity stay in their rows", [](Arrays& arrays) {
        std::vector<float> x = arrays.normals(std::int64_t{4} * 45, 1.0);
        x[5] = std::numeric_limits<float>::quiet_NaN();
        x[100] = std::numeric_limits<float>::infinity();
        return LutGemv{
            .x = arrays.given("x", {4, 45}, x),
            .packed = randomCodes(arrays, 10, 45, 3),
            .table = arrays.weights("table", {10, 8}, DType::F16),
            .bits = 3,
            .y = arrays.output("y", {4, 10}, DType::F32, kBound)};
    });
}

/// Rows [from, from + count) of a matrix [out, in]. The widened entries are exact.
void addDequantize(std::vector<Check>& checks, const PackedShape& shape, CaseOptions options = {}) {
    addCase<LutDequantize>(
        checks, "lut_dequantize", shape.text() + (options.shifted ? " shifted" : ""),
        [shape](Arrays& arrays) {
            return LutDequantize{
                .packed = randomCodes(arrays, shape.out, shape.in, shape.bits),
                .table =
                    arrays.weights("table", {shape.out, std::int64_t{1} << shape.bits}, DType::F16),
                .bits = shape.bits,
                .rowFrom = shape.from,
                .w = arrays.output("w", {shape.count, shape.in}, DType::F32)};
        },
        options);
}

} // namespace

void addLutGemvCases(std::vector<Check>& checks) {
    addGemvCases(checks);
    for (int bits = 1; bits <= 8; ++bits) {
        addDequantize(checks, {bits, 1, 1, 0, 1});
        addDequantize(checks, {bits, 37, 1, 0, 37});
        addDequantize(checks, {bits, 23, 515, 0, 23});
        addDequantize(checks, {bits, 23, 77, 5, 11});
        addDequantize(checks, {bits, 9, 133, 8, 1}, {.shifted = true});
        addDequantize(checks, {bits, 3, 16411, 0, 3});
    }
    addDequantize(checks, {4, 5, 8, 2, 0}, {.throughRun = true});
}

} // namespace lathe::conformance
