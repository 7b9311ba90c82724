// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What add.cpp and the instruction-set specific add_simd.cpp agree on: raw pointers only.
namespace lathe::avx2 {
void add(const float* a, const float* b, float* y, int64_t count);
} // namespace lathe::avx2

namespace lathe::avx512 {
void add(const float* a, const float* b, float* y, int64_t count);
} // namespace lathe::avx512
