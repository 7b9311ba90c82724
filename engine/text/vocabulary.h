// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Conventions that all vocabularies share.
namespace lathe {

/// U+2581, which stands for a space in SentencePiece vocabularies.
inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

/// XXH3-128 over the pieces in order; each is hashed with its length, so that no two lists agree by
/// where their pieces are cut.
std::string fingerprintOf(std::span<const std::string> pieces);

/// @throws InputError when the id is not in [0, size).
void checkTokenId(TokenId id, std::int64_t size);

/// The byte of a piece spelled "<0x0A>"; nothing for other pieces.
std::optional<char> bytePiece(std::string_view piece) noexcept;

/// The piece with each U+2581 turned into a space.
std::string spacesRestored(std::string_view piece);

} // namespace lathe
