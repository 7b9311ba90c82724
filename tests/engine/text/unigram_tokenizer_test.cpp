// SPDX-License-Identifier: Apache-2.0
#include "engine/io/safetensors.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "tests/engine/text/golden_texts.h"
#include "tests/engine/text/tiny_unigram.h"

namespace lathe {

namespace {

using Ids = std::vector<TokenId>;

std::shared_ptr<const Tokenizer> tiny() {
    return makeSentencePieceTokenizer(test::tinyUnigramModel(), "t.model");
}

} // namespace

class UnigramTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    /// The cut with the largest sum of scores, not the longest pieces first: "abab" alone is -4.5,
    /// "ab" twice -4.
    void theBestCutWins_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("ids");
        QTest::newRow("two halves") << "abab"
                                    << "3 6 6";
        QTest::newRow("prefix") << "ba"
                                << "8 4";
        QTest::newRow("three") << "aba"
                               << "3 6 4";
        QTest::newRow("words") << "ab  ba "
                               << "3 6 8 4";
        QTest::newRow("unknown") << "axb"
                                 << "3 4 2 5";
        QTest::newRow("unknown run") << "xyz"
                                     << "3 2";
        QTest::newRow("nothing") << ""
                                 << "";
        QTest::newRow("marks as text") << "</s>"
                                       << "3 2";
    }
    void theBestCutWins() {
        QFETCH(QString, text);
        QFETCH(QString, ids);
        QString got;
        for (const TokenId id : tiny()->encode(text.toStdString())) {
            got += (got.isEmpty() ? "" : " ") + QString::number(id);
        }
        QCOMPARE(got, ids);
    }
    void marksAreThoseOfT5() {
        const auto tokenizer = tiny();
        QVERIFY(!tokenizer->bos());
        QCOMPARE(tokenizer->eos(), std::optional<TokenId>(1));
        QCOMPARE(tokenizer->ends(), Ids{1});
        QCOMPARE(tokenizer->decode(Ids{0, 3, 6, 8, 4, 1}), std::string("ab ba"));
        // Models have room for sentinels that the vocabulary does not spell.
        QCOMPARE(tokenizer->decode(Ids{6, 40}), std::string("ab"));
    }
    void longWordIsNotQuadratic() {
        const std::string word(std::size_t{1} << 20U, 'a');
        const auto tokenizer = tiny();
        QCOMPARE(tokenizer->decode(tokenizer->encode(word)), word);
    }
    void idsAreThoseTheTranslatorLearnedFrom() {
        const auto folder = test::bundledModel("translate-big");
        if (!std::filesystem::exists(folder)) {
            QSKIP("translate-big is not bundled");
        }
        const auto tokenizer = loadTokenizer(folder);
        const auto reference = SafetensorsFile::open(folder / "reference.safetensors");
        const std::vector<std::pair<const char*, const char*>> texts{
            {"0.input_ids", "Er malt ein Boot."},
            {"1.input_ids", "Eine Eule schl\u00E4ft am Tag."}};
        for (const auto& [name, text] : texts) {
            Ids ids = tokenizer->encode(text);
            QCOMPARE(tokenizer->decode(ids), std::string(text));
            ids.push_back(tokenizer->eos().value());
            const Tensor expected = reference.tensor(name);
            const auto values = expected.view().as<std::int32_t>();
            QCOMPARE(ids, Ids(values.begin(), values.end()));
        }
    }
    /// nmt_nfkc, compiled into the file: compatibility forms, and white space of all kinds.
    void textIsNormalizedFirst() {
        const auto folder = test::bundledModel("translate-big");
        if (!std::filesystem::exists(folder)) {
            QSKIP("translate-big is not bundled");
        }
        const auto tokenizer = loadTokenizer(folder);
        const auto plain = tokenizer->encode("Ein f\u00FCnf Meter tiefer Fluss");
        QVERIFY(
            tokenizer->encode("\uFF25in\tfu\u0308nf\u00A0 Meter\u3000tiefer \uFB02uss") !=
            plain); // a small f-l
        QCOMPARE(
            tokenizer->encode("\uFF25in\tfu\u0308nf\u00A0 Meter\u3000tiefer Flu\u017Fs\u200B "),
            plain);
    }
};

LATHE_TEST(UnigramTokenizerTest);

} // namespace lathe

#include "unigram_tokenizer_test.moc"
