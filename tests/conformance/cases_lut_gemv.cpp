// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/packed_inputs.h"

#include <algorithm>
#include <functional>

namespace lathe::conformance {

namespace {

/// Single precision sums of up to 16411 products in any order; measured up to 1e-6.
constexpr double kBound = 4e-6;

/// Of x that is rounded to 11 bits: a standard error of 2e-4 of that of y for normal x, and so at
/// five times it some 5e-4 of the largest y.
constexpr double kHalfBound = 1e-3;

struct Sizes {
    int bits = 4;
    std::int64_t rows = 1, in = 1, out = 1;
    bool bias = false;
};

std::vector<float> roundedToHalf(std::vector<float> values) {
    std::ranges::transform(values, values.begin(), [](float v) { return toFloat(toHalf(v)); });
    return values;
}

std::string text(const Sizes& sizes) {
    return std::to_string(sizes.bits) + " bit rows " + std::to_string(sizes.rows) + " in " +
           std::to_string(sizes.in) + " out " + std::to_string(sizes.out) +
           (sizes.bias ? " bias" : "");
}

LutGemv makeGemv(Arrays& arrays, const Sizes& sizes, double bound = kBound) {
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
    op.y = arrays.output("y", {sizes.rows, sizes.out}, DType::F32, bound);
    return op;
}

void addGemv(std::vector<Check>& checks, Sizes sizes, CaseOptions options = {}) {
    addCase<LutGemv>(
        checks, "lut_gemv", text(sizes) + (options.shifted ? " shifted" : ""),
        [sizes](Arrays& arrays) { return makeGemv(arrays, sizes); }, options);
}

/// 3 bits, 10 rows of the matrix; `change` alters x [rows, in], which is normal times `scale`.
void addSpecial(
    std::vector<Check>& checks, const std::string& name, std::int64_t rows, std::int64_t in,
    double scale, const std::function<void(std::vector<float>&)>& change) {
    addCase<LutGemv>(checks, "lut_gemv", name + " in " + std::to_string(in), [=](Arrays& arrays) {
        std::vector<float> x = arrays.normals(rows * in, scale);
        change(x);
        return LutGemv{
            .x = arrays.given("x", {rows, in}, x),
            .packed = randomCodes(arrays, 10, in, 3),
            .table = arrays.weights("table", {10, 8}, DType::F16),
            .bits = 3,
            .y = arrays.output("y", {rows, 10}, DType::F32, kBound)};
    });
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
    // Rows of codes that begin on whole vectors, as those of models do.
    for (int bits = 1; bits <= 8; ++bits) {
        for (const std::int64_t rows : {1, 3, 4, 5, 8}) {
            addGemv(checks, {bits, rows, 128, 7, rows % 2 == 0}, {.twice = true});
            addGemv(checks, {bits, rows, 384, 1061, rows % 2 == 1}, {.twice = true});
        }
        addGemv(checks, {bits, 7, 4096, 40, true});
        addGemv(checks, {bits, 2, 4352, 1100}, {.twice = true}); // two blocks along the columns
        addGemv(checks, {bits, 8, 11008, 530, true}, {.twice = true}); // three
        addGemv(checks, {bits, 6, 33280, 17, true});                   // and two passes
        addGemv(checks, {bits, 5, 256, 9}, {.shifted = true});
    }
    addGemv(checks, {1, 8, 4224, 150000, true}); // more tiles than a cluster keeps
    addGemv(checks, {4, 8, 16411, 3, true});
    addGemv(checks, {3, 1, 64, 4099, true}); // many rows for every group of threads
    addGemv(checks, {4, 2, 0, 9, true});
    addGemv(checks, {4, 1, 8, 0}, {.throughRun = true});
    for (const std::int64_t in : {45, 128}) {
        addSpecial(checks, "NaN and infinity stay in their rows", 4, in, 1.0, [](auto& x) {
            x[5] = std::numeric_limits<float>::quiet_NaN();
            x[100] = std::numeric_limits<float>::infinity();
        });
        addSpecial(checks, "infinity", 8, in, 1.0, [](auto& x) {
            x[44] = -std::numeric_limits<float>::infinity();
        });
    }
    addSpecial(checks, "one large x", 8, 256, 1.0, [](auto& x) { x[300] = -1e37F; });
    addSpecial(checks, "tiny x", 3, 256, 1e-36, [](auto&) {});
    addSpecial(checks, "x that F16 cannot hold", 5, 256, 1e6, [](auto& x) { x[0] = 1e-4F; });
    addSpecial(checks, "zeros", 6, 256, 0.0, [](auto&) {});
}

/// More rows than the kernels of the processor take. In half precision the GPU rounds x: to nothing
/// when it is of F16.
void addManyRows(std::vector<Check>& checks, const Sizes& sizes, Products products, bool exact) {
    const bool half = products == Products::Half;
    addCase<LutGemv>(
        checks, "lut_gemv", text(sizes) + (half ? exact ? " of F16" : " rounded to F16" : ""),
        [=](Arrays& arrays) {
            LutGemv op = makeGemv(arrays, sizes, exact ? kBound : kHalfBound);
            if (half && exact) {
                op.x = arrays.given(
                    "rounded x", op.x.shape,
                    roundedToHalf(arrays.normals(op.x.elementCount(), 1.0)));
            }
            return op;
        },
        {.twice = true, .gpuOnly = true, .products = products});
}

void addManyRowsCases(std::vector<Check>& checks) {
    for (int bits = 1; bits <= 8; ++bits) {
        addManyRows(checks, {bits, 9, 128, 30, true}, Products::Half, true);
        addManyRows(checks, {bits, 40, 4352, 1061}, Products::Half, true);
        addManyRows(checks, {bits, 13, 11008, 70, true}, Products::Half, false);
        addManyRows(checks, {bits, 12, 333, 70, true}, Products::Half, true);
        addManyRows(checks, {bits, 21, 384, 70, true}, Products::Float32, true);
    }
}

/// Rows [from, from + count) of a matrix [out, in]. The widened entries are exact.
void addDequantize(
    std::vector<Check>& checks, const PackedShape& shape, DType dtype, CaseOptions options = {}) {
    addCase<LutDequantize>(
        checks, "lut_dequantize",
        shape.text() + " to " + std::string(nameOf(dtype)) + (options.shifted ? " shifted" : ""),
        [shape, dtype](Arrays& arrays) {
            return LutDequantize{
                .packed = randomCodes(arrays, shape.out, shape.in, shape.bits),
                .table =
                    arrays.weights("table", {shape.out, std::int64_t{1} << shape.bits}, DType::F16),
                .bits = shape.bits,
                .rowFrom = shape.from,
                .w = arrays.output("w", {shape.count, shape.in}, dtype)};
        },
        options);
}

} // namespace

void addLutGemvCases(std::vector<Check>& checks) {
    addGemvCases(checks);
    addManyRowsCases(checks);
    for (const DType dtype : {DType::F32, DType::F16}) {
        for (int bits = 1; bits <= 8; ++bits) {
            addDequantize(checks, {bits, 1, 1, 0, 1}, dtype);
            addDequantize(checks, {bits, 37, 1, 0, 37}, dtype);
            addDequantize(checks, {bits, 23, 515, 0, 23}, dtype);
            addDequantize(checks, {bits, 23, 512, 3, 18}, dtype);
            addDequantize(checks, {bits, 23, 77, 5, 11}, dtype);
            addDequantize(checks, {bits, 9, 133, 8, 1}, dtype, {.shifted = true});
            addDequantize(checks, {bits, 9, 136, 1, 7}, dtype, {.shifted = true});
            addDequantize(checks, {bits, 3, 16411, 0, 3}, dtype);
        }
    }
    addDequantize(checks, {4, 5, 8, 2, 0}, DType::F32, {.throughRun = true});
}

} // namespace lathe::conformance
