// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>

namespace lathe {

/// All that greedy decoding with drafts asks of a row of logits, in 16 bytes: which entry is
/// largest, how large it is, log(sum(exp(row))), and the logit of one entry of interest. The
/// probability of the largest is exp(largest - logSumExp), a target's surprise logSumExp - target.
/// A row's numbers do not depend on how many rows there are.
/// @see Big Little Decoder (arXiv 2302.07863): fallback asks for the first, rollback for the second
struct RowStatistics {
    ConstView logits;  ///< [rows, vocabulary] F32
    ConstView targets; ///< [rows] I32, -1: none
    /// Leading columns that count, 1..vocabulary: entries behind them are padding.
    std::int64_t columns = 0;
    TensorView argmax; ///< [rows] I32: the lowest on ties; NaN entries are passed over
    TensorView values; ///< [rows, 3] F32: largest, logSumExp, target's logit (NaN without one)
};
void run(ExecContext& context, const RowStatistics& op);

} // namespace lathe
