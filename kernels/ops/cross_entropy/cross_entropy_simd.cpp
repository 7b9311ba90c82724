// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy/cross_entropy_simd.h"

#include "kernels/simd/vec_math.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

constexpr int64_t kWidth = Vec::kWidth;
/// Elements that are summed in single precision before their sum joins the double one.
constexpr int64_t kBlock = 64 * kWidth;

/// The first `count` elements, at most a vector, minus infinity behind them.
Vec loadLogits(const float* p, int64_t count) {
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
float largestOf(const float* logits, int64_t count) {
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

double sumOfExponentials(const float* logits, int64_t count, float largest) {
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

} // namespace

int64_t argMax(const float* logits, int64_t count) {
    const float largest = largestOf(logits, count);
    for (int64_t i = 0; i < count; ++i) {
        if (logits[i] == largest) {
            return i;
        }
    }
    return 0;
}

double logSumExp(const float* logits, int64_t count) {
    const float largest = largestOf(logits, count);
    return static_cast<double>(largest) + log(sumOfExponentials(logits, count, largest));
}

double divergence(const float* p, const float* q, int64_t count) {
    const float largestP = largestOf(p, count);
    const double sumP = sumOfExponentials(p, count, largestP);
    const double logSumP = static_cast<double>(largestP) + log(sumP);
    const double logSumQ = logSumExp(q, count);
    // sum_v p_v (log p_v - log q_v), the difference of the logits kept apart from that of the sums,
    // so that it is small where the distributions are close.
    const Vec shift = Vec::set1(largestP);
    const Vec offset = Vec::set1(static_cast<float>(logSumP - logSumQ));
    double total = 0.0;
    for (int64_t block = 0; block < count; block += kBlock) {
        const int64_t end = block + kBlock < count ? block + kBlock : count;
        Vec part = Vec::zero();
        for (int64_t i = block; i < end; i += kWidth) {
            const Vec logitsP = loadLogits(p + i, end - i);
            const Vec weight = exponential(logitsP - shift);
            const Vec ratio = logitsP - loadLogits(q + i, end - i) - offset;
            part = part + zeroWhereZero(weight * ratio, weight);
        }
        total += static_cast<double>(sum(part));
    }
    return total / sumP;
}

void scaledExponentials(const float* logits, float* y, int64_t count, ShiftAndScale by) {
    const Vec shift = Vec::set1(by.shift);
    const Vec scale = Vec::set1(by.scale);
    int64_t i = 0;
    for (; i + kWidth <= count; i += kWidth) {
        (scale * exponential(Vec::load(logits + i) - shift)).store(y + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        (scale * exponential(Vec::loadPartial(logits + i, rest) - shift)).storePartial(y + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
