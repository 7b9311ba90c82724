// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/quantizer.h"

#include <cstdint>
#include <functional>
#include <vector>

/// What each way of storing a matrix costs and what it does to the loss: the curves that a memory
/// budget is planned on.
namespace lathe {

/// Changes when the curves of the same matrix do.
inline constexpr int kErrorCurveVersion = 1;

/// Shares of a matrix's weights that may leave its tables, in percent.
inline constexpr double kCurveSparsities[] = {0.05, 0.1, 0.2, 0.45, 1.0};
/// With more bits than these no sparse part is tried: by then the error of the tables is spread
/// over all weights, and it takes the more time to find out, the more bits there are.
inline constexpr int kMostSparseBits = 5;

/// One way of storing a matrix: tables of 2^bits entries per row, and some weights beside them.
struct CurvePoint {
    int bits = 0;
    double sparsity = 0.0; ///< percent of the weights
    std::int64_t sparseCount = 0;
    std::int64_t bytes = 0; ///< as storedBytes() counts them
    /// Sum of sensitivity * (quantized - w)^2 before tables are rounded to F16, see weightedError.
    double error = 0.0;
    bool operator==(const CurvePoint&) const = default;
};

/// Bytes of a LutWeight [out, in] with F16 or F32 sparse values.
std::int64_t lutBytes(
    std::int64_t out, std::int64_t in, int bits, std::int64_t sparseCount, bool wideValues = false);

/// All ways of storing a matrix that are worth a look, by bits and then by sparsity. Dense ones are
/// exact clusterings, all of one dynamic program per row. Bits at which codes and tables take as
/// much as F16 weights are left out (but 1 bit, which always is an option).
///
/// Whether a weight is worth its place beside the tables (32 bits) hangs on what that saves per bit
/// against the budget's multiplier. So the order in which weights leave is by what each saves with
/// the tables of that bit width: its own error, or its share of what its whole cluster's leaving
/// saves, if that is more. Rows are clustered again without them. How many leave, or whether the
/// bits are better spent on codes, the budget decides: every share is a point of the same curve.
/// @param w, statistics as the quantizer squeezellm wants them; statistics.sparse is not looked at
/// @param onProgress share that is done, on the calling thread; may be empty
/// @throws InputError as quantizers do; Cancelled.
/// @see SqueezeLLM (arXiv 2306.07629) for the objective and the sparse part.
std::vector<CurvePoint> errorCurve(
    RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics,
    const std::function<void(double share)>& onProgress = {});

/// The weights that a point of errorCurve has beside its tables, as LayerStatistics::sparse.
std::vector<std::int64_t> sparseBySaving(
    RunControl& run, ExecContext& cpu, ConstView w, const LayerStatistics& statistics, int bits,
    std::int64_t count);

} // namespace lathe
