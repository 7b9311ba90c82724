// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y[t] = table[ids[t]], widened to F32. Ids out of range are the caller's fault: the CPU throws
/// InputError, CUDA writes NaN rows.
struct Embedding {
    ConstView table; ///< [vocabulary, cols] F32, F16 or BF16
    ConstView ids;   ///< [tokens] I32
    TensorView y;    ///< [tokens, cols] F32
};
void run(ExecContext& context, const Embedding& op);

} // namespace lathe
