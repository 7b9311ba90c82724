// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Causal softmax attention of fresh queries over a key-value cache, with grouped queries: query
/// head h reads key head h / (heads / kvHeads). Fresh token t (position past + t) sees cache rows
/// 0 .. past + t; their keys and values are in the cache already.
struct Attention {
    ConstView q;           ///< [tokens, heads, headDim] F32
    ConstView keys;        ///< [capacity, kvHeads, headDim] F32
    ConstView values;      ///< [capacity, kvHeads, headDim] F32
    std::int64_t past = 0; ///< rows of the cache before the fresh tokens; past + tokens <= capacity
    float scale = 1.0F;    ///< usually 1 / sqrt(headDim)
    TensorView y;          ///< [tokens, heads, headDim] F32
};
void run(ExecContext& context, const Attention& op);

} // namespace lathe
