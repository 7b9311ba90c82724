// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What squared_gradient.cpp and the instruction-set specific squared_gradient_simd.cpp agree on:
/// raw pointers only.
namespace lathe::avx2 {
/// sums += gradient^2.
void addSquares(const float* gradient, float* sums, int64_t count);
} // namespace lathe::avx2

namespace lathe::avx512 {
/// sums += gradient^2.
void addSquares(const float* gradient, float* sums, int64_t count);
} // namespace lathe::avx512
