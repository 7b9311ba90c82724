// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = a + b, element by element: the residual stream.
struct Add {
    ConstView a, b; ///< same shape, F32
    TensorView y;   ///< same shape, F32; may alias a or b
};
void run(ExecContext& context, const Add& op);

} // namespace lathe
