// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/relu/relu_simd.h"

#include "kernels/simd/vec.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

void relu(const float* x, float* y, int64_t count) {
    int64_t i = 0;
    // Of two operands the processor gives the second when one is NaN.
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        max(Vec::zero(), Vec::load(x + i)).store(y + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        max(Vec::zero(), Vec::loadPartial(x + i, rest)).storePartial(y + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
