// SPDX-License-Identifier: Apache-2.0
#include "engine/text/spm_tokenizer.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <algorithm>
#include <array>
#include <queue>

namespace lathe {

namespace {

constexpr TokenId kNoPiece = -1;
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// A run of bytes of the marked text, in a doubly linked list; merged-away symbols hold none.
struct Symbol {
    std::size_t begin;
    std::size_t bytes;
    std::size_t previous;
    std::size_t next;
    TokenId whole = kNoPiece; ///< a user-defined piece, which merges with nothing
};

struct Candidate {
    double score;
    std::size_t left;
    std::size_t bytes; ///< of both symbols together, to know an outdated candidate by
    /// Highest score first, then leftmost.
    bool operator<(const Candidate& other) const {
        return score != other.score ? score < other.score : left > other.left;
    }
};

class SpmTokenizer : public Tokenizer {
public:
    explicit SpmTokenizer(SpmModel model) : m_model(std::move(model)) {
        m_byteIds.fill(kNoPiece);
        addPieces();
        m_fingerprint = fingerprintOf(m_model.pieces);
    }

    std::vector<TokenId> encode(std::string_view text) const override {
        if (text.empty()) {
            return {};
        }
        std::string marked = m_model.addSpacePrefix ? std::string(kSpaceSymbol) : std::string();
        marked += spacesMarked(replaceInvalidUtf8(text));
        std::vector<Symbol> symbols = split(marked);
        merge(marked, symbols);
        std::vector<TokenId> ids;
        for (std::size_t i = 0; i != kNone; i = symbols[i].next) {
            emit(marked, symbols[i], ids);
        }
        return ids;
    }

    std::string decode(std::span<const TokenId> ids) const override {
        std::string text;
        bool stripped = !m_model.addSpacePrefix;
        for (const TokenId id : ids) {
            if (!hasPiece(id, size())) {
                continue;
            }
            std::string_view piece = m_model.pieces[static_cast<std::size_t>(id)];
            switch (m_model.kinds[static_cast<std::size_t>(id)]) {
            case PieceKind::Control:
                continue;
            case PieceKind::Unknown:
                text += kUnknownSurface;
                continue;
            case PieceKind::Byte:
                text += bytePiece(piece).value_or('?');
                continue;
            default:
                break;
            }
            if (text.empty() && !stripped && piece.starts_with(kSpaceSymbol)) {
                piece.remove_prefix(kSpaceSymbol.size());
                stripped = true;
            }
            text += spacesRestored(piece);
        }
        return text;
    }

    std::string piece(TokenId id) const override {
        checkTokenId(id, size());
        return m_model.pieces[static_cast<std::size_t>(id)];
    }
    std::int64_t size() const override { return static_cast<std::int64_t>(m_model.pieces.size()); }
    std::optional<TokenId> bos() const override { return m_model.bos; }
    std::optional<TokenId> eos() const override { return m_model.eos; }
    std::vector<TokenId> ends() const override { return endIds(m_model.eos, m_model.ends); }
    std::string fingerprint() const override { return m_fingerprint; }

private:
    /// As SentencePiece prints it.
    static constexpr std::string_view kUnknownSurface = " \xE2\x81\x87 ";

    void addPieces() {
        std::vector<std::pair<std::string, TokenId>> wholes;
        for (std::size_t i = 0; i < m_model.pieces.size(); ++i) {
            const std::string& piece = m_model.pieces[i];
            const PieceKind kind = m_model.kinds[i];
            const auto id = static_cast<TokenId>(i);
            if (kind == PieceKind::UserDefined) {
                wholes.emplace_back(spacesMarked(piece), id);
            } else if (kind == PieceKind::Byte) {
                if (const auto byte = bytePiece(piece)) {
                    m_byteIds[static_cast<unsigned char>(*byte)] = id;
                }
            } else if (kind == PieceKind::Normal || kind == PieceKind::Unused) {
                m_ids.emplace(piece, id);
                m_longest = std::max(m_longest, piece.size());
            }
        }
        m_wholes = PieceFinder(std::move(wholes), m_model.what);
    }

    TokenId find(std::string_view piece) const {
        if (piece.size() > m_longest) {
            return kNoPiece;
        }
        const auto found = m_ids.find(piece);
        return found == m_ids.end() ? kNoPiece : found->second;
    }

    /// One symbol per character, or per user-defined piece.
    std::vector<Symbol> split(std::string_view marked) const {
        std::vector<Symbol> symbols;
        for (std::size_t at = 0; at < marked.size();) {
            const std::string_view rest = marked.substr(at);
            const auto hit = m_wholes.longestAt(rest);
            const std::size_t bytes =
                hit ? hit->bytes : std::max<std::size_t>(utf8SequenceLength(rest), 1);
            const std::size_t index = symbols.size();
            symbols.push_back(
                {at, bytes, index == 0 ? kNone : index - 1, index + 1, hit ? hit->id : kNoPiece});
            at += bytes;
        }
        symbols.back().next = kNone;
        return symbols;
    }

    void merge(std::string_view marked, std::vector<Symbol>& symbols) const {
        std::priority_queue<Candidate> queue;
        const auto offer = [&](std::size_t left) {
            if (left == kNone || symbols[left].next == kNone) {
                return;
            }
            const Symbol& a = symbols[left];
            const Symbol& b = symbols[a.next];
            if (a.whole != kNoPiece || b.whole != kNoPiece) {
                return;
            }
            const TokenId id = find(marked.substr(a.begin, a.bytes + b.bytes));
            if (id != kNoPiece) {
                queue.push({m_model.scores[static_cast<std::size_t>(id)], left, a.bytes + b.bytes});
            }
        };
        for (std::size_t i = 0; i < symbols.size(); ++i) {
            offer(i);
        }
        while (!queue.empty()) {
            const Candidate best = queue.top();
            queue.pop();
            Symbol& left = symbols[best.left];
            if (left.bytes == 0 || left.next == kNone) {
                continue;
            }
            Symbol& right = symbols[left.next];
            if (left.bytes + right.bytes != best.bytes) {
                continue;
            }
            left.bytes = best.bytes;
            right.bytes = 0;
            left.next = right.next;
            if (right.next != kNone) {
                symbols[right.next].previous = best.left;
            }
            offer(left.previous);
            offer(best.left);
        }
    }

    /// The piece of a symbol, or its bytes, or the unknown piece (once for neighbours).
    void emit(std::string_view marked, const Symbol& symbol, std::vector<TokenId>& ids) const {
        const std::string_view text = marked.substr(symbol.begin, symbol.bytes);
        const TokenId id = symbol.whole != kNoPiece ? symbol.whole : find(text);
        if (id != kNoPiece) {
            ids.push_back(id);
            return;
        }
        const bool spelled = std::all_of(text.begin(), text.end(), [&](char c) {
            return m_byteIds[static_cast<unsigned char>(c)] != kNoPiece;
        });
        if (spelled) {
            for (const char c : text) {
                ids.push_back(m_byteIds[static_cast<unsigned char>(c)]);
            }
        } else if (!m_model.unknown) {
            throw InputError(
                m_model.what + ": the vocabulary has no piece for '" + printable(text) +
                "' and no unknown piece, so this text cannot be encoded");
        } else if (ids.empty() || ids.back() != *m_model.unknown) {
            ids.push_back(*m_model.unknown);
        }
    }

    SpmModel m_model;
    TextMap<TokenId> m_ids; ///< pieces that merges may make
    std::size_t m_longest = 0;
    std::array<TokenId, 256> m_byteIds{};
    PieceFinder m_wholes;
    std::string m_fingerprint;
};

} // namespace

std::shared_ptr<const Tokenizer> makeSpmTokenizer(SpmModel model) {
    return std::make_shared<SpmTokenizer>(std::move(model));
}

} // namespace lathe
