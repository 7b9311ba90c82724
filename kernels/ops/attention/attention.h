// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Softmax attention of fresh queries over a key-value cache, with grouped queries: query head h
/// reads key head h / (heads / kvHeads). Causal: fresh token t (position past + t) sees cache rows
/// 0 .. past + t; their keys and values are in the cache already. Else all see all rows, as in an
/// encoder, or in a decoder that reads a source.
struct Attention {
    ConstView q;           ///< [tokens, heads, headDim] F32
    ConstView keys;        ///< [capacity, kvHeads, headDim] F32
    ConstView values;      ///< [capacity, kvHeads, headDim] F32
    std::int64_t past = 0; ///< rows of the cache before the fresh tokens; past + tokens <= capacity
    float scale = 1.0F;    ///< usually 1 / sqrt(headDim)
    TensorView y;          ///< [tokens, heads, headDim] F32
    bool causal = true;
    /// [heads, distances] F32, or empty: what is added to scaled scores by how far a key is from
    /// its query. Key row j of the query at position p takes column biasOrigin + j - p, which must
    /// be there for every key that a query sees.
    /// @see T5 (arXiv 1910.10683, section 2.1)
    ConstView bias{};
    std::int64_t biasOrigin = 0; ///< column of distance 0
};
void run(ExecContext& context, const Attention& op);

} // namespace lathe
