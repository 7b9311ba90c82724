// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/weight_kind.h"

#include <stdint.h>

/// What gemm.cpp and the instruction-set specific gemm_simd.cpp agree on: raw pointers only.
namespace lathe {

/// Rows of x that the matrix-vector kernel takes; more are for a tiled product.
inline constexpr int64_t kGemvMostRows = 32;

struct GemmArguments {
    const float* x = nullptr;    ///< [rows, in]
    const void* w = nullptr;     ///< [out, in]
    const float* bias = nullptr; ///< [out], or null
    float* y = nullptr;          ///< [rows, yStride]
    int64_t rows = 0, in = 0, out = 0, yStride = 0;
    WeightKind kind = WeightKind::F32;
};

} // namespace lathe

namespace lathe::avx2 {
/// Columns [from, to) of y for at most kGemvMostRows rows; reads every weight from memory once. All
/// sums have the same order: a row's result does not depend on the other rows or on the range.
void gemv(const GemmArguments& g, int64_t from, int64_t to);
/// Panels [from, to) of gemmPanelWidth() columns of y, for any number of rows.
void gemmPanels(const GemmArguments& g, int64_t from, int64_t to);
int64_t gemmPanelWidth();
/// count weights from element `offset` on, widened.
void widenWeights(const void* w, WeightKind kind, int64_t offset, int64_t count, float* to);
} // namespace lathe::avx2

namespace lathe::avx512 {
void gemv(const GemmArguments& g, int64_t from, int64_t to);
void gemmPanels(const GemmArguments& g, int64_t from, int64_t to);
int64_t gemmPanelWidth();
void widenWeights(const void* w, WeightKind kind, int64_t offset, int64_t count, float* to);
} // namespace lathe::avx512
