// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/spmv_csr/spmv_csr.h"
#include "tests/conformance/arrays.h"

/// Random sparse matrices for the cases of several ops.
namespace lathe::conformance {

struct SparseSizes {
    std::int64_t out = 1, in = 1;
    double share = 0.0;       ///< of a usual row
    std::int64_t fullRow = 0; ///< one of so many rows has all its columns; 0: none
    DType values = DType::F16;

    std::string text() const {
        return "out " + std::to_string(out) + " in " + std::to_string(in) + " share " +
               std::to_string(share) + (fullRow > 0 ? " skewed" : "") +
               (values == DType::F32 ? " F32" : "");
    }
};

/// @param rowPointers receives those of the matrix
inline SparseView randomSparse(
    Arrays& arrays, const SparseSizes& sizes, std::vector<std::int32_t>* rowPointers = nullptr) {
    std::vector<std::int32_t> pointers{0};
    std::vector<std::uint16_t> columns;
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    for (std::int64_t row = 0; row < sizes.out; ++row) {
        const bool full = sizes.fullRow > 0 && row % sizes.fullRow == sizes.fullRow / 2;
        for (std::int64_t column = 0; column < sizes.in; ++column) {
            if (full || uniform(arrays.random()) < sizes.share) {
                columns.push_back(static_cast<std::uint16_t>(column));
            }
        }
        pointers.push_back(static_cast<std::int32_t>(columns.size()));
    }
    if (rowPointers != nullptr) {
        *rowPointers = pointers;
    }
    const auto count = static_cast<std::int64_t>(columns.size());
    return {
        .rowPointers = arrays.given("rowPointers", {sizes.out + 1}, pointers),
        .columns = arrays.given("columns", {count}, columns),
        .values = arrays.weights("values", {count}, sizes.values)};
}

} // namespace lathe::conformance
