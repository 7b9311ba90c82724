// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <span>

namespace lathe {

/// Most sequences of one DecodeAttention.
inline constexpr std::int64_t kMostDecodeSlots = 16;

/// Attention of one fresh token for each of several sequences, from its products to its mixed
/// values: q and k are turned by their position (see Rope), k and v go to row `position` of the
/// sequence's cache, and q attends to rows 0 .. position (see Attention). Where a sequence stands
/// is read on the device, so that a recorded launch serves every position.
/// @note Cost: 2 * (position + 1) * kvHeads * headDim * 4 bytes read a slot. The CUDA kernel splits
///       the rows of a head among blocks that add up in a fixed order (flash decoding). It reads
///       positions and earlier rows before the kernel in front of it ends: whoever writes them
///       puts a launch between that does not overlap, such as `put`.
/// @see  FlashAttention (arXiv 2205.14135); RoFormer (arXiv 2104.09864).
struct DecodeAttention {
    ConstView q;               ///< [slots, heads, headDim] F32; heads is a multiple of kvHeads
    ConstView k, v;            ///< [slots, kvHeads, headDim] F32
    std::int64_t qStride = 0;  ///< elements between slots in q; 0: heads * headDim
    std::int64_t kvStride = 0; ///< the same in k and v; 0: kvHeads * headDim
    ConstView frequencies;     ///< [headDim / 2] F32, radians per position
    ConstView positions;       ///< [slots] I32: rows in use. Out of range: the CPU throws
                               ///< InputError, CUDA writes NaN to y and nothing to the cache
    std::span<const TensorView> keys{},
        values{};       ///< a slot: [capacity, kvHeads, headDim] F32, updated
    float scale = 1.0F; ///< usually 1 / sqrt(headDim)
    TensorView y;       ///< [slots, heads, headDim] F32
};
/// @throws InputError when shapes, dtypes or devices do not fit or there are more than
///         kMostDecodeSlots slots; Unsupported on a GPU for heads of more than 512 elements.
void run(ExecContext& context, const DecodeAttention& op);

} // namespace lathe
