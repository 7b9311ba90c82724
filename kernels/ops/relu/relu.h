// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = max(x, 0), element by element; NaN stays.
struct Relu {
    ConstView x;  ///< any shape, F32
    TensorView y; ///< same shape, F32; may alias x
};
void run(ExecContext& context, const Relu& op);

} // namespace lathe
