// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/add/add_simd.h"

#include "kernels/simd/vec.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

void add(const float* a, const float* b, float* y, int64_t count) {
    int64_t i = 0;
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        (Vec::load(a + i) + Vec::load(b + i)).store(y + i);
    }
    if (const int64_t rest = count - i; rest > 0) {
        (Vec::loadPartial(a + i, rest) + Vec::loadPartial(b + i, rest)).storePartial(y + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
