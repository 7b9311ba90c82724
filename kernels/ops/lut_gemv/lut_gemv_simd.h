// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What lut_gemv.cpp and the instruction-set specific lut_gemv_simd.cpp agree on: raw pointers
/// only.
namespace lathe {

/// How activations are laid out for the vector kernels. A tile is lanes * codesPerLane codes; lane
/// l of a tile holds the codes l * codesPerLane ... of it, so that shifting all lanes by `bits`
/// brings the next vector of codes forward. Activations follow that order: [tile][step][row][lane].
struct LutTiles {
    int lanes = 0;
    int codesPerLane = 0; ///< the steps of a tile
    int64_t count = 0;    ///< tiles of a row of `in` codes, the last one padded

    LutTiles(int lanesOfIsa, int bits, int64_t in)
        : lanes(lanesOfIsa), codesPerLane(bits <= 4 ? 8 : 4),
          count((in + lanes * codesPerLane - 1) / (lanes * codesPerLane)) {}
};

struct LutGemvRows {
    const float* tiledX = nullptr;   ///< [tiles][steps][paddedRows][lanes], zero beyond `in`
    const int32_t* packed = nullptr; ///< [out, wordsPerRow]
    const uint16_t* table = nullptr; ///< [out, 2^bits] F16 bits
    const float* bias = nullptr;     ///< [out], or null
    float* y = nullptr;              ///< [rows, out]
    int64_t in = 0, out = 0, wordsPerRow = 0;
    int rows = 0, paddedRows = 0; ///< paddedRows: 1, 2, 4 or 8
    int bits = 0;
};

struct LutDequantizeRows {
    const int32_t* packed = nullptr;    ///< [out, wordsPerRow]
    const int32_t* packedEnd = nullptr; ///< nothing at or beyond is read
    const uint16_t* table = nullptr;    ///< [out, 2^bits] F16 bits
    float* w = nullptr;                 ///< [n, in], row 0 is row `rowFrom` of the matrix
    int64_t in = 0, wordsPerRow = 0, rowFrom = 0;
    int bits = 0;
};

namespace avx2 {
void lutGemv(const LutGemvRows& op, int64_t from, int64_t to);
void lutDequantize(const LutDequantizeRows& op, int64_t from, int64_t to);
} // namespace avx2
namespace avx512 {
void lutGemv(const LutGemvRows& op, int64_t from, int64_t to);
void lutDequantize(const LutDequantizeRows& op, int64_t from, int64_t to);
} // namespace avx512

} // namespace lathe
