// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Rotary position embedding in place, halves convention (element j is paired with j + headDim /
/// 2): x'_j = x_j cos(p f_j) - x_{j+d/2} sin(p f_j); x'_{j+d/2} = x_{j+d/2} cos(p f_j) + x_j sin(p
/// f_j).
/// Negative positions turn back: the gradient of a rotation is the rotation the other way.
/// @see RoFormer (arXiv 2104.09864); frequencies f carry any scaling (LLaMA-3).
struct Rope {
    TensorView x;          ///< [tokens, heads, headDim] F32
    ConstView frequencies; ///< [headDim / 2] F32, radians per position
    ConstView positions;   ///< [tokens] I32
};
void run(ExecContext& context, const Rope& op);

} // namespace lathe
