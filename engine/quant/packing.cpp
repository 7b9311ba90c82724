// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/packing.h"

#include "engine/core/check.h"

#include <algorithm>
#include <string>

namespace lathe {

namespace {

void checkSizes(std::size_t codes, std::size_t words, int bits) {
    LATHE_CHECK(
        bits >= 1 && bits <= 8, "packing: codes of " + std::to_string(bits) + " bits, not 1..8");
    LATHE_CHECK(
        words == (codes * static_cast<std::size_t>(bits) + 31) / 32,
        "packing: " + std::to_string(codes) + " codes of " + std::to_string(bits) +
            " bits do not take " + std::to_string(words) + " words");
}

} // namespace

void packRow(std::span<const std::uint8_t> codes, int bits, std::span<std::uint32_t> words) {
    checkSizes(codes.size(), words.size(), bits);
    std::fill(words.begin(), words.end(), 0U);
    std::size_t bit = 0;
    for (std::size_t j = 0; j < codes.size(); ++j, bit += static_cast<std::size_t>(bits)) {
        const std::uint32_t code = codes[j];
        LATHE_CHECK(
            code >> bits == 0, "packing: code " + std::to_string(j) + " is " +
                                   std::to_string(code) + ", more than " + std::to_string(bits) +
                                   " bits hold");
        const std::size_t shift = bit % 32;
        words[bit / 32] |= code << shift;
        if (shift + static_cast<std::size_t>(bits) > 32) {
            words[bit / 32 + 1] |= code >> (32 - shift);
        }
    }
}

void unpackRow(std::span<const std::uint32_t> words, int bits, std::span<std::uint8_t> codes) {
    checkSizes(codes.size(), words.size(), bits);
    const std::uint32_t mask = (1U << bits) - 1U;
    std::size_t bit = 0;
    for (std::size_t j = 0; j < codes.size(); ++j, bit += static_cast<std::size_t>(bits)) {
        const std::size_t shift = bit % 32;
        std::uint32_t code = words[bit / 32] >> shift;
        if (shift + static_cast<std::size_t>(bits) > 32) {
            code |= words[bit / 32 + 1] << (32 - shift);
        }
        codes[j] = static_cast<std::uint8_t>(code & mask);
    }
}

} // namespace lathe
