// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/weight_kind.h"

#include <stdint.h>

/// What embedding.cpp and the instruction-set specific embedding_simd.cpp agree on: raw pointers
/// only.
namespace lathe::avx2 {
/// count elements widened to floats.
void widenRow(const void* from, WeightKind kind, int64_t count, float* to);
} // namespace lathe::avx2

namespace lathe::avx512 {
/// count elements widened to floats.
void widenRow(const void* from, WeightKind kind, int64_t count, float* to);
} // namespace lathe::avx512
