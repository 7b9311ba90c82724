// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What rms_norm.cpp and the instruction-set specific rms_norm_simd.cpp agree on: raw pointers
/// only.
namespace lathe {

/// One row of RmsNormGradient.
struct RmsNormGradientRow {
    const float* x = nullptr;
    const float* gamma = nullptr;
    const float* dy = nullptr;
    float* dx = nullptr;
    int64_t cols = 0;
    float epsilon = 0.0F;
};

} // namespace lathe

namespace lathe::avx2 {
/// One row.
void rmsNorm(const float* x, const float* gamma, float* y, int64_t cols, float epsilon);
void rmsNormGradient(const RmsNormGradientRow& row);
} // namespace lathe::avx2

namespace lathe::avx512 {
/// One row.
void rmsNorm(const float* x, const float* gamma, float* y, int64_t cols, float epsilon);
void rmsNormGradient(const RmsNormGradientRow& row);
} // namespace lathe::avx512
