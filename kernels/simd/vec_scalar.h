// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <math.h>
#include <stdint.h>

/// The vector type at width one: what the tests hold the approximations of vec_math.h against, and
/// where a port to another processor starts. See vec_avx2.h for the operations.
namespace lathe::LATHE_SIMD_NAMESPACE {

struct Vec {
    static constexpr int kWidth = 1;
    float v;

    static Vec zero() { return {0.0F}; }
    static Vec set1(float x) { return {x}; }
    static Vec load(const float* p) { return {*p}; }
    static Vec loadPartial(const float* p, int64_t count) { return {count > 0 ? *p : 0.0F}; }
    static Vec loadHalf(const uint16_t* p) {
        const uint32_t sign = (*p & 0x8000U) << 16;
        const uint32_t magnitude = *p & 0x7FFFU;
        const uint32_t wide = (magnitude + (magnitude >= 0x7C00U ? 0x38000U : 0x1C000U)) << 13;
        const float value = magnitude < 0x400U ? static_cast<float>(magnitude) * 0x1p-24F
                                               : __builtin_bit_cast(float, wide);
        return {__builtin_bit_cast(float, __builtin_bit_cast(uint32_t, value) | sign)};
    }
    static Vec loadBFloat16(const uint16_t* p) {
        return {__builtin_bit_cast(float, static_cast<uint32_t>(*p) << 16)};
    }
    void store(float* p) const { *p = v; }
    void storePartial(float* p, int64_t count) const {
        if (count > 0) {
            *p = v;
        }
    }
};

inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {fmaf(a.v, b.v, c.v)}; }
inline Vec fnma(Vec a, Vec b, Vec c) { return {fmaf(-a.v, b.v, c.v)}; }
inline Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
inline Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
inline Vec round(Vec a) { return {nearbyintf(a.v)}; }
inline float sum(Vec a) { return a.v; }
inline float maximum(Vec a) { return a.v; }
inline Vec scaleByPowerOfTwo(Vec a, Vec n) {
    return {isnan(n.v) ? n.v : ldexpf(a.v, static_cast<int>(n.v))};
}
inline Vec zeroWhereZero(Vec a, Vec test) { return {test.v == 0.0F ? 0.0F : a.v}; }
inline Vec select(Vec test, Vec ifNegative, Vec otherwise) {
    return signbit(test.v) ? ifNegative : otherwise;
}
inline void sum4(Vec a, Vec b, Vec c, Vec d, float* out) {
    out[0] = a.v;
    out[1] = b.v;
    out[2] = c.v;
    out[3] = d.v;
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
