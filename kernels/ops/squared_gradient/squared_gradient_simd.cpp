// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/squared_gradient/squared_gradient_simd.h"

#include "kernels/simd/vec.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

void addSquares(const float* gradient, float* sums, int64_t count) {
    int64_t i = 0;
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        const Vec g = Vec::load(gradient + i);
        fma(g, g, Vec::load(sums + i)).store(sums + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        const Vec g = Vec::loadPartial(gradient + i, rest);
        fma(g, g, Vec::loadPartial(sums + i, rest)).storePartial(sums + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
