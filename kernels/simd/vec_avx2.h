// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>
#include <math.h>
#include <stdint.h>

/// Eight floats. One tiny vector type with three spellings (vec_scalar.h, vec_avx512.h), so that an
/// op is written once: `loadPartial(p, n)` reads n < kWidth elements and fills with zeros.
namespace lathe::LATHE_SIMD_NAMESPACE {

struct Vec {
    static constexpr int kWidth = 8;
    __m256 v;

    static Vec zero() { return {_mm256_setzero_ps()}; }
    static Vec set1(float x) { return {_mm256_set1_ps(x)}; }
    static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static Vec loadPartial(const float* p, int64_t count) {
        return {_mm256_maskload_ps(p, firstLanes(count))};
    }
    /// IEEE binary16 as raw bits.
    static Vec loadHalf(const uint16_t* p) {
        return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
    }
    static Vec loadBFloat16(const uint16_t* p) {
        const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
    }
    void store(float* p) const { _mm256_storeu_ps(p, v); }
    void storePartial(float* p, int64_t count) const {
        _mm256_maskstore_ps(p, firstLanes(count), v);
    }

    /// All bits set in the first `count` lanes.
    static __m256i firstLanes(int64_t count) {
        const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
    }
};

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
/// a * b + c
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
/// c - a * b
inline Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
/// The larger one; b when either is NaN.
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
/// The smaller one; b when either is NaN.
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
/// To the nearest integer, ties to even.
inline Vec round(Vec a) {
    return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

inline float sum(Vec a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

inline float maximum(Vec a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/// a * 2^n for a whole n from -252 to 254, subnormal and infinite results included.
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    const __m256i exponent = _mm256_cvtps_epi32(n.v);
    const __m256i half = _mm256_srai_epi32(exponent, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(exponent, half), bias), 23);
    return {
        _mm256_mul_ps(_mm256_mul_ps(a.v, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second))};
}

/// a, but zero in the lanes where `test` is zero.
inline Vec zeroWhereZero(Vec a, Vec test) {
    return {_mm256_andnot_ps(_mm256_cmp_ps(test.v, _mm256_setzero_ps(), _CMP_EQ_OQ), a.v)};
}

/// Lane by lane: the first one where the sign bit of `test` is set, else the other.
inline Vec select(Vec test, Vec ifNegative, Vec otherwise) {
    return {_mm256_blendv_ps(otherwise.v, ifNegative.v, test.v)};
}

/// The sums of four vectors at once.
inline void sum4(Vec a, Vec b, Vec c, Vec d, float* out) {
    const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a.v, b.v), _mm256_hadd_ps(c.v, d.v));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
