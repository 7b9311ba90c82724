// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/spm_tokenizer.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

using Ids = std::vector<TokenId>;

/// unknown, bos, eos, 256 bytes (3..258), then pieces from 259 on, the first of highest score.
SpmModel smallModel(bool withBytes = true) {
    SpmModel model;
    model.what = "small";
    const auto add = [&](std::string piece, PieceKind kind, double score) {
        model.pieces.push_back(std::move(piece));
        model.kinds.push_back(kind);
        model.scores.push_back(score);
    };
    add("<unk>", PieceKind::Unknown, 0);
    add("<s>", PieceKind::Control, 0);
    add("</s>", PieceKind::Control, 0);
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (std::size_t byte = 0; withBytes && byte < 256; ++byte) {
        add(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", PieceKind::Byte, 0);
    }
    double score = 0;
    for (const char* piece : {"\u2581a", "ab", "\u2581", "a", "b", "\u2581ab", "abab"}) {
        add(piece, PieceKind::Normal, score);
        score -= 1;
    }
    add("<tool>", PieceKind::UserDefined, 0);
    model.bos = 1;
    model.eos = 2;
    model.unknown = 0;
    return model;
}

} // namespace

class SpmTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void highestScoreMergesFirst() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        QCOMPARE(tokenizer->encode("ab"), (Ids{264}));
        // In front lies a space: it takes the first a, so that the first b stays alone.
        QCOMPARE(tokenizer->encode("abab"), (Ids{264, 260}));
        QCOMPARE(tokenizer->encode("bab"), (Ids{261, 263, 260}));
        QCOMPARE(tokenizer->encode(""), Ids());
    }
    void spaceInFrontComesAndGoes() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        for (const char* text : {"ab", " ab", "  a b ", "\n"}) {
            QCOMPARE(tokenizer->decode(tokenizer->encode(text)), std::string(text));
        }
        SpmModel model = smallModel();
        model.addSpacePrefix = false;
        const auto plain = makeSpmTokenizer(model);
        QCOMPARE(plain->encode("ab"), (Ids{260}));
        QCOMPARE(plain->decode(plain->encode(" ab")), std::string(" ab"));
    }
    void unknownCharactersBecomeBytes() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        QCOMPARE(tokenizer->encode("\u00E9"), (Ids{261, 3 + 0xC3, 3 + 0xA9}));
        const std::string text = "\u8ECA\U0001F642e\u0301";
        QCOMPARE(tokenizer->decode(tokenizer->encode(text)), text);
    }
    void withoutBytesTheyAreUnknown() {
        const auto tokenizer = makeSpmTokenizer(smallModel(false));
        QCOMPARE(tokenizer->encode("zz"), (Ids{5, 0}));
        SpmModel model = smallModel(false);
        model.unknown.reset();
        LATHE_VERIFY_THROWS(makeSpmTokenizer(model)->encode("z"), InputError, "no piece for 'z'");
    }
    void userDefinedPiecesAreWholes() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        QCOMPARE(tokenizer->encode("a<tool>b"), (Ids{259, 266, 263}));
    }
    void controlPiecesAreNoText() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        QCOMPARE(tokenizer->decode(Ids{1, 264, 2}), std::string("ab"));
        QCOMPARE(tokenizer->encode("</s>").size(), 5U);
        QCOMPARE(tokenizer->bos(), std::optional<TokenId>(1));
        LATHE_VERIFY_THROWS(tokenizer->piece(267), InputError, "token id 267");
    }
    /// Quadratic work on this word would be 10^12 steps, far beyond the time any test is given.
    void longWordIsNotQuadratic() {
        const auto tokenizer = makeSpmTokenizer(smallModel());
        const std::string word(std::size_t{1} << 20U, 'b');
        QCOMPARE(tokenizer->encode(word).size(), word.size() + 1);
        std::string pairs;
        while (pairs.size() < std::size_t{1} << 20U) {
            pairs += "ab";
        }
        const Ids ids = tokenizer->encode(pairs);
        QCOMPARE(tokenizer->decode(ids), pairs);
    }
};

LATHE_TEST(SpmTokenizerTest);

} // namespace lathe

#include "spm_tokenizer_test.moc"
