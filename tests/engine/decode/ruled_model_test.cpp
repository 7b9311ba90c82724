// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/ruled_model.h"

#include "engine/core/check.h"
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <set>

namespace lathe {

using namespace test;

namespace {

/// The toy's big or little model under rules.
std::unique_ptr<RuledModel> ruled(const TableModel& model, TokenRules rules) {
    return std::make_unique<RuledModel>(std::make_unique<TableModel>(model), std::move(rules));
}

std::vector<TokenRow> feed(
    TokenModel& model, TokenSequence& sequence, std::vector<TokenId> tokens,
    std::vector<TokenId> targets = {}, RowDetail detail = {}) {
    const TokenFeed one{sequence, tokens, targets};
    return model.feed(std::span(&one, 1), detail);
}

} // namespace

class RuledModelTest : public QObject {
    Q_OBJECT
private slots:
    void rowsAreChangedByTheirOwnPrefix();
    void runsAreBannedAtTheirEnd();
    void noRulesChangeNothing();
    void bothModelsObeyThem();
    void impossibleRulesAreRefused();
};

/// Table of the traces: behind A the big model says [A .02, B .10, C .20, D .60, E .05, end .03].
void RuledModelTest::rowsAreChangedByTheirOwnPrefix() {
    const auto model = ruled(tracesBig(), {.repetitionPenalty = 2.0});
    const auto sequence = model->begin(10, nullptr);
    const auto rows =
        feed(*model, *sequence, {0, 4, 1}, {-1, -1, 4}, {.probabilities = true, .top = 2});
    QCOMPARE(rows.size(), 3U);
    QVERIFY(std::abs(rows[0].confidence - 0.85) < 1e-12); // the start token has probability 0
    // Behind <s> D A: those of D and A are squared, .36 and .0004.
    const double sum = 0.0004 + 0.10 + 0.20 + 0.36 + 0.05 + 0.03;
    QCOMPARE(rows[2].argmax, 4);
    QVERIFY(std::abs(rows[2].confidence - 0.36 / sum) < 1e-12);
    QVERIFY(std::abs(rows[2].distance + std::log(0.36 / sum)) < 1e-12);
    QVERIFY(std::abs(rows[2].probabilities[2] - 0.10 / sum) < 1e-12);
    QCOMPARE(rows[2].top[1].id, 3);
    QVERIFY(std::isnan(rows[1].distance));
    sequence->truncate(1); // D is not in the text any more
    const TokenRow row = feed(*model, *sequence, {1}).front();
    QVERIFY(std::abs(row.confidence - 0.60 / (0.40 - 0.02 + 0.0004 + 0.60)) < 1e-12);
    QVERIFY(row.probabilities.empty());
}

void RuledModelTest::runsAreBannedAtTheirEnd() {
    const auto model = ruled(tracesBig(), {.banned = {{1, 4}, {5}}});
    const auto sequence = model->begin(10, nullptr);
    const auto rows = feed(*model, *sequence, {0, 1, 4}, {-1, 4}, {.probabilities = true});
    for (const TokenRow& row : rows) {
        QCOMPARE(row.probabilities[5], 0.0);
    }
    QVERIFY(rows[0].probabilities[4] > 0.0);
    QCOMPARE(rows[1].probabilities[4], 0.0); // behind A
    QVERIFY(std::isinf(rows[1].distance));
    QCOMPARE(rows[1].argmax, 3);
    QVERIFY(rows[2].probabilities[4] > 0.0);
}

void RuledModelTest::noRulesChangeNothing() {
    ToyPair toy = toyPair(3);
    const auto little = ruled(toy.little, {}), big = ruled(toy.big, {});
    const DecodeRequest request{.prompt = {0}, .ends = {7}, .maxNew = 30};
    const DecodeSettings settings{.options = bild({.fallback = 0.5, .rollback = 2.0})};
    const auto plain = decodeMany(&toy.little, &toy.big, std::span(&request, 1), settings);
    const auto under = decodeMany(little.get(), big.get(), std::span(&request, 1), settings);
    QCOMPARE(under.front().tokens, plain.front().tokens);
}

/// Whatever the thresholds; and undoing every other choice gives the big model's own text.
void RuledModelTest::bothModelsObeyThem() {
    ToyPair toy = toyPair(11);
    const TokenRules rules{.repetitionPenalty = 3.0, .banned = {{2}, {3, 4}}};
    const auto little = ruled(toy.little, rules), big = ruled(toy.big, rules);
    std::set<std::vector<TokenId>> texts;
    int changed = 0;
    for (TokenId start = 0; start < 7; ++start) {
        const DecodeRequest request{.prompt = {start}, .ends = {7}, .maxNew = 30};
        const auto decode = [&](const DraftOptions& options) {
            return decodeMany(little.get(), big.get(), std::span(&request, 1), {.options = options})
                .front()
                .tokens;
        };
        const std::vector<TokenId> alone = decode(bigAlone());
        QCOMPARE(decode(bild({.fallback = 0.3, .rollback = 0.0})), alone);
        QCOMPARE(decode(lossless(3)), alone);
        QCOMPARE(decode(promptLookup(3)), alone);
        for (const DraftOptions& options :
             {bild({.fallback = 0.3, .rollback = 5.0}), littleAlone(), bigAlone()}) {
            const std::vector<TokenId> text = decode(options);
            for (std::size_t i = 1; i < text.size(); ++i) {
                QVERIFY(text[i] != 2);
                QVERIFY(!(text[i - 1] == 3 && text[i] == 4));
            }
            texts.insert(text);
        }
        const auto free =
            decodeMany(nullptr, &toy.big, std::span(&request, 1), {.options = bigAlone()});
        changed += free.front().tokens != alone ? 1 : 0;
    }
    QVERIFY(texts.size() > 3 && changed > 3);
}

void RuledModelTest::impossibleRulesAreRefused() {
    LATHE_VERIFY_THROWS(ruled(tracesBig(), {.repetitionPenalty = 0.0}), InputError, "above 0");
    LATHE_VERIFY_THROWS(ruled(tracesBig(), {.banned = {{}}}), InputError, "no tokens");
    LATHE_VERIFY_THROWS(ruled(tracesBig(), {.banned = {{7}}}), InputError, "token 7");
    const auto model = ruled(tracesBig(), {.banned = {{1}, {2}, {3}, {4}, {5}, {6}}});
    const auto sequence = model->begin(4, nullptr);
    LATHE_VERIFY_THROWS(feed(*model, *sequence, {0}), InputError, "nothing to say");
}

LATHE_TEST(RuledModelTest);

} // namespace lathe

#include "ruled_model_test.moc"
