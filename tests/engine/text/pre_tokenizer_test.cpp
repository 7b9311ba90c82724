// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/pre_tokenizer.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

/// The words with bars between them.
std::string cut(const PreTokenizer& cuts, std::string_view text) {
    std::deque<std::string> storage;
    std::string joined;
    for (const std::string_view word : cuts.words(text, storage)) {
        joined += (joined.empty() ? "" : "|") + std::string(word);
    }
    return joined;
}

PreTokenizer splitBy(std::string_view pattern, PreTokenizer::Keep keep) {
    PreTokenizer cuts;
    cuts.addSplit(Regex(pattern, "test"), keep);
    return cuts;
}

} // namespace

class PreTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void knownNamesCut_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("words");
        QTest::newRow("gpt-2") << "gpt-2"
                               << "I'll  see 12345 gears,\n\n no?"
                               << "I|'ll| | see| 12345| gears|,|\n\n| no|?";
        QTest::newRow("llama-bpe") << "llama-bpe"
                                   << "I'LL  see 12345 gears,\n\n no?"
                                   << "I|'LL| | see| |123|45| gears|,\n\n| no|?";
        QTest::newRow("qwen2") << "qwen2"
                               << "I'LL see 123 gears"
                               << "I|'LL| see| |1|2|3| gears";
        QTest::newRow("default") << "default"
                                 << "a, 12345 b"
                                 << "a|,| |123|45| b";
    }
    void knownNamesCut() {
        QFETCH(const QString, name);
        QFETCH(const QString, text);
        QFETCH(const QString, words);
        const PreTokenizer cuts = preTokenizerByName(name.toStdString());
        QCOMPARE(QString::fromStdString(cut(cuts, text.toStdString())), words);
    }
    void unknownNameIsRefused() {
        LATHE_VERIFY_THROWS(preTokenizerByName("lathe-9"), Unsupported, "'lathe-9' is not known");
    }
    void matchesAndGapsAreKeptAsAsked() {
        using Keep = PreTokenizer::Keep;
        QCOMPARE(cut(splitBy("[,;]", Keep::All), "a,b;;c"), std::string("a|,|b|;|;|c"));
        QCOMPARE(cut(splitBy("[,;]", Keep::Gaps), "a,b;;c"), std::string("a|b|c"));
        QCOMPARE(cut(splitBy("[a-z]+", Keep::Matches), "ab,c"), std::string("ab|c"));
        QCOMPARE(cut(splitBy("x", Keep::All), ""), std::string());
    }
    void spacePrefixIsAddedOnce() {
        PreTokenizer cuts;
        cuts.addSpacePrefix();
        QCOMPARE(cut(cuts, "a b"), std::string(" a b"));
        QCOMPARE(cut(cuts, " a b"), std::string(" a b"));
    }
    void emptyMatchesAreNoWords() {
        QCOMPARE(
            cut(splitBy("q*", PreTokenizer::Keep::All), "a\u00E9qqb"), std::string("a\u00E9|qq|b"));
        QCOMPARE(cut(splitBy("(?=b)|$", PreTokenizer::Keep::All), "abab"), std::string("abab"));
        // \K moves the start of a match, here behind its end or in front of the search.
        QCOMPARE(cut(splitBy("a\\Kb", PreTokenizer::Keep::All), "abc"), std::string("a|b|c"));
    }
    void wrongExpressionIsRefused() {
        LATHE_VERIFY_THROWS(Regex("a(b", "f.json"), FormatError, "f.json: the regular expression");
        LATHE_VERIFY_THROWS(Regex("\\C", "f.json"), FormatError, "wrong at byte");
        LATHE_VERIFY_THROWS(
            Regex(std::string(70000, 'a'), "f.json"), FormatError, "70000 bytes (limit 65536)");
    }
    void explodingExpressionGivesUp() {
        const Regex regex("(?:a+)+$", "f.json");
        LATHE_VERIFY_THROWS(
            regex.matches(std::string(200, 'a') + "b"), FormatError, "fails on this text");
        // The expression is usable still.
        QCOMPARE(regex.matches("aaa").size(), 1U);
    }
    void longRunsAreCut() {
        const PreTokenizer gpt2 = preTokenizerByName("gpt-2");
        std::deque<std::string> storage;
        const std::string spaces(std::size_t{1} << 20U, ' ');
        QCOMPARE(gpt2.words(spaces, storage).size(), 1U);
        QCOMPARE(gpt2.words(spaces + "a", storage).size(), 2U);
        const std::string letters(std::size_t{1} << 20U, 'a');
        QCOMPARE(gpt2.words(letters, storage).size(), 1U);
    }
};

LATHE_TEST(PreTokenizerTest);

} // namespace lathe

#include "pre_tokenizer_test.moc"
