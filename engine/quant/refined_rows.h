// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// A table and codes per row, chosen for what the row's outputs lose instead of for each weight by
/// itself.
namespace lathe {

/// One row while it is refined.
struct TableRow {
    std::vector<float> weights;      ///< [in], what is to be stood for
    std::vector<float> table;        ///< [2^bits] ascending, all exact in F16; stays so
    std::vector<std::uint8_t> codes; ///< [in], each below 2^bits
    /// e^T H e of the error e = weights - table[codes], at the start and after every step.
    std::vector<double> objectives{};
};

struct RefinementLimits {
    int rounds = 12;         ///< of a fitted table and passes over the codes
    int passes = 4;          ///< over the codes of a round, at most
    double leastGain = 1e-4; ///< a row rests after a round that took a smaller share away
};

/// Lowers e^T H e of every row. By turns the table becomes the least squares solution given the
/// codes (normal equations P^T H P in double, a ridge where they are singular), rounded to F16 and
/// sorted, and each code in turn becomes the one that is best given all others (cyclic coordinate
/// descent; H e is kept up to date, so a pass costs in^2 at most). A step that would not lower the
/// objective is not taken. Columns of which H knows nothing keep their code.
///
/// The rows go over H together: it is read once for all.
/// @param hessian [in, in] symmetric, positive semi-definite but for rounding, finite
/// @param rows of `in` weights each
/// @see GuidedQuant (arXiv 2505.07004), layer-wise non-uniform quantization.
void refineRows(
    std::span<const float> hessian, std::span<TableRow> rows, const RefinementLimits& limits = {});

} // namespace lathe
