// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lathe {

/// Code `index` of a packed row: bits [bits * index, bits * (index + 1)) of one little-endian
/// stream.
inline std::uint32_t codeAt(const std::int32_t* words, std::int64_t index, int bits) {
    const std::int64_t bit = index * bits;
    const int shift = static_cast<int>(bit & 31);
    std::uint32_t value = static_cast<std::uint32_t>(words[bit >> 5]) >> shift;
    if (shift + bits > 32) {
        value |= static_cast<std::uint32_t>(words[(bit >> 5) + 1]) << (32 - shift);
    }
    return value & ((1U << bits) - 1U);
}

} // namespace lathe
