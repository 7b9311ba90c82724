// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/row_statistics/row_statistics_simd.h"

#include "kernels/simd/logit_rows.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

RowSummary summaryOfRow(const float* logits, int64_t count) {
    RowSummary summary;
    summary.largest = largestOf(logits, count);
    summary.argmax = firstEqual(logits, count, summary.largest);
    summary.logSumExp = static_cast<double>(summary.largest) +
                        log(sumOfExponentials(logits, count, summary.largest));
    return summary;
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
