// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/spmv_csr/spmv_csr.h"
#include "tests/conformance/cases.h"
#include "tests/conformance/sparse_inputs.h"

namespace lathe::conformance {

namespace {

/// Single precision sums of up to a full row in any order; measured up to 1e-6.
constexpr double kBound = 4e-6;

void addSpmv(
    std::vector<Check>& checks, std::int64_t rows, const SparseSizes& sizes,
    CaseOptions options = {}) {
    addCase<SpmvCsr>(
        checks, "spmv_csr",
        "rows " + std::to_string(rows) + " " + sizes.text() + (options.shifted ? " shifted" : ""),
        [rows, sizes](Arrays& arrays) {
            return SpmvCsr{
                .x = arrays.floats("x", {rows, sizes.in}),
                .sparse = randomSparse(arrays, sizes),
                .y = arrays.updated("y", {rows, sizes.out}, kBound)};
        },
        options);
}

/// Rows [from, from + count) of the matrix; one addition each, so exact.
void addAdd(
    std::vector<Check>& checks, const SparseSizes& sizes, std::int64_t from, std::int64_t count,
    CaseOptions options = {}, DType dtype = DType::F32) {
    addCase<AddSparse>(
        checks, "add_sparse",
        sizes.text() + " rows " + std::to_string(from) + " + " + std::to_string(count) +
            (dtype == DType::F16 ? " to F16" : "") + (options.shifted ? " shifted" : ""),
        [sizes, from, count, dtype](Arrays& arrays) {
            return AddSparse{
                .sparse = randomSparse(arrays, sizes),
                .rowFrom = from,
                .w = arrays.updated("w", {count, sizes.in}, 0.0, 1.0, dtype)};
        },
        options);
}

} // namespace

void addSpmvCsrCases(std::vector<Check>& checks) {
    addSpmv(checks, 1, {.out = 1, .in = 1, .share = 1.0});
    addSpmv(checks, 1, {.out = 300, .in = 1000, .share = 0.0045});
    addSpmv(checks, 3, {.out = 77, .in = 515, .share = 0.05, .values = DType::F32});
    addSpmv(checks, 8, {.out = 130, .in = 4096, .share = 0.0045, .fullRow = 50});
    addSpmv(checks, 2, {.out = 9, .in = 16411, .share = 0.01, .fullRow = 4}, {.shifted = true});
    addSpmv(checks, 1, {.out = 3, .in = 65536, .share = 0.001});
    addSpmv(checks, 2, {.out = 40, .in = 60, .share = 0.0}, {.throughRun = true});
    addSpmv(checks, 0, {.out = 4, .in = 6, .share = 0.5}, {.throughRun = true});
    addAdd(checks, {.out = 23, .in = 515, .share = 0.02}, 0, 23);
    addAdd(checks, {.out = 23, .in = 515, .share = 0.02, .fullRow = 5}, 4, 11, {.shifted = true});
    addAdd(checks, {.out = 23, .in = 77, .share = 0.2, .values = DType::F32}, 22, 1);
    addAdd(checks, {.out = 5, .in = 8, .share = 0.5}, 2, 0, {.throughRun = true});
    addAdd(checks, {.out = 23, .in = 515, .share = 0.02, .fullRow = 5}, 4, 11, {}, DType::F16);
    addAdd(checks, {.out = 9, .in = 77, .share = 0.2, .values = DType::F32}, 0, 9, {}, DType::F16);
}

} // namespace lathe::conformance
