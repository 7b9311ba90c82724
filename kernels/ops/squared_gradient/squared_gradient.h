// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// sums += (dy^T * x)^2, element by element: the squared gradient of the weight of y = x * w^T over
/// the rows of one sequence. dy^T * x is made a tile of rows at a time, never as a whole.
/// @see SqueezeLLM (arXiv 2306.07629), section 3.2: the diagonal of the empirical Fisher matrix.
struct SquaredGradient {
    ConstView x;     ///< [rows, in] F32: what the layer was given
    ConstView dy;    ///< [rows, out] F32: gradient of what it gave
    TensorView sums; ///< [out, in] F32, added to; must not alias x or dy
};
void run(ExecContext& context, const SquaredGradient& op);

} // namespace lathe
