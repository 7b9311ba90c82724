// SPDX-License-Identifier: Apache-2.0
#include "engine/text/sentencepiece_tokenizer.h"

#include "engine/core/error.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/vocabulary.h"

#include <sentencepiece_processor.h>

#include <exception>

namespace lathe {

namespace {

class SentencePieceTokenizer : public Tokenizer {
public:
    SentencePieceTokenizer(
        std::string_view bytes, const std::string& what, SentencePieceMarks marks)
        : m_info(inspectSentencePieceModel(bytes, what)), m_marks(std::move(marks)) {
        load(bytes, what);
        std::vector<std::string> pieces;
        for (int id = 0; id < m_processor.GetPieceSize(); ++id) {
            pieces.push_back(m_processor.IdToPiece(id));
        }
        m_fingerprint = fingerprintOf(pieces);
    }

    std::vector<TokenId> encode(std::string_view text) const override {
        std::vector<TokenId> ids;
        const sentencepiece::util::Status status = m_processor.Encode(text, &ids);
        if (!status.ok()) {
            throw InputError("the text cannot be encoded (" + status.ToString() + ")");
        }
        return ids;
    }

    /// As the library's, but bytes stay bytes (it replaces incomplete characters at once), so that
    /// the text of some ids begins the text of more.
    std::string decode(std::span<const TokenId> ids) const override {
        std::string text;
        bool stripped = false;
        for (const TokenId id : ids) {
            if (!hasPiece(id, size()) || m_processor.IsControl(id)) {
                continue;
            }
            const std::string& spelled = m_processor.IdToPiece(id);
            if (m_processor.IsUnknown(id)) {
                text += kUnknownSurface;
            } else if (m_processor.IsByte(id)) {
                text += bytePiece(spelled).value_or('?');
            } else {
                std::string_view rest = spelled;
                if (text.empty() && rest.starts_with(kSpaceSymbol) && stripsSpace(stripped)) {
                    rest.remove_prefix(kSpaceSymbol.size());
                    stripped = true;
                }
                text += spacesRestored(rest);
            }
        }
        return text;
    }

    std::string piece(TokenId id) const override {
        checkTokenId(id, size());
        return m_processor.IdToPiece(id);
    }
    std::int64_t size() const override { return m_processor.GetPieceSize(); }
    std::optional<TokenId> bos() const override {
        return m_marks.addBos ? idOrNone(m_processor.bos_id()) : std::nullopt;
    }
    std::optional<TokenId> eos() const override { return idOrNone(m_processor.eos_id()); }
    std::vector<TokenId> ends() const override { return endIds(eos(), m_marks.ends); }
    std::string fingerprint() const override { return m_fingerprint; }

private:
    /// Some faults of a model are a status of the library, others an exception of its trie.
    void load(std::string_view bytes, const std::string& what) {
        std::string fault;
        try {
            const sentencepiece::util::Status status = m_processor.LoadFromSerializedProto(bytes);
            if (status.ok()) {
                return;
            }
            fault = status.message();
        } catch (const std::exception& error) {
            fault = error.what();
        }
        throw FormatError(what + ": not a usable SentencePiece model (" + fault + ")");
    }

    /// The library prints this for an unknown piece.
    static constexpr std::string_view kUnknownSurface = " \xE2\x81\x87 ";

    static std::optional<TokenId> idOrNone(int id) {
        return id < 0 ? std::nullopt : std::optional<TokenId>(id);
    }
    /// Spaces in front of the text: all where the encoder drops them, one where it adds one.
    bool stripsSpace(bool alreadyStripped) const {
        return m_info.removeExtraWhitespace || (m_info.addDummyPrefix && !alreadyStripped);
    }

    SentencePieceModelInfo m_info;
    SentencePieceMarks m_marks;
    sentencepiece::SentencePieceProcessor m_processor;
    std::string m_fingerprint;
};

} // namespace

std::shared_ptr<const Tokenizer> makeSentencePieceTokenizer(
    std::string_view bytes, const std::string& what, SentencePieceMarks marks) {
    return std::make_shared<SentencePieceTokenizer>(bytes, what, std::move(marks));
}

} // namespace lathe
