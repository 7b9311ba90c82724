// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/text/tokenizer.h"

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// Conventions that all vocabularies share.
namespace lathe {

/// U+2581, which stands for a space in SentencePiece vocabularies.
inline constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

/// A map by text that is searched without making a std::string.
struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

/// What a piece is for.
enum class PieceKind : std::uint8_t {
    Normal,
    Unknown,     ///< stands for what the vocabulary cannot spell
    Control,     ///< marks, never text
    UserDefined, ///< a whole: found in text before everything else
    Unused,
    Byte ///< one byte, spelled "<0x0A>"
};

/// XXH3-128 over the pieces in order; each is hashed with its length, so that no two lists agree by
/// where their pieces are cut.
std::string fingerprintOf(std::span<const std::string> pieces);

/// @throws InputError when the id is not in [0, size).
void checkTokenId(TokenId id, std::int64_t size);

/// Has the id a piece? Models often have rows for more ids than their vocabulary has pieces; what
/// they make of those spells nothing. @throws InputError for a negative id.
bool hasPiece(TokenId id, std::int64_t size);

/// `eos` in front, then the others in order, each once.
std::vector<TokenId> endIds(std::optional<TokenId> eos, std::span<const TokenId> more);

/// The byte of a piece spelled "<0x0A>"; nothing for other pieces.
std::optional<char> bytePiece(std::string_view piece) noexcept;

/// The piece with each U+2581 turned into a space.
std::string spacesRestored(std::string_view piece);
/// The text with each space turned into U+2581.
std::string spacesMarked(std::string_view text);

/// Finds user-defined pieces in text.
class PieceFinder {
public:
    PieceFinder() = default;
    /// Of equal pieces the first counts; empty ones are left out. @throws FormatError when a piece
    /// is over 1024 bytes long: every place of a text is compared with it.
    PieceFinder(std::vector<std::pair<std::string, TokenId>> pieces, const std::string& what);
    bool empty() const noexcept { return m_pieces.empty(); }

    struct Hit {
        TokenId id;
        std::size_t bytes;
    };
    /// The longest piece that `text` begins with.
    /// @note Cost: at most the longest piece's length times the logarithm of their number.
    std::optional<Hit> longestAt(std::string_view text) const;

private:
    std::vector<std::pair<std::string, TokenId>> m_pieces; ///< sorted
    std::array<bool, 256> m_begins{};                      ///< by first byte: is there any?
};

} // namespace lathe
