// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm/gemm.h"
#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// Single precision sums of up to 5000 products in any order; measured up to 1e-6.
constexpr double kBound = 4e-6;

struct Sizes {
    std::int64_t rows = 1, in = 1, out = 1;
    bool bias = false;
    std::int64_t gap = 0; ///< elements between the rows of y
};

/// Of x that is rounded to 11 bits, as in cases_lut_gemv.cpp.
constexpr double kHalfBound = 1e-3;

Gemm make(Arrays& arrays, DType dtype, const Sizes& sizes, double bound = kBound) {
    Gemm op{
        .x = arrays.floats("x", {sizes.rows, sizes.in}),
        .w = arrays.weights("w", {sizes.out, sizes.in}, dtype, 0.1),
        .y = {}};
    if (sizes.bias) {
        op.bias = arrays.floats("bias", {sizes.out});
    }
    if (sizes.gap == 0) {
        op.y = arrays.output("y", {sizes.rows, sizes.out}, DType::F32, bound);
        return op;
    }
    // The gaps are part of the array that is compared: they have to stay what they were.
    op.yStride = sizes.out + sizes.gap;
    op.y = arrays.updated("y", {sizes.rows, op.yStride}, bound);
    op.y.shape = Shape{sizes.rows, sizes.out};
    return op;
}

void addSizes(std::vector<Check>& checks, DType dtype, Sizes sizes, CaseOptions options = {}) {
    const std::string name = std::string(nameOf(dtype)) + " rows " + std::to_string(sizes.rows) +
                             " in " + std::to_string(sizes.in) + " out " +
                             std::to_string(sizes.out) + (sizes.bias ? " bias" : "") +
                             (sizes.gap > 0 ? " stride" : "") + (options.shifted ? " shifted" : "");
    const bool rounded =
        options.products == Products::Half && dtype == DType::F16 && sizes.rows > 8;
    addCase<Gemm>(
        checks, "gemm", name + (options.products == Products::Half ? " in half precision" : ""),
        [dtype, sizes, bound = rounded ? kHalfBound : kBound](Arrays& arrays) {
            return make(arrays, dtype, sizes, bound);
        },
        options);
}

} // namespace

void addGemmCases(std::vector<Check>& checks) {
    for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
        addSizes(checks, dtype, {1, 1, 1});
        addSizes(checks, dtype, {1, 5000, 3});
        addSizes(checks, dtype, {1, 256, 1023, true});
        for (std::int64_t rows = 2; rows <= 17; ++rows) {
            addSizes(checks, dtype, {rows, 77, 31, rows % 2 == 0, rows % 3});
        }
        addSizes(checks, dtype, {13, 300, 70, true, 5});
        addSizes(checks, dtype, {37, 1030, 129}, {.shifted = true});
        addSizes(checks, dtype, {64, 256, 512, true});
        addSizes(checks, dtype, {1, 33, 17, true}, {.shifted = true});
        addSizes(checks, dtype, {0, 8, 8}, {.throughRun = true});
        addSizes(checks, dtype, {4, 8, 0}, {.throughRun = true});
        addSizes(checks, dtype, {4, 0, 9, true});
        addSizes(checks, dtype, {20, 0, 9});
        const CaseOptions half{.twice = true, .gpuOnly = true, .products = Products::Half};
        addSizes(checks, dtype, {8, 300, 70, true}, half); // too few rows to be rounded
        addSizes(checks, dtype, {9, 77, 31, true, 2}, half);
        addSizes(checks, dtype, {64, 1024, 512}, half);
        addSizes(
            checks, dtype, {37, 1030, 129, true},
            {.shifted = true, .gpuOnly = true, .products = Products::Half});
        addSizes(checks, dtype, {20, 0, 9, true}, {.gpuOnly = true, .products = Products::Half});
    }
    addCase<Gemm>(checks, "gemm", "NaN and infinity stay in their rows", [](Arrays& arrays) {
        std::vector<float> x = arrays.normals(std::int64_t{12} * 40, 1.0);
        x[5] = std::numeric_limits<float>::quiet_NaN();
        x[85] = std::numeric_limits<float>::infinity();
        return Gemm{
            .x = arrays.given("x", {12, 40}, x),
            .w = arrays.floats("w", {10, 40}),
            .y = arrays.output("y", {12, 10}, DType::F32, kBound)};
    });
}

} // namespace lathe::conformance
