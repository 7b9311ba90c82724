// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = x * w^T (+ bias): every dense product of a model. One row is a matrix-vector product and
/// bound by the bytes of w; many rows are bound by arithmetic (oneDNN, cuBLAS). A context of
/// Products::Half rounds x to F16 for more than eight rows of x and w of F16.
struct Gemm {
    ConstView x;      ///< [rows, in] F32
    ConstView w;      ///< [out, in] F32, F16 or BF16; widened tile by tile, never as a whole
    ConstView bias{}; ///< [out] F32, or empty
    TensorView y;     ///< [rows, out] F32, overwritten; must not alias x
    std::int64_t yStride = 0; ///< elements between rows of y; 0: out. y.shape stays [rows, out]
};
/// @throws InputError when shapes, dtypes or devices do not fit.
void run(ExecContext& context, const Gemm& op);

} // namespace lathe
