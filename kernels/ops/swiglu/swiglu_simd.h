// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What swiglu.cpp and the instruction-set specific swiglu_simd.cpp agree on: raw pointers only.
namespace lathe {

struct SwiGluGradientArguments {
    const float* gate = nullptr;
    const float* up = nullptr;
    const float* dy = nullptr;
    float* dgate = nullptr;
    float* dup = nullptr;
};

} // namespace lathe

namespace lathe::avx2 {
void swiglu(const float* gate, const float* up, float* y, int64_t count);
/// Elements [from, to).
void swigluGradient(const SwiGluGradientArguments& a, int64_t from, int64_t to);
} // namespace lathe::avx2

namespace lathe::avx512 {
void swiglu(const float* gate, const float* up, float* y, int64_t count);
/// Elements [from, to).
void swigluGradient(const SwiGluGradientArguments& a, int64_t from, int64_t to);
} // namespace lathe::avx512
