// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = x * w^T with uniformly quantized w: w = scale * (code - zero), one scale and zero per group
/// of consecutive inputs of a row. Codes are packed as in LutGemv; code and zero are unsigned
/// integers, so symmetric quantization uses zero = 2^(bits-1).
/// @note Cost: out * in * (bits / 8 + 3 / groupSize) bytes read (F16 scale, U8 zero).
struct GroupGemv {
    ConstView x;                ///< [rows, in] F32, rows 1..8
    ConstView packed;           ///< [out, wordsPerRow] I32
    ConstView scale;            ///< [out, groups] F16, groups = ceil(in / groupSize)
    ConstView zero;             ///< [out, groups] U8
    int bits = 4;               ///< 1..8
    std::int64_t groupSize = 0; ///< in one group; 0: the whole row
    ConstView bias{};           ///< [out] F32, or empty
    TensorView y;               ///< [rows, out] F32, overwritten
};
/// @throws InputError when shapes, dtypes, bits or devices do not fit.
void run(ExecContext& context, const GroupGemv& op);

/// w = scale * (code - zero), rows [rowFrom, rowFrom + w.shape[0]) of the matrix.
struct GroupDequantize {
    ConstView packed, scale, zero;
    int bits = 4;
    std::int64_t groupSize = 0;
    std::int64_t rowFrom = 0;
    TensorView w; ///< [n, in] F32, overwritten
};
void run(ExecContext& context, const GroupDequantize& op);

} // namespace lathe
