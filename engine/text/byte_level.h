// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The byte-level alphabet of GPT-2: every byte has a visible character, so that a vocabulary of
/// bytes is a vocabulary of text. Printable Latin-1 characters stand for themselves, the 68 others
/// for U+0100 and up, in order.
namespace lathe {

/// The character of a byte, in UTF-8.
const std::string& byteLevelCharacter(unsigned char byte);
/// The byte that a character stands for.
std::optional<unsigned char> byteOfCharacter(char32_t character) noexcept;
/// Bytes spelled as characters.
std::string byteLevelSpelling(std::string_view bytes);
/// The bytes of a spelled piece; characters outside the alphabet stay as they are.
std::string byteLevelBytes(std::string_view spelled);

} // namespace lathe
