// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace lathe {

/// Codes of one row as one little-endian bit stream: code j at bits b*j, padded with code 0 to a
/// whole number of 32-bit words. Equals the reference's 3- and 4-bit layouts (oracle O3).
/// @param words ceil(codes * bits / 32) of them, overwritten
/// @throws InputError for bits outside 1..8, another number of words, or a code that is too large.
void packRow(std::span<const std::uint8_t> codes, int bits, std::span<std::uint32_t> words);
/// @throws InputError for bits outside 1..8 or another number of words.
void unpackRow(std::span<const std::uint32_t> words, int bits, std::span<std::uint8_t> codes);

} // namespace lathe
