// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What relu.cpp and the instruction-set specific relu_simd.cpp agree on: raw pointers only.
namespace lathe::avx2 {
void relu(const float* x, float* y, int64_t count);
} // namespace lathe::avx2

namespace lathe::avx512 {
void relu(const float* x, float* y, int64_t count);
} // namespace lathe::avx512
