// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lathe::cuda {

/// One element of GeGlu.
__device__ inline float geGluOf(float z, float up) {
    constexpr float kScale = -1.5957691216057308F; // -2 sqrt(2 / pi): as in geglu_simd.cpp
    return z / (1.0F + expf(kScale * (1.0F + 0.044715F * z * z) * z)) * up;
}

} // namespace lathe::cuda
