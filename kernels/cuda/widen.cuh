// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/dtype.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

/// Stored weight types and their widening to float, and a switch over them.
namespace lathe::cuda {

__device__ inline float widen(float value) { return value; }
__device__ inline float widen(__half value) { return __half2float(value); }
__device__ inline float widen(__nv_bfloat16 value) { return __bfloat162float(value); }

/// Calls body with a value of the device type of `dtype` (F32, F16 or BF16).
template <class Body>
void withFloatType(DType dtype, Body&& body) {
    switch (dtype) {
    case DType::F16:
        body(__half{});
        return;
    case DType::BF16:
        body(__nv_bfloat16{});
        return;
    default:
        body(float{});
        return;
    }
}

} // namespace lathe::cuda
