// SPDX-License-Identifier: Apache-2.0
#include "engine/text/vocabulary.h"

#include "engine/core/error.h"
#include "engine/core/hash.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace lathe {

std::string fingerprintOf(std::span<const std::string> pieces) {
    Hasher hasher;
    for (const std::string& piece : pieces) {
        hasher.update(std::to_string(piece.size()) + ":");
        hasher.update(piece);
    }
    return hasher.hex();
}

void checkTokenId(TokenId id, std::int64_t size) {
    if (id < 0 || id >= size) {
        throw InputError(
            "token id " + std::to_string(id) + " is outside the vocabulary of " +
            std::to_string(size) + " pieces");
    }
}

std::optional<char> bytePiece(std::string_view piece) noexcept {
    if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') {
        return std::nullopt;
    }
    unsigned value = 0;
    const char* end = piece.data() + 5;
    const auto [stop, error] = std::from_chars(piece.data() + 3, end, value, 16);
    if (error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return static_cast<char>(value);
}

std::string spacesRestored(std::string_view piece) {
    std::string text;
    for (;;) {
        const std::size_t at = piece.find(kSpaceSymbol);
        text += piece.substr(0, at);
        if (at == std::string_view::npos) {
            return text;
        }
        text += ' ';
        piece.remove_prefix(at + kSpaceSymbol.size());
    }
}

std::string spacesMarked(std::string_view text) {
    std::string marked;
    for (const char c : text) {
        if (c == ' ') {
            marked += kSpaceSymbol;
        } else {
            marked += c;
        }
    }
    return marked;
}

void PieceFinder::add(std::string piece, TokenId id) {
    if (piece.empty()) {
        return;
    }
    std::vector<std::size_t>& lengths = m_lengths[piece.front()];
    const auto place =
        std::lower_bound(lengths.begin(), lengths.end(), piece.size(), std::greater<>());
    if (place == lengths.end() || *place != piece.size()) {
        lengths.insert(place, piece.size());
    }
    m_pieces.emplace(std::move(piece), id);
}

std::optional<PieceFinder::Hit> PieceFinder::longestAt(std::string_view text) const {
    const auto lengths = text.empty() ? m_lengths.end() : m_lengths.find(text.front());
    if (lengths == m_lengths.end()) {
        return std::nullopt;
    }
    for (const std::size_t length : lengths->second) {
        if (length <= text.size()) {
            const auto found = m_pieces.find(text.substr(0, length));
            if (found != m_pieces.end()) {
                return Hit{found->second, length};
            }
        }
    }
    return std::nullopt;
}

} // namespace lathe
