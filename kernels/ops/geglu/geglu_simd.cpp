// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/geglu/geglu_simd.h"

#include "kernels/simd/vec_math.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

/// (1 + tanh(t)) / 2 is 1 / (1 + exp(-2t)).
Vec gegluOf(Vec gate, Vec up) {
    constexpr float kScale = -1.5957691216057308F; // -2 sqrt(2 / pi)
    const Vec cubic = fma(Vec::set1(0.044715F * kScale) * gate, gate, Vec::set1(kScale)) * gate;
    return gate / (Vec::set1(1.0F) + exponential(cubic)) * up;
}

} // namespace

void geglu(const float* gate, const float* up, float* y, int64_t count) {
    int64_t i = 0;
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        gegluOf(Vec::load(gate + i), Vec::load(up + i)).store(y + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        gegluOf(Vec::loadPartial(gate + i, rest), Vec::loadPartial(up + i, rest))
            .storePartial(y + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
