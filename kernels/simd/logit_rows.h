// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/vec_math.h"

/// Passes over a row of logits, for the ops that need its maximum or its normalizer.
namespace lathe::LATHE_SIMD_NAMESPACE {

inline constexpr int64_t kWidth = Vec::kWidth;
/// Elements that are summed in single precision before their sum joins the double one.
inline constexpr int64_t kBlock = 64 * kWidth;

/// The first `count` elements, at most a vector, minus infinity behind them.
inline Vec loadLogits(const float* p, int64_t count) {
    if (count >= kWidth) {
        return Vec::load(p);
    }
    float part[kWidth];
    for (int64_t i = 0; i < kWidth; ++i) {
        part[i] = i < count ? p[i] : -HUGE_VALF;
    }
    return Vec::load(part);
}

/// The largest number; NaN entries are passed over, minus infinity when there is nothing else.
inline float largestOf(const float* logits, int64_t count) {
    Vec first = Vec::set1(-HUGE_VALF);
    Vec second = first;
    int64_t i = 0;
    for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
        first = max(Vec::load(logits + i), first);
        second = max(Vec::load(logits + i + kWidth), second);
    }
    for (; i < count; i += kWidth) {
        first = max(loadLogits(logits + i, count - i), first);
    }
    return maximum(max(first, second));
}

inline double sumOfExponentials(const float* logits, int64_t count, float largest) {
    const Vec shift = Vec::set1(largest);
    double total = 0.0;
    for (int64_t block = 0; block < count; block += kBlock) {
        const int64_t end = block + kBlock < count ? block + kBlock : count;
        Vec part = Vec::zero();
        for (int64_t i = block; i < end; i += kWidth) {
            part = part + exponential(loadLogits(logits + i, end - i) - shift);
        }
        total += static_cast<double>(sum(part));
    }
    return total;
}

/// The lowest index of an entry that equals `value`; 0 when none does.
inline int64_t firstEqual(const float* logits, int64_t count, float value) {
    for (int64_t i = 0; i < count; ++i) {
        if (logits[i] == value) {
            return i;
        }
    }
    return 0;
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
