// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Attention of a few tokens to a source, with the product that makes their queries:
/// StepAttention{.q = norm(x) * w^T} as StepProduct makes them, in one launch and with the same
/// bits. Without a bias, a scale or groups of heads: what T5's decoder has.
/// @note Cost: the bytes of w and of the source's keys and values, for every row. The CUDA kernel
///       reads all three, gamma and the length before the kernel in front of it ends: see
///       StepAttention. A length out of range makes y NaN.
/// @see  T5 (arXiv 1910.10683, section 2.1)
struct SourceAttention {
    ConstView x;       ///< [rows, in] F32
    ConstView gamma{}; ///< [in] F32: x is normed first, see RmsNorm; empty: x as it is
    float epsilon = 1e-6F;
    ConstView w;            ///< [heads * headDim, in] F32, F16 or BF16
    ConstView length;       ///< [1] I32: rows of the source
    ConstView keys, values; ///< [capacity, heads, headDim] F32
    TensorView y;           ///< [rows, heads, headDim] F32; must not alias x
};
/// @throws InputError when shapes, dtypes or devices do not fit; on a GPU Unsupported for what
///         attendsInOneLaunch denies.
void run(ExecContext& context, const SourceAttention& op);

/// Whether a GPU's kernel takes these types, sizes and alignments and has room for the queries'
/// weights, keys and values of every head and row at once: weights of two bytes, rows of up to 4096
/// columns, heads of up to 128 elements. Never on a processor, where both ops do.
bool attendsInOneLaunch(ExecContext& context, const SourceAttention& op);

} // namespace lathe
