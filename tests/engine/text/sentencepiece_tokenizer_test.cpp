// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/safetensors.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/utf8.h"
#include "tests/engine/text/golden_texts.h"

#include <random>

namespace lathe {

namespace {

using Ids = std::vector<TokenId>;

std::string modelBytes() {
    return readTextFile(
        test::bundledModel("lm-little") / "tokenizer.model", std::size_t{16} << 20U);
}

/// One field of a protocol buffer message, of less than 128 bytes.
std::string field(int number, const std::string& content) {
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(content.size()) +
           content;
}

/// A piece with a score, given as the four bytes of its float.
std::string piece(const std::string& text, const std::string& score) {
    return field(1, field(1, text) + "\x15" + score);
}

std::shared_ptr<const Tokenizer> made(const std::string& bytes) {
    return makeSentencePieceTokenizer(bytes, "t.model");
}

} // namespace

class SentencePieceTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void idsAreThoseTheModelLearnedFrom() {
        const auto folder = test::bundledModel("lm-big");
        const auto tokenizer = loadTokenizer(folder);
        Ids ids = tokenizer->encode("The ship was old, and the captain knew that the storm would "
                                    "come before the night was over.");
        ids.insert(ids.begin(), 1);
        QCOMPARE(tokenizer->bos(), std::optional<TokenId>(1));
        QCOMPARE(tokenizer->eos(), std::optional<TokenId>(2));
        const auto reference = SafetensorsFile::open(folder / "reference.safetensors");
        const Tensor expected = reference.tensor("input_ids");
        const auto values = expected.view().as<std::int32_t>();
        QCOMPARE(ids, Ids(values.begin(), values.end()));
    }
    void idsStay_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("ids");
        QTest::newRow("plain") << "The lathe turned slowly."
                               << "390 1669 260 1141 3129 4047";
        QTest::newRow("contractions")
            << "  It's  the master's second look, and they'll say we've counted. "
            << "610 4073 4033 265 1652 4073 4033 1631 549 4044 283 459 4073 291 630 349 4073 318 "
               "1004 274 4047";
        QTest::newRow("newlines") << "three\ttabs\nand lines\r\n\n"
                                  << "1046 12 4027 652 4033 13 431 300 2389 16 13 13";
        QTest::newRow("digits") << "0 12 345 6789 3.75 \u00BD"
                                << "4025 51 4025 4093 53 4025 54 55 56 4025 57 58 59 60 4025 54 "
                                   "4047 58 56 4025 197 192";
        QTest::newRow("CJK") << "\u8ECA\u5E8A\u6162\u6162\u5730\u8F49\u52D5\u3002"
                             << "4025 235 190 141 232 189 141 233 136 165 233 136 165 232 159 179 "
                                "235 192 140 232 142 152 230 131 133";
        QTest::newRow("emoji") << "\U0001F642\U0001F527 \U0001F469\u200D\U0001F527"
                               << "4025 243 162 156 133 243 162 151 170 4025 243 162 148 172 229 "
                                  "131 144 243 162 151 170";
        QTest::newRow("combining") << "u\u0308ber hei\u00DFes \u00D6l"
                                   << "333 207 139 746 287 4031 198 162 298 4025 198 153 4036";
        QTest::newRow("Cyrillic") << "\u041C\u0430\u0441\u0442\u0435\u0440"
                                  << "4025 211 159 211 179 212 132 212 133 211 184 212 131";
        QTest::newRow("spaces") << "a\u00A0b\u200Bc\u3000d"
                                << "261 197 163 4046 229 131 142 4039 230 131 131 4035";
        QTest::newRow("signs") << "!!!???... --- ___ ``"
                               << "4025 4066 4066 4066 4069 4069 4069 2364 4047 4025 479 4053 718 "
                                  "4081 4081 4025 99 99";
        QTest::newRow("marks as text") << "</s><s>"
                                       << "4025 63 50 4033 65 63 4033 65";
    }
    void idsStay() {
        QFETCH(const QString, text);
        QFETCH(const QString, ids);
        const auto tokenizer = loadTokenizer(test::bundledModel("lm-big"));
        QString got;
        for (const TokenId id : tokenizer->encode(text.toStdString())) {
            got += (got.isEmpty() ? "" : " ") + QString::number(id);
        }
        QCOMPARE(got, ids);
    }
    void textComesBack() {
        const auto tokenizer = loadTokenizer(test::bundledModel("lm-big"));
        for (const char* text :
             {"The lathe turned slowly.", "It's here, isn't it?", "\u8ECA\u5E8A",
              "\U0001F642 and \u00FC"}) {
            QCOMPARE(tokenizer->decode(tokenizer->encode(text)), std::string(text));
        }
        LATHE_VERIFY_THROWS(tokenizer->piece(1'000'000), InputError, "token id 1000000");
        LATHE_VERIFY_THROWS(tokenizer->piece(-1), InputError, "token id -1");
        QCOMPARE(tokenizer->decode(Ids{1, 2}), std::string());
    }
    void fingerprintTellsVocabulariesApart() {
        const auto big = loadTokenizer(test::bundledModel("lm-big"));
        QCOMPARE(big->fingerprint(), loadTokenizer(test::bundledModel("lm-big"))->fingerprint());
        const auto tiny = loadTokenizer(test::tokenizerFolder("tiny-gpt2"));
        QVERIFY(big->fingerprint() != tiny->fingerprint());
    }
    void invalidTextIsEncoded() {
        const auto tokenizer = loadTokenizer(test::bundledModel("lm-big"));
        const Ids ids = tokenizer->encode("a\xFF\xE2\x82 b");
        QVERIFY(!ids.empty());
        const std::string text = tokenizer->decode(ids);
        QCOMPARE(replaceInvalidUtf8(text), text);
    }
    /// Quadratic work on this word would be 10^12 steps, far beyond the time any test is given.
    void longWordIsNotQuadratic() {
        const auto tokenizer = loadTokenizer(test::bundledModel("lm-little"));
        const std::string word(std::size_t{1} << 20U, 'a');
        QCOMPARE(tokenizer->decode(tokenizer->encode(word)), word);
    }

    void damageIsNamed() {
        LATHE_VERIFY_THROWS(made(""), FormatError, "t.model: holds no pieces");
        LATHE_VERIFY_THROWS(made("hello"), FormatError, "t.model");
        LATHE_VERIFY_THROWS(made("\x0A\x7F"), FormatError, "claims 127 bytes, but only 0 remain");
        LATHE_VERIFY_THROWS(made(std::string(12, '\xFF')), FormatError, "over 64 bits");
        LATHE_VERIFY_THROWS(
            made(piece("a", std::string("\x00\x00\xC0\x7F", 4))), FormatError,
            "score that is not a number");
        const std::string zero(4, '\0');
        LATHE_VERIFY_THROWS(
            made(piece(std::string("\0b", 2), zero)), FormatError, "contains a zero byte");
        // A normalization table that points outside of itself.
        const std::string table = std::string("\x04\0\0\0", 4) + "\xFF\xFF\xFF\xFF" + zero;
        LATHE_VERIFY_THROWS(
            made(piece("a", zero) + field(3, field(2, table))), FormatError,
            "normalization table is damaged");
        LATHE_VERIFY_THROWS(
            made(piece("a", zero) + field(5, field(2, "x"))), Unsupported, "denormalization");
    }
    void truncatedModelsAreRefused() {
        const std::string bytes = modelBytes();
        for (std::size_t part = 0; part < 60; ++part) {
            survives(bytes.substr(0, bytes.size() * part / 60));
        }
    }
    void alteredModelsDoNoHarm() {
        const std::string bytes = modelBytes();
        std::mt19937 random(5);
        for (int round = 0; round < 60; ++round) {
            std::string altered = bytes;
            for (int i = 0; i < 1 + round % 8; ++i) {
                altered[random() % altered.size()] = static_cast<char>(random());
            }
            survives(altered);
        }
    }

private:
    /// Such a file is either refused with a readable error or used.
    static void survives(const std::string& bytes) {
        try {
            const auto tokenizer = made(bytes);
            for (const std::string& text : test::mixedTexts()) {
                tokenizer->decode(tokenizer->encode(text));
            }
        } catch (const Error& error) {
            QVERIFY(*error.what() != '\0');
        }
    }
};

LATHE_TEST(SentencePieceTokenizerTest);

} // namespace lathe

#include "sentencepiece_tokenizer_test.moc"
