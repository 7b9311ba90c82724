// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = silu(gate) * up, silu(z) = z / (1 + exp(-z)).
/// @see GLU variants (arXiv 2002.05202).
struct SwiGlu {
    ConstView gate, up;      ///< [rows, cols] F32
    TensorView y;            ///< [rows, cols] F32; may alias gate or up when there is no stride
    std::int64_t stride = 0; ///< elements between rows of gate and of up; 0: cols
};
void run(ExecContext& context, const SwiGlu& op);

/// Gradients of SwiGlu, with s = 1 / (1 + exp(-gate)): dgate = dy * up * s * (1 + gate * (1 - s)),
/// dup = dy * gate * s.
struct SwiGluGradient {
    ConstView gate, up, dy; ///< [rows, cols] F32
    TensorView dgate;       ///< [rows, cols] F32; may alias gate
    TensorView dup;         ///< [rows, cols] F32; may alias up
};
void run(ExecContext& context, const SwiGluGradient& op);

} // namespace lathe
