// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

namespace lathe {

/// y = x * dequantize(w)^T where w is stored as b-bit codes into one table per output row.
/// Codes of a row are one little-endian bit stream (code j at bits b*j), rows padded with code 0 to
/// a whole number of 32-bit words: packed is [out, wordsPerRow] with wordsPerRow = ceil(in * b /
/// 32).
/// @note Cost: out * (in * bits / 8 + 2^bits * 2) bytes read; memory bound at one row.
/// @note A GPU of compute capability 9.x decodes each code once for eight rows of x (sixteen in
///       half precision). It reads packed and table before the kernel in front ends: whoever writes
///       them waits for the stream before the first product.
/// @see  SqueezeLLM (arXiv 2306.07629) section 4.3.
struct LutGemv {
    ConstView x;      ///< [rows, in] F32, rows from 1 to lutGemvMostRows
    ConstView packed; ///< [out, wordsPerRow] I32
    ConstView table;  ///< [out, 2^bits] F16
    int bits = 4;     ///< 1..8
    ConstView bias{}; ///< [out] F32, or empty
    TensorView y;     ///< [rows, out] F32, overwritten
};
/// @throws InputError when shapes, dtypes, bits or devices do not fit.
void run(ExecContext& context, const LutGemv& op);

/// Rows of x up to which this context multiplies such weights faster than it dequantizes them; more
/// rows: LutDequantize and Gemm. With more than eight, Products::Half rounds x to F16.
/// @see docs/adr/0008-many-rows.md
std::int64_t lutGemvMostRows(const ExecContext& context, int bits, std::int64_t in);

/// w = table[codes], rows [rowFrom, rowFrom + w.shape[0]) of the matrix.
struct LutDequantize {
    ConstView packed; ///< [out, wordsPerRow] I32
    ConstView table;  ///< [out, 2^bits] F16
    int bits = 4;     ///< 1..8
    std::int64_t rowFrom = 0;
    TensorView w; ///< [n, in] F32, or F16 (scalar and GPU), overwritten; both exact
};
void run(ExecContext& context, const LutDequantize& op);

/// 32-bit words per packed row of `in` codes.
constexpr std::int64_t packedWords(std::int64_t in, int bits) { return (in * bits + 31) / 32; }

} // namespace lathe
