// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/swiglu/swiglu_simd.h"

#include "kernels/simd/vec_math.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

Vec swigluOf(Vec gate, Vec up) {
    return gate / (Vec::set1(1.0F) + exponential(Vec::zero() - gate)) * up;
}

struct Gradients {
    Vec gate;
    Vec up;
};

Gradients gradientsOf(Vec gate, Vec up, Vec dy) {
    const Vec one = Vec::set1(1.0F);
    const Vec sigmoid = one / (one + exponential(Vec::zero() - gate));
    const Vec slope = sigmoid * fma(gate, one - sigmoid, one);
    return {dy * up * slope, dy * gate * sigmoid};
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

void swigluGradient(const SwiGluGradientArguments& a, int64_t from, int64_t to) {
    int64_t i = from;
    for (; i + Vec::kWidth <= to; i += Vec::kWidth) {
        const Gradients g =
            gradientsOf(Vec::load(a.gate + i), Vec::load(a.up + i), Vec::load(a.dy + i));
        g.gate.store(a.dgate + i);
        g.up.store(a.dup + i);
    }
    if (const int64_t rest = to - i; rest > 0) {
        const Gradients g = gradientsOf(
            Vec::loadPartial(a.gate + i, rest), Vec::loadPartial(a.up + i, rest),
            Vec::loadPartial(a.dy + i, rest));
        g.gate.storePartial(a.dgate + i, rest);
        g.up.storePartial(a.dup + i, rest);
    }
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
