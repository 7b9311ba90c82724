// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/byte_level.h"
#include "engine/text/byte_level_bpe.h"
#include "engine/text/gguf_tokenizer.h"
#include "engine/text/utf8.h"
#include "tests/support/lathe_test.h"

#include <random>

namespace lathe {

namespace {

/// Ids 0 to 255 are bytes, 256 is a mark.
std::shared_ptr<const Tokenizer> bytesTokenizer() {
    ByteLevelBpeModel model;
    for (unsigned byte = 0; byte < 256; ++byte) {
        model.pieces.push_back(byteLevelCharacter(static_cast<unsigned char>(byte)));
    }
    model.pieces.emplace_back("<end>");
    model.kinds.assign(257, PieceKind::Normal);
    model.kinds[256] = PieceKind::Control;
    return makeByteLevelBpe(std::move(model));
}

std::vector<TokenId> bytesOf(std::string_view text) {
    std::vector<TokenId> ids;
    for (const char c : text) {
        ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
}

/// The parts with bars between them, the tail behind a slash.
std::string streamed(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
    IncrementalDetokenizer stream(tokenizer);
    std::string parts;
    for (const TokenId id : ids) {
        parts += stream.append(id) + "|";
    }
    return parts + "/" + stream.finish();
}

std::string joined(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
    IncrementalDetokenizer stream(tokenizer);
    std::string text;
    for (const TokenId id : ids) {
        text += stream.append(id);
    }
    return text + stream.finish();
}

} // namespace

class IncrementalDetokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void charactersComeWhole() {
        const auto tokenizer = bytesTokenizer();
        QCOMPARE(streamed(*tokenizer, bytesOf("a\u20ACb")), std::string("a|||\u20AC|b|/"));
        QCOMPARE(streamed(*tokenizer, bytesOf("\U0001F642")), std::string("|||\U0001F642|/"));
        QCOMPARE(streamed(*tokenizer, {}), std::string("/"));
    }
    void incompleteTailIsReplaced() {
        const auto tokenizer = bytesTokenizer();
        QCOMPARE(streamed(*tokenizer, bytesOf("a\xE2\x82")), std::string("a|||/\uFFFD"));
        // Finished streams begin anew.
        IncrementalDetokenizer stream(*tokenizer);
        stream.append(0xE2);
        QCOMPARE(stream.finish(), std::string("\uFFFD"));
        QCOMPARE(stream.append('a'), std::string("a"));
        QCOMPARE(stream.finish(), std::string());
    }
    void invalidBytesAreReplaced() {
        const auto tokenizer = bytesTokenizer();
        QCOMPARE(
            streamed(
                *tokenizer, bytesOf("\xFF"
                                    "a\xE2"
                                    "b")),
            std::string("\uFFFD|a||\uFFFDb|/"));
    }
    void marksGiveNothing() {
        const auto tokenizer = bytesTokenizer();
        QCOMPARE(
            streamed(*tokenizer, std::vector<TokenId>{'a', 256, 'b', 256}), std::string("a||b||/"));
        QCOMPARE(
            joined(*tokenizer, std::vector<TokenId>{0xE2, 256, 0x82, 256, 0xAC}),
            std::string("\u20AC"));
    }
    /// Models often have rows for more ids than their vocabulary has pieces.
    void idsBehindTheVocabularyGiveNothing() {
        const auto bytes = bytesTokenizer();
        QCOMPARE(
            streamed(*bytes, std::vector<TokenId>{'a', 257, 0xE2, 99'999, 0x82, 0xAC, 300}),
            std::string("a|||||\u20AC||/"));
        for (const char* name : {"lm-little.model", "lm-little.gguf"}) {
            const auto tokenizer = std::string_view(name).ends_with("gguf")
                                       ? loadGgufTokenizer(GgufFile::open(
                                             test::fixture("gguf") / "lm-little-f16.gguf"))
                                       : loadTokenizer(test::bundledModel("lm-little"));
            std::vector<TokenId> ids = tokenizer->encode("The ship");
            ids.insert(ids.begin() + 1, static_cast<TokenId>(tokenizer->size()));
            QCOMPARE(joined(*tokenizer, ids), std::string("The ship"));
            QCOMPARE(tokenizer->decode(ids), std::string("The ship"));
            LATHE_VERIFY_THROWS(
                tokenizer->decode(std::vector<TokenId>{-1}), InputError, "token id -1");
        }
    }
    void partsAddUpToTheWhole() {
        const auto tokenizer = bytesTokenizer();
        std::mt19937 random(11);
        const std::string alphabet = "a \xE2\x82\xAC\xF0\x9F\x99\x82\xFF";
        for (int round = 0; round < 200; ++round) {
            std::vector<TokenId> ids;
            for (int i = 0; i < 120; ++i) {
                const std::size_t pick = random() % (alphabet.size() + 1);
                ids.push_back(
                    pick == alphabet.size() ? 256 : static_cast<unsigned char>(alphabet[pick]));
            }
            QCOMPARE(joined(*tokenizer, ids), replaceInvalidUtf8(tokenizer->decode(ids)));
        }
    }
    /// SentencePiece drops the space in front of a text, and only there.
    void spacesOfTheFirstPieceAreDroppedOnce() {
        const auto tokenizer = loadTokenizer(test::bundledModel("lm-little"));
        std::string text = "The ship";
        for (int i = 0; i < 30; ++i) {
            text += " was old, and the captain \U0001F642 knew";
        }
        const std::vector<TokenId> ids = tokenizer->encode(text);
        QCOMPARE(joined(*tokenizer, ids), text);
        std::vector<TokenId> withMark{tokenizer->bos().value()};
        withMark.insert(withMark.end(), ids.begin(), ids.end());
        QCOMPARE(joined(*tokenizer, withMark), text);
    }
    /// A model may repeat a mark for ever: the kept ids must not grow with it.
    void endlessMarksCostLittle() {
        const auto tokenizer = bytesTokenizer();
        IncrementalDetokenizer stream(*tokenizer);
        QCOMPARE(stream.append('a'), std::string("a"));
        for (int i = 0; i < 200'000; ++i) {
            if (!stream.append(256).empty()) {
                QFAIL("a mark gave text");
            }
        }
        QCOMPARE(stream.append('b'), std::string("b"));
    }
};

LATHE_TEST(IncrementalDetokenizerTest);

} // namespace lathe

#include "incremental_detokenizer_test.moc"
