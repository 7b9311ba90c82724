// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/simd/vec.h"
#include "kernels/simd/weight_kind.h"

/// The three storage types of a float weight, each with its widening load.
namespace lathe::LATHE_SIMD_NAMESPACE {

struct FloatWeights {
    using Element = float;
    static Vec load(const float* p) { return Vec::load(p); }
};
struct HalfWeights {
    using Element = uint16_t;
    static Vec load(const uint16_t* p) { return Vec::loadHalf(p); }
};
struct BFloat16Weights {
    using Element = uint16_t;
    static Vec load(const uint16_t* p) { return Vec::loadBFloat16(p); }
};

/// The first `count` < Vec::kWidth elements, widened, zeros behind them.
template <class Weights>
Vec loadPartial(const typename Weights::Element* p, int64_t count) {
    typename Weights::Element part[Vec::kWidth] = {};
    for (int64_t i = 0; i < count; ++i) {
        part[i] = p[i];
    }
    return Weights::load(part);
}

/// count elements widened to floats.
template <class Weights>
void widen(const typename Weights::Element* from, int64_t count, float* to) {
    int64_t i = 0;
    for (; i + Vec::kWidth <= count; i += Vec::kWidth) {
        Weights::load(from + i).store(to + i);
    }
    if (i < count) {
        loadPartial<Weights>(from + i, count - i).storePartial(to + i, count - i);
    }
}

/// Calls body(FloatWeights{}), body(HalfWeights{}) or body(BFloat16Weights{}).
template <class Body>
void withWeights(WeightKind kind, const Body& body) {
    switch (kind) {
    case WeightKind::F32:
        body(FloatWeights{});
        return;
    case WeightKind::F16:
        body(HalfWeights{});
        return;
    case WeightKind::BF16:
        body(BFloat16Weights{});
        return;
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
