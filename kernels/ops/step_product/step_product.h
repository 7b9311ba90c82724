// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// A dense product of a decoding step, with what stands before and behind it: y = f(norm(x) * w^T)
/// or y += norm(x) * w^T. One launch where RmsNorm, Gemm and Add or Relu would be three.
/// A row has the same bits in a call of any number of rows (on a processor of up to 32): drafts
/// that are checked together are judged by the numbers that would have made them.
/// @note Cost: the bytes of w, once for 12 rows. The CUDA kernel reads w and gamma before the
///       kernel in front of it ends.
struct StepProduct {
    enum class Result {
        Store, ///< y = product
        Relu,  ///< y = max(product, 0), NaN kept
        Add    ///< y += product
    };
    ConstView x;       ///< [rows, in] F32
    ConstView gamma{}; ///< [in] F32: x is normed first, see RmsNorm; empty: x as it is
    float epsilon = 1e-6F;
    ConstView w;                   ///< [out, in] F32, F16 or BF16
    Result result = Result::Store; ///< of the product in y
    TensorView y;                  ///< [rows, out] F32; must not alias x
};
/// @throws InputError when shapes, dtypes or devices do not fit.
void run(ExecContext& context, const StepProduct& op);

} // namespace lathe
