// SPDX-License-Identifier: Apache-2.0
#include "engine/text/byte_level.h"

#include "engine/text/utf8.h"

#include <array>

namespace lathe {

namespace {

constexpr char32_t kShifted = 0x100;
constexpr std::size_t kShiftedCount = 68;

constexpr bool standsForItself(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
    std::array<std::string, 256> characters{};
    std::array<unsigned char, kShiftedCount> shifted{};
};

Alphabet makeAlphabet() {
    Alphabet alphabet;
    std::size_t next = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
        char32_t character = byte;
        if (!standsForItself(byte)) {
            alphabet.shifted.at(next) = static_cast<unsigned char>(byte);
            character = kShifted + static_cast<char32_t>(next++);
        }
        std::string& text = alphabet.characters.at(byte);
        if (character < 0x80) {
            text = {static_cast<char>(character)};
        } else {
            // All characters lie below U+0800: two bytes.
            text = {
                static_cast<char>(0xC0U | (character >> 6U)),
                static_cast<char>(0x80U | (character & 0x3FU))};
        }
    }
    return alphabet;
}

const Alphabet& alphabet() {
    static const Alphabet instance = makeAlphabet();
    return instance;
}

} // namespace

const std::string& byteLevelCharacter(unsigned char byte) { return alphabet().characters.at(byte); }

std::optional<unsigned char> byteOfCharacter(char32_t character) noexcept {
    if (character >= kShifted && character < kShifted + kShiftedCount) {
        return alphabet().shifted[character - kShifted];
    }
    if (character < kShifted && standsForItself(character)) {
        return static_cast<unsigned char>(character);
    }
    return std::nullopt;
}

std::string byteLevelSpelling(std::string_view bytes) {
    std::string spelled;
    for (const char byte : bytes) {
        spelled += byteLevelCharacter(static_cast<unsigned char>(byte));
    }
    return spelled;
}

std::string byteLevelBytes(std::string_view spelled) {
    std::string bytes;
    while (!spelled.empty()) {
        const std::size_t length = utf8SequenceLength(spelled);
        const std::string_view character = spelled.substr(0, length == 0 ? 1 : length);
        const auto byte = length == 0 ? std::nullopt : byteOfCharacter(utf8Decode(character));
        if (byte) {
            bytes += static_cast<char>(*byte);
        } else {
            bytes += character;
        }
        spelled.remove_prefix(character.size());
    }
    return bytes;
}

} // namespace lathe
