// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/base/random.h"
#include "kernels/core/half.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

/// A random sparse part of a matrix: how many values, and in which rows.
struct SparseSizes {
    std::int64_t out = 0, in = 0;
    double percent = 0.0; ///< of the matrix
    double skew = 0.0;    ///< share of the values in one hundredth of the rows; 0: evenly spread

    std::int64_t hotRows() const;
    std::int64_t hotValues() const;
    std::int64_t values() const;
    /// Row pointers, columns and F16 values.
    std::int64_t bytes() const;
};

/// Rows one after the other, see SparseView.
struct SparseData {
    std::vector<std::int32_t> pointers{0};
    std::vector<std::uint16_t> columns;
    std::vector<Half> values;

    /// Appends a row of `count` values in random columns and adds them to `row`.
    void append(std::int64_t count, std::span<float> row, Random& random);
};

/// Values in each row; the full ones are chosen at random.
std::vector<std::int64_t> valuesPerRow(const SparseSizes& sizes, Random& random);

} // namespace lathe
