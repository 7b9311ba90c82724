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

bool hasPiece(TokenId id, std::int64_t size) {
    if (id < 0) {
        checkTokenId(id, size);
    }
    return id < size;
}

std::vector<TokenId> endIds(std::optional<TokenId> eos, std::span<const TokenId> more) {
    std::vector<TokenId> ids(more.begin(), more.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (eos) {
        std::erase(ids, *eos);
        ids.insert(ids.begin(), *eos);
    }
    return ids;
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

namespace {

constexpr std::size_t kMaxWholeBytes = 1024;

std::size_t byteOf(char c) { return static_cast<unsigned char>(c); }

} // namespace

PieceFinder::PieceFinder(
    std::vector<std::pair<std::string, TokenId>> pieces, const std::string& what)
    : m_pieces(std::move(pieces)) {
    std::erase_if(m_pieces, [](const auto& piece) { return piece.first.empty(); });
    std::stable_sort(m_pieces.begin(), m_pieces.end(), [](const auto& a, const auto& b) {
        return a.first < b.first;
    });
    const auto repeated =
        std::unique(m_pieces.begin(), m_pieces.end(), [](const auto& a, const auto& b) {
            return a.first == b.first;
        });
    m_pieces.erase(repeated, m_pieces.end());
    for (const auto& [piece, id] : m_pieces) {
        if (piece.size() > kMaxWholeBytes) {
            throw FormatError(
                what + ": piece " + std::to_string(id) + " is a user-defined one of " +
                std::to_string(piece.size()) + " bytes (limit " + std::to_string(kMaxWholeBytes) +
                ")");
        }
        m_begins[byteOf(piece.front())] = true;
    }
}

std::optional<PieceFinder::Hit> PieceFinder::longestAt(std::string_view text) const {
    std::optional<Hit> longest;
    if (text.empty() || !m_begins[byteOf(text.front())]) {
        return longest;
    }
    auto low = m_pieces.begin();
    auto high = m_pieces.end();
    // All pieces of the range begin with the first `depth` bytes of the text; the one that ends
    // there is the first of them.
    for (std::size_t depth = 0; low != high; ++depth) {
        if (low->first.size() == depth) {
            longest = Hit{low->second, depth};
            ++low;
        }
        if (depth == text.size()) {
            break;
        }
        const std::size_t next = byteOf(text[depth]);
        low = std::lower_bound(low, high, next, [depth](const auto& piece, std::size_t byte) {
            return byteOf(piece.first[depth]) < byte;
        });
        high = std::upper_bound(low, high, next, [depth](std::size_t byte, const auto& piece) {
            return byte < byteOf(piece.first[depth]);
        });
    }
    return longest;
}

} // namespace lathe
