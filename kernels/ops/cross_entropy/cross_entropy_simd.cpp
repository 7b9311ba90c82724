// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/cross_entropy/cross_entropy_simd.h"

#include "kernels/simd/logit_rows.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

int64_t argMax(const float* logits, int64_t count) {
    return firstEqual(logits, count, largestOf(logits, count));
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
