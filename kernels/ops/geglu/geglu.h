// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = gelu(gate) * up with the tanh form of GELU, z / 2 * (1 + tanh(sqrt(2 / pi) (z + 0.044715
/// z^3))): "gelu_new" of transformers.
/// @see GELU (arXiv 1606.08415), GLU variants (arXiv 2002.05202).
struct GeGlu {
    ConstView gate, up; ///< any shape, F32
    TensorView y;       ///< same shape, F32; may alias gate or up
};
void run(ExecContext& context, const GeGlu& op);

} // namespace lathe
