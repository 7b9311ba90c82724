// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lathe {

/// Bytes of the well-formed UTF-8 sequence that `text` begins with; 0 when it begins with none
/// (surrogates, overlong forms and values above U+10FFFF are not well-formed).
std::size_t utf8SequenceLength(std::string_view text) noexcept;

/// The code point of a well-formed sequence at the front of `text`.
char32_t utf8Decode(std::string_view text) noexcept;

/// The text with each ill-formed part replaced by U+FFFD (one per maximal prefix of a sequence, as
/// Unicode recommends).
std::string replaceInvalidUtf8(std::string_view text);

/// A name or piece out of a file, fit for a message: control characters as "\\x0A", ill-formed
/// parts replaced, cut off with "..." behind 100 bytes.
std::string printable(std::string_view text);

/// Length of `text` without a sequence at its end that is cut off but well-formed so far.
std::size_t completeUtf8Length(std::string_view text) noexcept;

} // namespace lathe
