// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = x / sqrt(mean(x^2) + epsilon) * gamma, per row.
struct RmsNorm {
    ConstView x, gamma; ///< [rows, cols], [cols], F32
    TensorView y;       ///< [rows, cols] F32; may alias x
    float epsilon = 1e-5F;
};
void run(ExecContext& context, const RmsNorm& op);

/// x += delta, then y = RmsNorm of x: the end of one half of a block and the beginning of the next.
/// @note The CUDA kernel reads gamma before the kernel in front of it ends.
struct AddRmsNorm {
    TensorView x;           ///< [rows, cols] F32, updated: the residual stream
    ConstView delta, gamma; ///< [rows, cols], [cols], F32
    TensorView y;           ///< [rows, cols] F32; must not alias x or delta
    float epsilon = 1e-5F;
};
void run(ExecContext& context, const AddRmsNorm& op);

/// Gradient of RmsNorm with respect to x, per row, with r = 1 / sqrt(mean(x^2) + epsilon):
/// dx = r * gamma * dy - x * r^3 * mean(gamma * dy * x).
struct RmsNormGradient {
    ConstView x, gamma, dy; ///< [rows, cols], [cols], [rows, cols], F32
    TensorView dx;          ///< [rows, cols] F32; may alias dy
    float epsilon = 1e-5F;
};
void run(ExecContext& context, const RmsNormGradient& op);

} // namespace lathe
