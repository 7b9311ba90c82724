// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What rope.cpp and the instruction-set specific rope_simd.cpp agree on: raw pointers only.
namespace lathe {

inline constexpr int64_t kRopeLargestHeadDim = 512;

struct RopeSizes {
    int64_t heads = 0, headDim = 0;
};

} // namespace lathe

namespace lathe::avx2 {
/// All heads of one token at `position`; headDim at most kRopeLargestHeadDim.
void rope(float* x, const float* frequencies, float position, RopeSizes sizes);
} // namespace lathe::avx2

namespace lathe::avx512 {
/// All heads of one token at `position`; headDim at most kRopeLargestHeadDim.
void rope(float* x, const float* frequencies, float position, RopeSizes sizes);
} // namespace lathe::avx512
