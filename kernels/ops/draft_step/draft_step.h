// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>

namespace lathe {

/// Most ids that end a text, of one DraftStep.
inline constexpr std::int64_t kMostDraftEnds = 8;

/// What a model's step leads to when it drafts greedily and nobody waits for its rows: the row is
/// noted, the likeliest token becomes the next step's input, and `go` says whether there is to be
/// a next step. There is not when the probability of the token is below the fallback threshold,
/// when the token ends the text, or when enough steps were made. All of it stays on the device.
/// @see Big Little Decoder (arXiv 2302.07863), section 3.3, and CapturedGraph::recordLoop
struct DraftStep {
    /// What goes from step to step. Rows of the cache in use grow by the tokens that the step fed.
    enum State : std::int64_t { Length, Fed, Count, Go, kStateSize };
    /// How long it goes on: steps, fallback threshold (the bits of an F32; 1 and above: one step,
    /// 0 and below: never a reason), number of ends, ends.
    enum Limit : std::int64_t {
        Most,
        Threshold,
        EndCount,
        Ends,
        kLimitSize = Ends + kMostDraftEnds
    };

    ConstView argmax; ///< [rows] I32 and
    ConstView values; ///< [rows, 3] F32 of RowStatistics; row Fed - 1 counts
    ConstView limits; ///< [kLimitSize] I32
    TensorView state; ///< [kStateSize] I32, updated
    TensorView id;    ///< [1] I32: the next step's token
    /// [most, 4] I32, updated: row Count is argmax and the bits of largest, logSumExp and 0.
    TensorView rows;
};
/// @note A state that is out of range writes no row and does not go on.
void run(ExecContext& context, const DraftStep& op);

} // namespace lathe
