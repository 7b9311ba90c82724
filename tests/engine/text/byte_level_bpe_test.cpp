// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/byte_level.h"
#include "engine/text/byte_level_bpe.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

/// All bytes, the merges a+b and ab+c, a control and a user-defined piece.
ByteLevelBpeModel smallModel() {
    ByteLevelBpeModel model;
    model.what = "small";
    for (unsigned byte = 0; byte < 256; ++byte) {
        model.pieces.push_back(byteLevelCharacter(static_cast<unsigned char>(byte)));
    }
    model.pieces.insert(model.pieces.end(), {"ab", "abc", "<end>", "<tool>"});
    model.kinds.assign(model.pieces.size(), PieceKind::Normal);
    model.kinds[258] = PieceKind::Control;
    model.kinds[259] = PieceKind::UserDefined;
    model.merges = {{"a", "b"}, {"ab", "c"}};
    model.preTokenizer.addSplit(Regex(gpt2Pattern(), "test"), PreTokenizer::Keep::All);
    model.eos = 258;
    return model;
}

using Ids = std::vector<TokenId>;

} // namespace

class ByteLevelBpeTest : public QObject {
    Q_OBJECT
private slots:
    void alphabetIsOneToOne() {
        for (unsigned byte = 0; byte < 256; ++byte) {
            const std::string& spelled = byteLevelCharacter(static_cast<unsigned char>(byte));
            QCOMPARE(byteLevelBytes(spelled), std::string(1, static_cast<char>(byte)));
        }
        QCOMPARE(byteLevelSpelling(" \n"), std::string("\u0120\u010A"));
        QVERIFY(!byteOfCharacter(U' '));
        QVERIFY(!byteOfCharacter(U'\u0144'));
        QCOMPARE(byteOfCharacter(U'\u0143'), std::optional<unsigned char>(0xAD));
        // What is outside the alphabet stays.
        QCOMPARE(byteLevelBytes("\u20AC\xFF"), std::string("\u20AC\xFF"));
    }
    void mergesApplyWithinWords() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        QCOMPARE(tokenizer->encode("abc"), (Ids{257}));
        QCOMPARE(tokenizer->encode("ab c"), (Ids{256, ' ', 'c'}));
        QCOMPARE(tokenizer->encode(""), Ids());
        QCOMPARE(tokenizer->size(), std::int64_t{260});
        QCOMPARE(tokenizer->eos(), std::optional<TokenId>(258));
        QCOMPARE(tokenizer->bos(), std::nullopt);
        QCOMPARE(tokenizer->piece(32), std::string("\u0120"));
    }
    void everyByteComesBack() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        std::string text;
        for (int round = 0; round < 3; ++round) {
            for (char c = 1; c < 127; ++c) {
                text += c;
            }
            text += std::string("\0", 1) + "\u00E9\u8ECA\U0001F527\u0301";
        }
        QCOMPARE(tokenizer->decode(tokenizer->encode(text)), text);
    }
    void invalidTextIsReplaced() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        QCOMPARE(
            tokenizer->decode(tokenizer->encode("a\xFF"
                                                "b\xE2\x82")),
            std::string("a\uFFFDb\uFFFD"));
    }
    void marksInTextAreText() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        const Ids ids = tokenizer->encode("<end>");
        QCOMPARE(ids.size(), 5U);
        QCOMPARE(tokenizer->decode(ids), std::string("<end>"));
        QCOMPARE(tokenizer->decode(Ids{258}), std::string());
    }
    void userDefinedPiecesAreWholes() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        QCOMPARE(tokenizer->encode("ab<tool>abc"), (Ids{256, 259, 257}));
        QCOMPARE(tokenizer->decode(Ids{256, 259, 257}), std::string("ab<tool>abc"));
    }
    void wholeWordsMayGoBeforeMerges() {
        ByteLevelBpeModel model = smallModel();
        model.merges.pop_back();
        QCOMPARE(makeByteLevelBpe(model)->encode("abc"), (Ids{256, 'c'}));
        model.ignoreMerges = true;
        QCOMPARE(makeByteLevelBpe(model)->encode("abc"), (Ids{257}));
    }
    void textIsNormalized() {
        ByteLevelBpeModel model = smallModel();
        model.form = UnicodeForm::Nfc;
        const auto nfc = makeByteLevelBpe(model);
        QCOMPARE(nfc->decode(nfc->encode("e\u0301")), std::string("\u00E9"));
        model.form = UnicodeForm::Nfkd;
        const auto nfkd = makeByteLevelBpe(model);
        QCOMPARE(nfkd->decode(nfkd->encode("\uFB01\u00E9")), std::string("fie\u0301"));
    }
    void missingBytesAreNamed() {
        ByteLevelBpeModel model = smallModel();
        model.pieces['z'].clear();
        LATHE_VERIFY_THROWS(makeByteLevelBpe(model)->encode("z"), InputError, "byte 122");
        model.unknown = 0;
        QCOMPARE(makeByteLevelBpe(model)->encode("z"), Ids{0});
    }
    void mergesNeedTheirPieces() {
        ByteLevelBpeModel model = smallModel();
        model.merges.emplace_back("b", "c");
        LATHE_VERIFY_THROWS(
            makeByteLevelBpe(model), FormatError,
            "small: the merge of 'b' and 'c' needs 'bc', which is not in the vocabulary");
    }
    void idsOutsideAreRefused() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        QCOMPARE(tokenizer->decode(Ids{260}), std::string());
        LATHE_VERIFY_THROWS(tokenizer->piece(-1), InputError, "token id -1");
    }
    /// Quadratic work on this word would be 10^12 steps, far beyond the time any test is given.
    void longWordIsNotQuadratic() {
        const auto tokenizer = makeByteLevelBpe(smallModel());
        std::string word;
        while (word.size() < std::size_t{1} << 20U) {
            word += "abc";
        }
        const Ids ids = tokenizer->encode(word);
        QCOMPARE(ids, Ids(word.size() / 3, 257));
        QCOMPARE(tokenizer->decode(ids), word);
    }
    void fingerprintIsOfThePieces() {
        ByteLevelBpeModel model = smallModel();
        const std::string before = makeByteLevelBpe(model)->fingerprint();
        model.merges.pop_back();
        QCOMPARE(makeByteLevelBpe(model)->fingerprint(), before);
        model.pieces[259] = "<fool>";
        QVERIFY(makeByteLevelBpe(model)->fingerprint() != before);
    }
};

LATHE_TEST(ByteLevelBpeTest);

} // namespace lathe

#include "byte_level_bpe_test.moc"
