// SPDX-License-Identifier: Apache-2.0
#include "engine/text/translation_metrics.h"

#include "engine/core/error.h"
#include "engine/core/json.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>
#include <sstream>

namespace lathe {

namespace {

Json referenceScores() {
    std::ifstream file(test::fixture("metrics_reference.json"));
    std::ostringstream text;
    text << file.rdbuf();
    return parseJson(text.str(), "metrics_reference.json");
}

bool isNear(double value, double expected) { return std::abs(value - expected) < 1e-9; }

double rougeOf(const std::string& hypothesis, const std::string& reference) {
    return rougeLsum(std::vector{hypothesis}, std::vector{reference});
}

} // namespace

class TranslationMetricsTest : public QObject {
    Q_OBJECT
private slots:
    void scoresEqualTheReference_data();
    void scoresEqualTheReference();
    void words13a();
    void rougeOfWorkedExamples();
    void agreementOfTokens();
    void unequalCountsAreRefused();
};

void TranslationMetricsTest::scoresEqualTheReference_data() {
    QTest::addColumn<int>("index");
    for (int i = 0; i < static_cast<int>(referenceScores().size()); ++i) {
        QTest::addRow("corpus %d", i) << i;
    }
}

void TranslationMetricsTest::scoresEqualTheReference() {
    QFETCH(int, index);
    const Json wanted = referenceScores().at(static_cast<std::size_t>(index));
    const auto texts = wanted.at("hypotheses").get<std::vector<std::string>>();
    const auto references = wanted.at("references").get<std::vector<std::string>>();
    const Bleu bleu = corpusBleu(texts, references);
    QVERIFY(isNear(bleu.score, wanted.at("bleu").get<double>()));
    QVERIFY(isNear(bleu.brevityPenalty, wanted.at("brevity_penalty").get<double>()));
    for (std::size_t n = 0; n < 4; ++n) {
        QVERIFY(isNear(bleu.precisions[n], wanted.at("bleu_precisions").at(n).get<double>()));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        QVERIFY(isNear(
            sentenceBleu(texts[i], references[i]), wanted.at("sentence_bleu").at(i).get<double>()));
    }
    QVERIFY(isNear(corpusChrf(texts, references), wanted.at("chrf").get<double>()));
    QCOMPARE(std::string(bleuSignature()), wanted.at("bleu_signature").get<std::string>());
    QCOMPARE(std::string(chrfSignature()), wanted.at("chrf_signature").get<std::string>());
}

void TranslationMetricsTest::words13a() {
    const auto joined = [](std::string_view text) {
        std::string line;
        for (const std::string& word : tokenize13a(text)) {
            line += (line.empty() ? "" : "|") + word;
        }
        return line;
    };
    QCOMPARE(joined("Costs 3,000.50 $, or 5%!"), "Costs|3,000.50|$|,|or|5|%|!");
    QCOMPARE(joined("a 2-1 win, co-op No.7."), "a|2|-|1|win|,|co-op|No|.|7|.");
    QCOMPARE(joined("it's &quot;x&quot; &lt;b&gt; <skipped>end"), "it's|\"|x|\"|<|b|>|end");
    QCOMPARE(joined("over-\nlap two\nlines"), "overlap|two|lines");
    QCOMPARE(
        joined("caf\xC3\xA9, d\xC3\xA9j\xC3\xA0\xC2\xA0vu\xE2\x80\xA6"),
        "caf\xC3\xA9|,|d\xC3\xA9j\xC3\xA0|vu\xE2\x80\xA6"); // a no-break space splits
    QCOMPARE(joined("a..b ,, c"), "a|.|.|b|,|,|c");
    QCOMPARE(joined(""), "");
}

void TranslationMetricsTest::rougeOfWorkedExamples() {
    // C.-Y. Lin (2004), section 3.2: the union of w1 w2 and w1 w3 w5 covers 4 of 5 words; the
    // texts have 10 and 5.
    QVERIFY(isNear(
        rougeOf("w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", "w1 w2 w3 w4 w5"), 100.0 * 2.0 * 4.0 / 15.0));
    // One line: the longest common subsequence, police ... the gunman of four words each.
    QVERIFY(isNear(rougeOf("police kill the gunman", "police killed the gunman"), 75.0));
    QVERIFY(isNear(rougeOf("the gunman kill police", "police killed the gunman"), 50.0));
    // The sentences may come in another order.
    QVERIFY(isNear(rougeOf("c d\na b", "a b\nc d"), 100.0));
    QVERIFY(isNear(rougeOf("c d a b", "a b c d"), 50.0));
    // A word counts once: three times in one text, once in the other.
    QVERIFY(isNear(rougeOf("a", "a\na\na"), 100.0 * 2.0 / 4.0));
    QVERIFY(isNear(rougeOf("The CAT, 3 times!", "the cat 3 times"), 100.0));
    QCOMPARE(rougeOf("", "a b"), 0.0);
    QCOMPARE(rougeOf("x y", "a b"), 0.0);
    QVERIFY(isNear(
        rougeLsum(std::vector<std::string>{"a b", "x"}, std::vector<std::string>{"a b", "y"}),
        50.0));
}

void TranslationMetricsTest::agreementOfTokens() {
    const std::vector<int> a{1, 2, 3, 4};
    QCOMPARE(agreement<int>(a, a), 1.0);
    QCOMPARE(agreement<int>(a, std::vector<int>{1, 5, 3}), 0.5);
    QCOMPARE(agreement<int>(std::vector<int>{2, 3, 4}, a), 0.0); // by place, not by content
    QCOMPARE(agreement<int>({}, {}), 1.0);
    QCOMPARE(agreement<int>(a, {}), 0.0);
}

void TranslationMetricsTest::unequalCountsAreRefused() {
    const std::vector<std::string> one{"a"};
    const std::vector<std::string> two{"a", "b"};
    LATHE_VERIFY_THROWS(corpusBleu(one, two), InputError, "1 texts and 2 references");
    LATHE_VERIFY_THROWS(corpusChrf(two, one), InputError, "2 texts and 1 references");
    LATHE_VERIFY_THROWS(rougeLsum(one, two), InputError, "each text needs one");
    LATHE_VERIFY_THROWS(rougeLsum({}, {}), InputError, "0 texts");
}

LATHE_TEST(TranslationMetricsTest);

} // namespace lathe

#include "translation_metrics_test.moc"
