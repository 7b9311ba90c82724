// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/quantizer.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>

/// What every quantizer does around its own rule: look at a matrix row by row, on all threads, with
/// progress and cancellation.
namespace lathe {

/// @throws InputError unless w is [out, in] floats on the host, not empty, and the options lie
/// within what the quantizer does.
void checkQuantizable(
    const QuantizerInfo& info, ConstView w, const LayerStatistics& statistics,
    const QuantizeOptions& options);

/// What of the statistics the quantizer uses.
LayerStatistics usedBy(const QuantizerInfo& info, const LayerStatistics& statistics);

/// Row `row` of w widened to F32. @throws InputError naming matrix, row and column of a NaN or Inf.
void readRow(ConstView w, std::int64_t row, const std::string& name, std::span<float> values);

/// Calls `body` for every row on the context's pool.
/// @throws Cancelled before the next row once a stop was asked for; what a body throws.
void forEachRow(
    const RunControl& run, ExecContext& context, ConstView w, const QuantizeOptions& options,
    const std::function<void(std::int64_t row)>& body);

} // namespace lathe
