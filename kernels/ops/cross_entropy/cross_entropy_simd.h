// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What cross_entropy.cpp and the instruction-set specific cross_entropy_simd.cpp agree on: raw
/// pointers only.
namespace lathe {

struct ShiftAndScale {
    float shift = 0.0F;
    float scale = 1.0F;
};

} // namespace lathe

namespace lathe::avx2 {
int64_t argMax(const float* logits, int64_t count);
/// log(sum(exp(logits))).
double logSumExp(const float* logits, int64_t count);
/// KL(p || q) in nats.
double divergence(const float* p, const float* q, int64_t count);
/// y = scale * exp(logits - shift); y may be logits.
void scaledExponentials(const float* logits, float* y, int64_t count, ShiftAndScale by);
} // namespace lathe::avx2

namespace lathe::avx512 {
int64_t argMax(const float* logits, int64_t count);
/// log(sum(exp(logits))).
double logSumExp(const float* logits, int64_t count);
/// KL(p || q) in nats.
double divergence(const float* p, const float* q, int64_t count);
/// y = scale * exp(logits - shift); y may be logits.
void scaledExponentials(const float* logits, float* y, int64_t count, ShiftAndScale by);
} // namespace lathe::avx512
