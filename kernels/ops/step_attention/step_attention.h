// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// Attention of a few fresh tokens of one sequence, whose length is read on the device, so that a
/// recorded launch serves every position. With k and v: row i stands at position length + i, goes
/// into that row of the cache and sees rows 0 .. length + i, as a causal Attention does. Without
/// them the cache is a source, of which every row sees the first `length` rows.
/// A row has the same bits in a call of any number of rows.
/// @note Cost: the keys and values that a row sees, for every row. Out of range (a position behind
///       the cache, a source of length 0): y is NaN and nothing is written, so that a recorded
///       launch may have more rows than tokens. The CUDA kernel reads the length and the rows of
///       the cache before the kernel in front of it ends: whoever writes them puts a launch
///       between that does not overlap, such as `put`.
/// @see  T5 (arXiv 1910.10683, section 2.1) for the bias; RoFormer (arXiv 2104.09864)
struct StepAttention {
    ConstView q;               ///< [rows, heads, headDim] F32
    ConstView k{}, v{};        ///< [rows, kvHeads, headDim] F32, or empty
    std::int64_t qStride = 0;  ///< elements between rows of q; 0: heads * headDim
    std::int64_t kvStride = 0; ///< the same in k and v; 0: kvHeads * headDim
    ConstView frequencies{};   ///< [headDim / 2] F32, or empty: q and k are turned, see Rope
    ConstView length;          ///< [1] I32: rows of the cache in use
    TensorView keys, values;   ///< [capacity, kvHeads, headDim] F32, updated with k and v;
                               ///< query head h reads key head h / (heads / kvHeads)
    float scale = 1.0F;
    ConstView bias{};            ///< [heads, distances] F32, or empty, as without k; see Attention
    std::int64_t biasOrigin = 0; ///< column of distance 0; no distance in use may lack one
    TensorView y;                ///< [rows, heads, headDim] F32
};
/// @throws InputError when shapes, dtypes or devices do not fit; Unsupported on a GPU for caches of
///         more than kMostStepKeys rows, heads of more than kMostStepHead elements, or more than
///         kMostTurnedRows rows with frequencies.
void run(ExecContext& context, const StepAttention& op);

/// A source's keys or values as a StepAttention without k and v takes them: it does not write.
inline TensorView unwritten(ConstView source) {
    return {const_cast<std::byte*>(source.data), source.shape, source.dtype, source.device};
}

inline constexpr std::int64_t kMostStepKeys = 8192;
inline constexpr std::int64_t kMostStepHead = 512;
inline constexpr std::int64_t kMostTurnedRows = 12;

} // namespace lathe
