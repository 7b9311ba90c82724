// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lathe::cuda {

/// One element of SwiGlu.
__device__ inline float swiGluOf(float z, float up) { return z / (1.0F + expf(-z)) * up; }

} // namespace lathe::cuda
