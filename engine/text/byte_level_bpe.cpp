// SPDX-License-Identifier: Apache-2.0
#include "engine/text/byte_level_bpe.h"

#include "engine/core/error.h"
#include "engine/text/byte_level.h"
#include "engine/text/utf8.h"

#include <array>

namespace lathe {

namespace {

constexpr TokenId kNoPiece = -1;
/// Words up to this long are remembered within one text: most occur again.
constexpr std::size_t kRememberedBytes = 64;

class ByteLevelBpe : public Tokenizer {
public:
    explicit ByteLevelBpe(ByteLevelBpeModel model) : m_model(std::move(model)) {
        addPieces();
        for (unsigned byte = 0; byte < 256; ++byte) {
            const auto found = m_ids.find(byteLevelCharacter(static_cast<unsigned char>(byte)));
            m_byteIds.at(byte) = found == m_ids.end() ? kNoPiece : found->second;
        }
        for (const auto& [left, right] : m_model.merges) {
            m_merges.add(
                idOf(left, left, right), idOf(right, left, right), idOf(left + right, left, right));
        }
        m_model.merges = {};
        m_fingerprint = fingerprintOf(m_model.pieces);
    }

    std::vector<TokenId> encode(std::string_view text) const override {
        const std::string clean = replaceInvalidUtf8(text);
        std::vector<TokenId> ids;
        std::size_t start = 0;
        // User-defined pieces are wholes; everything between them is ordinary text.
        for (std::size_t at = 0; !m_wholes.empty() && at < clean.size();) {
            const auto hit = m_wholes.longestAt(std::string_view(clean).substr(at));
            if (!hit) {
                ++at;
                continue;
            }
            encodePlain(clean.substr(start, at - start), ids);
            ids.push_back(hit->id);
            at += hit->bytes;
            start = at;
        }
        encodePlain(start == 0 ? clean : clean.substr(start), ids);
        return ids;
    }

    std::string decode(std::span<const TokenId> ids) const override {
        std::string text;
        for (const TokenId id : ids) {
            if (!hasPiece(id, size())) {
                continue;
            }
            const auto index = static_cast<std::size_t>(id);
            switch (m_model.kinds[index]) {
            case PieceKind::Control:
                break;
            case PieceKind::UserDefined:
                text += m_model.pieces[index];
                break;
            default:
                text += byteLevelBytes(m_model.pieces[index]);
            }
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
    using Remembered = std::unordered_map<std::string_view, std::vector<TokenId>>;

    void addPieces() {
        std::vector<std::pair<std::string, TokenId>> wholes;
        for (std::size_t i = 0; i < m_model.pieces.size(); ++i) {
            const std::string& piece = m_model.pieces[i];
            const PieceKind kind = m_model.kinds[i];
            const auto id = static_cast<TokenId>(i);
            if (kind == PieceKind::UserDefined) {
                // Cutting a text at another place would leave parts that are no UTF-8.
                if (replaceInvalidUtf8(piece) != piece) {
                    throw FormatError(
                        m_model.what + ": piece " + std::to_string(id) +
                        " is a user-defined one, but not well-formed UTF-8");
                }
                wholes.emplace_back(piece, id);
            } else if (!piece.empty() && (kind == PieceKind::Normal || kind == PieceKind::Unused)) {
                m_ids.emplace(piece, id);
            }
        }
        m_wholes = PieceFinder(std::move(wholes), m_model.what);
    }

    TokenId
    idOf(const std::string& piece, const std::string& left, const std::string& right) const {
        const auto found = m_ids.find(piece);
        if (found == m_ids.end()) {
            throw FormatError(
                m_model.what + ": the merge of '" + printable(left) + "' and '" + printable(right) +
                "' needs '" + printable(piece) + "', which is not in the vocabulary");
        }
        return found->second;
    }

    void encodePlain(const std::string& part, std::vector<TokenId>& ids) const {
        const std::string text = normalized(part, m_model.form);
        std::deque<std::string> storage;
        Remembered remembered;
        for (const std::string_view word : m_model.preTokenizer.words(text, storage)) {
            if (word.size() > kRememberedBytes) {
                const std::vector<TokenId> symbols = encodeWord(word);
                ids.insert(ids.end(), symbols.begin(), symbols.end());
                continue;
            }
            auto found = remembered.find(word);
            if (found == remembered.end()) {
                found = remembered.emplace(word, encodeWord(word)).first;
            }
            ids.insert(ids.end(), found->second.begin(), found->second.end());
        }
    }

    std::vector<TokenId> encodeWord(std::string_view word) const {
        if (m_model.ignoreMerges) {
            if (const auto whole = m_ids.find(byteLevelSpelling(word)); whole != m_ids.end()) {
                return {whole->second};
            }
        }
        std::vector<TokenId> symbols;
        symbols.reserve(word.size());
        for (const char c : word) {
            const auto byte = static_cast<unsigned char>(c);
            TokenId id = m_byteIds[byte];
            if (id == kNoPiece) {
                id = m_model.unknown.value_or(kNoPiece);
            }
            if (id == kNoPiece) {
                throw InputError(
                    m_model.what + ": the vocabulary has no piece for byte " +
                    std::to_string(unsigned{byte}) + ", so this text cannot be encoded");
            }
            symbols.push_back(id);
        }
        m_merges.apply(symbols);
        return symbols;
    }

    ByteLevelBpeModel m_model;
    TextMap<TokenId> m_ids; ///< pieces that spell text
    std::array<TokenId, 256> m_byteIds{};
    PieceFinder m_wholes;
    BpeMerges m_merges;
    std::string m_fingerprint;
};

} // namespace

std::shared_ptr<const Tokenizer> makeByteLevelBpe(ByteLevelBpeModel model) {
    return std::make_shared<ByteLevelBpe>(std::move(model));
}

} // namespace lathe
