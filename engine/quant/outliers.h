// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_control.h"
#include "kernels/core/tensor.h"

#include <cstdint>
#include <functional>
#include <vector>

/// Which weights leave the tables for a sparse part: the most sensitive ones of every matrix, then
/// the outliers of the whole model.
/// @see SqueezeLLM (arXiv 2306.07629) section 4.2.
namespace lathe {

/// First and third quartile of a matrix, linear between the nearest ranks.
struct Quartiles {
    double first = 0.0, third = 0.0;
    /// The unit of the fence: their distance. Where they are equal (a pruned matrix), that of
    /// normal numbers with the same mean distance from them; 0 for a constant matrix.
    double unit = 0.0;
};

/// @param w [out, in] F32 | F16 | BF16 on the host, not empty.
/// @throws InputError for a value that is not finite.
Quartiles quartilesOf(ConstView w);

/// The fence of a box plot: weights of this magnitude or more are outliers at factor R,
/// max(|q1 - R * unit|, |q3 + R * unit|).
double fenceThreshold(const Quartiles& quartiles, double factor);

/// The largest factor at which a weight is still outside of the fence: ordering the weights of a
/// model by it is moving one factor over all its matrices. Minus infinity in a constant matrix.
double fenceFactor(const Quartiles& quartiles, float weight);

/// Flat indices of the `count` largest values, ascending; of equal values the lowest indices.
/// @param values [out, in] F32 on the host, without NaN.
std::vector<std::int64_t> largest(ConstView values, std::int64_t count);

struct SparseShares {
    double sensitive = 0.0; ///< of each matrix: 0.0005 are 0.05 %
    double outliers = 0.0;  ///< of the whole model
};

struct SparseMatrix {
    ConstView w;             ///< [out, in] F32 | F16 | BF16 on the host
    ConstView sensitivity{}; ///< [out, in] F32; needed for a sensitive share
};

struct SparseChoice {
    /// Flat indices of each matrix, ascending.
    std::vector<std::vector<std::int64_t>> positions;
    /// The fence's factor: that of the last outlier taken; NaN without outliers.
    double factor = 0.0;
};

/// Takes floor(share * weights) of each matrix by sensitivity, and floor(share * weights) of the
/// model by their fence factor, the first in order on ties. Exact: no factor is searched for.
/// @param at gives matrix i; it is called twice for each. @throws Cancelled between two matrices.
SparseChoice chooseSparse(
    RunControl& run, std::size_t count, const std::function<SparseMatrix(std::size_t)>& at,
    const SparseShares& shares);

} // namespace lathe
