// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <string>

namespace lathe::test {

namespace unigram {

inline std::string varint(std::uint64_t value) {
    std::string bytes;
    for (; value >= 0x80; value >>= 7U) {
        bytes += static_cast<char>((value & 0x7FU) | 0x80U);
    }
    return bytes + static_cast<char>(value);
}

inline std::string bytesField(std::uint64_t number, const std::string& content) {
    return varint(number << 3U | 2U) + varint(content.size()) + content;
}

inline std::string numberField(std::uint64_t number, std::int64_t value) {
    return varint(number << 3U) + varint(static_cast<std::uint64_t>(value));
}

enum Kind : std::int64_t { Normal = 1, Unknown = 2, Control = 3 };

inline std::string piece(const std::string& text, float score, Kind kind = Normal) {
    const auto bits = std::bit_cast<std::uint32_t>(score);
    std::string raw;
    for (unsigned shift = 0; shift < 32; shift += 8) {
        raw += static_cast<char>(bits >> shift & 0xFFU);
    }
    return bytesField(1, bytesField(1, text) + "\x15" + raw + numberField(3, kind));
}

} // namespace unigram

/// A SentencePiece unigram model of ten pieces, laid out as T5's: padding 0, end 1, unknown 2, no
/// beginning.
inline std::string tinyUnigramModel() {
    using namespace unigram;
    const std::string space = "\u2581";
    std::string model = piece("<pad>", 0, Control) + piece("</s>", 0, Control) +
                        piece("<unk>", 0, Unknown) + piece(space, -4) + piece("a", -3) +
                        piece("b", -3) + piece("ab", -2) + piece("aba", -10) +
                        piece(space + "b", -3.5F) + piece("abab", -4.5F);
    model += bytesField(
        2, numberField(3, 1) + numberField(40, 2) + numberField(41, -1) + numberField(42, 1) +
               numberField(43, 0));
    return model + bytesField(3, bytesField(1, "identity"));
}

} // namespace lathe::test
