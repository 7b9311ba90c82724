// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope/rope_simd.h"

#include "kernels/simd/vec_math.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

struct Angles {
    float cosine[kRopeLargestHeadDim / 2 + Vec::kWidth];
    float sine[kRopeLargestHeadDim / 2 + Vec::kWidth];
};

void sineCosineOf(const float* frequencies, float position, int64_t count, Angles& angles) {
    constexpr int64_t kWidth = Vec::kWidth;
    for (int64_t j = 0; j < count; j += kWidth) {
        const Vec frequency = j + kWidth <= count ? Vec::load(frequencies + j)
                                                  : Vec::loadPartial(frequencies + j, count - j);
        const Vec angle = Vec::set1(position) * frequency;
        Vec sine = Vec::zero();
        Vec cosine = Vec::zero();
        if (maximum(max(angle, Vec::zero() - angle)) <= kLargestAngle) {
            sineCosine(angle, sine, cosine);
            sine.store(angles.sine + j);
            cosine.store(angles.cosine + j);
            continue;
        }
        for (int64_t i = j; i < j + kWidth && i < count; ++i) {
            angles.sine[i] = sinf(position * frequencies[i]);
            angles.cosine[i] = cosf(position * frequencies[i]);
        }
    }
}

void rotate(Vec& first, Vec& second, Vec cosine, Vec sine) {
    const Vec turned = fnma(second, sine, first * cosine);
    second = fma(first, sine, second * cosine);
    first = turned;
}

} // namespace

void rope(float* x, const float* frequencies, float position, RopeSizes sizes) {
    constexpr int64_t kWidth = Vec::kWidth;
    const int64_t half = sizes.headDim / 2;
    Angles angles;
    sineCosineOf(frequencies, position, half, angles);
    for (int64_t head = 0; head < sizes.heads; ++head) {
        float* low = x + head * sizes.headDim;
        float* high = low + half;
        int64_t j = 0;
        for (; j + kWidth <= half; j += kWidth) {
            Vec first = Vec::load(low + j);
            Vec second = Vec::load(high + j);
            rotate(first, second, Vec::load(angles.cosine + j), Vec::load(angles.sine + j));
            first.store(low + j);
            second.store(high + j);
        }
        if (const int64_t rest = half - j; rest > 0) {
            Vec first = Vec::loadPartial(low + j, rest);
            Vec second = Vec::loadPartial(high + j, rest);
            rotate(
                first, second, Vec::loadPartial(angles.cosine + j, rest),
                Vec::loadPartial(angles.sine + j, rest));
            first.storePartial(low + j, rest);
            second.storePartial(high + j, rest);
        }
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
