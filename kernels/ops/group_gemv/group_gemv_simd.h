// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

/// What group_gemv.cpp and the instruction-set specific group_gemv_simd.cpp agree on: raw pointers
/// only. Groups are whole multiples of 16 codes, or one group is the whole row.
namespace lathe {

struct GroupMatrix {
    const int32_t* packed = nullptr;    ///< [out, wordsPerRow]
    const int32_t* packedEnd = nullptr; ///< nothing at or beyond is read
    const uint16_t* scale = nullptr;    ///< [out, groups] F16 bits
    const uint8_t* zero = nullptr;      ///< [out, groups]
    int64_t in = 0, wordsPerRow = 0, groups = 0, groupSize = 0;
    int bits = 0;
};

struct GroupGemvRows {
    GroupMatrix w;
    const float* x = nullptr;    ///< [rows, in]
    const float* bias = nullptr; ///< [out], or null
    float* y = nullptr;          ///< [rows, out]
    int64_t out = 0;
    int rows = 0;
};

struct GroupDequantizeRows {
    GroupMatrix w;
    float* y = nullptr; ///< [n, in], row 0 is row `rowFrom` of the matrix
    int64_t rowFrom = 0;
};

namespace avx2 {
void groupGemv(const GroupGemvRows& op, int64_t from, int64_t to);
void groupDequantize(const GroupDequantizeRows& op, int64_t from, int64_t to);
} // namespace avx2
namespace avx512 {
void groupGemv(const GroupGemvRows& op, int64_t from, int64_t to);
void groupDequantize(const GroupDequantizeRows& op, int64_t from, int64_t to);
} // namespace avx512

} // namespace lathe
