// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// nll[r] = log(sum_v exp(logits[r, v])) - logits[r, target[r]], in nats.
struct CrossEntropy {
    ConstView logits;  ///< [rows, vocabulary] F32
    ConstView targets; ///< [rows] I32
    TensorView nll;    ///< [rows] F32
};
void run(ExecContext& context, const CrossEntropy& op);

/// Gradient of scale * sum(nll) with respect to the logits: dlogits[r, v] = scale *
/// (softmax(logits[r])_v - [v = target[r]]).
struct CrossEntropyGradient {
    ConstView logits;   ///< [rows, vocabulary] F32
    ConstView targets;  ///< [rows] I32
    float scale = 1.0F; ///< 1 / rows: of the mean
    TensorView dlogits; ///< [rows, vocabulary] F32; may alias logits
};
void run(ExecContext& context, const CrossEntropyGradient& op);

/// How far distribution q is from the reference p, row by row: KL(p || q) in nats and whether both
/// put their largest logit (lowest index on ties) on the same entry.
struct DistributionDistance {
    ConstView p;           ///< reference logits [rows, vocabulary] F32
    ConstView q;           ///< logits [rows, vocabulary] F32
    TensorView kl;         ///< [rows] F32
    TensorView sameArgmax; ///< [rows] I32, 1 or 0
};
void run(ExecContext& context, const DistributionDistance& op);

/// index[r] = lowest v that maximises logits[r, v].
struct ArgMax {
    ConstView logits; ///< [rows, vocabulary] F32
    TensorView index; ///< [rows] I32
};
void run(ExecContext& context, const ArgMax& op);

} // namespace lathe
