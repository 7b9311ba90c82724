// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What row_statistics.cpp and the instruction-set specific row_statistics_simd.cpp agree on: raw
/// pointers only.
namespace lathe {

struct RowSummary {
    int64_t argmax = 0;
    float largest = 0.0F;
    double logSumExp = 0.0;
};

} // namespace lathe

namespace lathe::avx2 {
RowSummary summaryOfRow(const float* logits, int64_t count);
} // namespace lathe::avx2

namespace lathe::avx512 {
RowSummary summaryOfRow(const float* logits, int64_t count);
} // namespace lathe::avx512
