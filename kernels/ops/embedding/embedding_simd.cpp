// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding/embedding_simd.h"

#include "kernels/simd/weights.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

void widenRow(const void* from, WeightKind kind, int64_t count, float* to) {
    withWeights(kind, [&](auto weights) {
        using Weights = decltype(weights);
        widen<Weights>(static_cast<const typename Weights::Element*>(from), count, to);
    });
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
