// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Gradients of `Attention` of a whole sequence over itself (past 0): from the gradient of its
/// result to those of queries, keys and values. Probabilities are computed again, never stored as a
/// matrix of tokens by tokens; every sum runs in a fixed order.
/// With P = softmax(scale * q K^T) and dP = dy V^T: dV = P^T dy, dS = scale * P * (dP - sum(P *
/// dP)), dq = dS K, dK = dS^T q; keys and values gather from all query heads that read them.
struct AttentionGradient {
    ConstView q;               ///< [tokens, heads, headDim] F32
    ConstView keys, values;    ///< [tokens, kvHeads, headDim] F32
    ConstView dy;              ///< [tokens, heads, headDim] F32
    float scale = 1.0F;        ///< as in Attention
    TensorView dq;             ///< [tokens, heads, headDim] F32, overwritten
    TensorView dkeys, dvalues; ///< [tokens, kvHeads, headDim] F32, overwritten
};
void run(ExecContext& context, const AttentionGradient& op);

} // namespace lathe
