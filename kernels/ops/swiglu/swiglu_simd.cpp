// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu/swiglu_simd.h"

#include "kernels/simd/vec_math.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

Vec swigluOf(Vec gate, Vec up) {
    return gate / (Vec::set1(1.0F) + exponential(Vec::zero() - gate)) * up;
}

} // namespace

void swiglu(const float* gate, const float* up, float* y, int64_t count) {
    int64_t i = 0;
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        swigluOf(Vec::load(gate + i), Vec::load(up + i)).store(y + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        swigluOf(Vec::loadPartial(gate + i, rest), Vec::loadPartial(up + i, rest))
            .storePartial(y + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
