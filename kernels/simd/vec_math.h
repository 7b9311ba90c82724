// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/vec.h"

/// Functions on Vec that the processor lacks. Written against the operations of Vec alone.
namespace lathe::LATHE_SIMD_NAMESPACE {

/// exp(x) within 2 units in the last place; subnormal results, 0, infinity and NaN as in expf.
/// x = n ln 2 + r with |r| <= ln 2 / 2, n ln 2 in two parts; exp(r) by a polynomial (Cephes expf).
inline Vec exponential(Vec x) {
    // The limits are operand a of max and min, so that a NaN comes through.
    const Vec inRange = min(Vec::set1(89.0F), max(Vec::set1(-104.0F), x));
    const Vec n = round(inRange * Vec::set1(1.44269504088896341F));
    Vec r = fnma(n, Vec::set1(0.693359375F), inRange);
    r = fnma(n, Vec::set1(-2.12194440e-4F), r);
    Vec p = Vec::set1(1.9875691500e-4F);
    p = fma(p, r, Vec::set1(1.3981999507e-3F));
    p = fma(p, r, Vec::set1(8.3334519073e-3F));
    p = fma(p, r, Vec::set1(4.1665795894e-2F));
    p = fma(p, r, Vec::set1(1.6666665459e-1F));
    p = fma(p, r, Vec::set1(5.0000001201e-1F));
    p = fma(p, r * r, r) + Vec::set1(1.0F);
    return scaleByPowerOfTwo(p, n);
}

/// Angles up to this many radians are reduced exactly enough by sineCosine.
inline constexpr float kLargestAngle = 65536.0F;

/// sin(x) and cos(x) within 2e-7 for |x| <= kLargestAngle.
/// x = n pi/2 + r, pi/2 in three parts (Cody and Waite); polynomials of Cephes sinf and cosf.
inline void sineCosine(Vec x, Vec& sine, Vec& cosine) {
    const Vec n = round(x * Vec::set1(0.636619772367581343F));
    Vec r = fnma(n, Vec::set1(1.57079637050628662F), x);
    r = fnma(n, Vec::set1(-4.37113882867379e-8F), r);
    r = fnma(n, Vec::set1(-1.7151245e-15F), r);
    const Vec square = r * r;
    Vec s = Vec::set1(-1.9515295891e-4F);
    s = fma(s, square, Vec::set1(8.3321608736e-3F));
    s = fma(s, square, Vec::set1(-1.6666654611e-1F));
    s = fma(s * square, r, r);
    Vec c = Vec::set1(2.443315711809948e-5F);
    c = fma(c, square, Vec::set1(-1.388731625493765e-3F));
    c = fma(c, square, Vec::set1(4.166664568298827e-2F));
    c = fma(c * square, square, fnma(square, Vec::set1(0.5F), Vec::set1(1.0F)));
    // The quadrant n - 4 round(n / 4) is -2, -1, 0, 1 or 2; products pick lanes by their sign.
    const Vec quadrant = fnma(Vec::set1(4.0F), round(n * Vec::set1(0.25F)), n);
    const auto product = [](Vec a, float root, float other) {
        return (a - Vec::set1(root)) * (a - Vec::set1(other));
    };
    const Vec odd = product(quadrant * quadrant, 0.5F, 2.0F);
    const Vec sineSign = Vec::zero() - product(quadrant, -0.5F, 1.5F);
    const Vec cosineSign = Vec::zero() - product(quadrant, -1.5F, 0.5F);
    const Vec sineSize = select(odd, c, s);
    const Vec cosineSize = select(odd, s, c);
    sine = select(sineSign, Vec::zero() - sineSize, sineSize);
    cosine = select(cosineSign, Vec::zero() - cosineSize, cosineSize);
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
