// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = x^T, widened to F32. Products with the other operand's columns become the one product that
/// every target has tuned (Gemm): dx = dy * w is Gemm{dy, w^T}.
struct Transpose {
    ConstView x;  ///< [rows, cols] F32, F16 or BF16
    TensorView y; ///< [cols, rows] F32; must not alias x
};
void run(ExecContext& context, const Transpose& op);

} // namespace lathe
