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

} // namespace lathe
