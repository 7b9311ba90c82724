// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/vec.h"

/// Lanes of integers beside Vec: what unpacking codes needs.
namespace lathe::LATHE_SIMD_NAMESPACE {

constexpr int kLanes = Vec::kWidth;

#if defined(LATHE_SIMD_AVX512)

using Ints = __m512i;

inline Ints lowBits(Ints value, int bits) {
    return _mm512_and_si512(value, _mm512_set1_epi32((1 << bits) - 1));
}
inline Vec toVec(Ints value) { return {_mm512_cvtepi32_ps(value)}; }
template <int Count>
inline Ints shiftRight(Ints value) {
    return _mm512_srli_epi32(value, Count);
}
/// 0, factor, 2 * factor, ...
inline Ints laneNumbersTimes(int factor) {
    return _mm512_mullo_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        _mm512_set1_epi32(factor));
}
/// The first `count` <= kLanes words, zero in the other lanes; touches no byte beyond them.
inline Ints loadPartial(const int32_t* from, int64_t count) {
    return _mm512_maskz_loadu_epi32(Vec::firstLanes(count), from);
}
/// Lanes where `position` < `limit` keep their value, the others become zero.
inline Vec keepBelow(Vec value, Ints position, int64_t limit) {
    const __mmask16 kept =
        _mm512_cmplt_epi32_mask(position, _mm512_set1_epi32(static_cast<int>(limit)));
    return {_mm512_maskz_mov_ps(kept, value.v)};
}

#else

using Ints = __m256i;

inline Ints lowBits(Ints value, int bits) {
    return _mm256_and_si256(value, _mm256_set1_epi32((1 << bits) - 1));
}
inline Vec toVec(Ints value) { return {_mm256_cvtepi32_ps(value)}; }
template <int Count>
inline Ints shiftRight(Ints value) {
    return _mm256_srli_epi32(value, Count);
}
/// 0, factor, 2 * factor, ...
inline Ints laneNumbersTimes(int factor) {
    return _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(factor));
}
/// The first `count` <= kLanes words, zero in the other lanes; touches no byte beyond them.
inline Ints loadPartial(const int32_t* from, int64_t count) {
    const Ints first =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), laneNumbersTimes(1));
    return _mm256_maskload_epi32(from, first);
}
/// Lanes where `position` < `limit` keep their value, the others become zero.
inline Vec keepBelow(Vec value, Ints position, int64_t limit) {
    const __m256i kept = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(limit)), position);
    return {_mm256_and_ps(value.v, _mm256_castsi256_ps(kept))};
}

#endif

} // namespace lathe::LATHE_SIMD_NAMESPACE
