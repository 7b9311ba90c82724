// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"

#include <cstdint>

namespace lathe::cuda {

/// y[rows, out] = x[rows, in] * w[out, in]^T in full float32 (no TF32) by cuBLAS, which is opened
/// at run time. False when there is no cuBLAS: the caller's own kernel serves.
bool blasGemm(
    ExecContext& context, const float* x, const float* w, float* y, std::int64_t rows,
    std::int64_t in, std::int64_t out, std::int64_t yStride);

/// The same of F16 operands, summed in F32 on tensor cores. @throws Unsupported without cuBLAS.
void blasHalfGemm(
    ExecContext& context, const void* x, const void* w, float* y, std::int64_t rows,
    std::int64_t in, std::int64_t out, std::int64_t yStride);

/// "cuBLAS 13.1" or "none", for the run record.
const char* blasVersion();

void destroyBlas(ExecContext::CudaState& state) noexcept;

} // namespace lathe::cuda
