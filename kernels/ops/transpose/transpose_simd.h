// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/weight_kind.h"

#include <stdint.h>

/// What transpose.cpp and the instruction-set specific transpose_simd.cpp agree on: raw pointers
/// only.
namespace lathe {

/// Rows of x that are turned together: one cache line of y.
inline constexpr int64_t kTransposeRows = 16;

struct TransposeArguments {
    const void* x = nullptr; ///< [rows, cols]
    float* y = nullptr;      ///< [cols, rows]
    int64_t rows = 0, cols = 0;
    WeightKind kind = WeightKind::F32;
};

} // namespace lathe

namespace lathe::avx2 {
/// Blocks [from, to) of kTransposeRows rows of x, the last one as far as there are rows.
void transpose(const TransposeArguments& t, int64_t from, int64_t to);
} // namespace lathe::avx2

namespace lathe::avx512 {
void transpose(const TransposeArguments& t, int64_t from, int64_t to);
} // namespace lathe::avx512
