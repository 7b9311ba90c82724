// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What geglu.cpp and the instruction-set specific geglu_simd.cpp agree on: raw pointers only.
namespace lathe::avx2 {
void geglu(const float* gate, const float* up, float* y, int64_t count);
} // namespace lathe::avx2

namespace lathe::avx512 {
void geglu(const float* gate, const float* up, float* y, int64_t count);
} // namespace lathe::avx512
