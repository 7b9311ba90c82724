// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/distribution.h"
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <map>

namespace lathe {

using namespace test;

namespace {

/// Four ids, texts of three tokens, which depend on the last one: the toy of the self-test.
constexpr std::array<std::array<double, 4>, 4> kBig{{
    {0.50, 0.30, 0.15, 0.05},
    {0.10, 0.60, 0.20, 0.10},
    {0.25, 0.25, 0.40, 0.10},
    {0.05, 0.15, 0.30, 0.50},
}};
constexpr std::array<std::array<double, 4>, 4> kLittle{{
    {0.20, 0.50, 0.10, 0.20},
    {0.40, 0.30, 0.10, 0.20},
    {0.10, 0.60, 0.20, 0.10},
    {0.30, 0.20, 0.20, 0.30},
}};

std::vector<double> rowOf(const std::array<std::array<double, 4>, 4>& table, TokenId last) {
    const auto& row = table.at(static_cast<std::size_t>(last));
    return {row.begin(), row.end()};
}

const DecodeRequest kRequest{.prompt = {0}, .maxNew = 3};
constexpr int kRuns = 200'000;
constexpr double kAllowed = 0.015;

/// The self-test: total variation between texts decoded under a rule and the big model's exact
/// joint distribution.
double distanceFromExact(const DraftOptions& options, const DraftRule* rule = nullptr) {
    TableModel little(4, [](std::span<const TokenId> t) { return rowOf(kLittle, t.back()); });
    TableModel big(4, [](std::span<const TokenId> t) { return rowOf(kBig, t.back()); });
    std::map<std::vector<TokenId>, int> seen;
    DecodeRequest request = kRequest;
    for (int i = 0; i < kRuns; ++i) {
        request.seed = static_cast<std::uint64_t>(i);
        little.calls.clear();
        big.calls.clear();
        ++seen[decodeOne(little, big, request, {.options = options, .rule = rule}).tokens];
    }
    double distance = 0.0;
    for (TokenId a = 0; a < 4; ++a) {
        const auto pa = warped(rowOf(kBig, 0), options.sampling);
        for (TokenId b = 0; b < 4; ++b) {
            const auto pb = warped(rowOf(kBig, a), options.sampling);
            for (TokenId c = 0; c < 4; ++c) {
                const auto pc = warped(rowOf(kBig, b), options.sampling);
                const double exact = pa[static_cast<std::size_t>(a)] *
                                     pb[static_cast<std::size_t>(b)] *
                                     pc[static_cast<std::size_t>(c)];
                distance += std::abs(exact - static_cast<double>(seen[{0, a, b, c}]) / kRuns);
            }
        }
    }
    return distance / 2.0;
}

std::unique_ptr<DraftRule> rightRule() {
    const SamplingOptions drawn{.greedy = false};
    return makeDraftRule(lossless(2, drawn), {});
}

/// A rule that passes on to the right one; faulty ones differ in one place.
class FaultyRule : public DraftRule {
public:
    bool samples() const override { return true; }
    Draft draft(const TokenRow& little, Random& random) const override {
        return m_right->draft(little, random);
    }
    Verdict judge(const Draft& draft, const TokenRow& big, Random& random) const override {
        return m_right->judge(draft, big, random);
    }
    TokenId bonus(const TokenRow& big, Random& random) const override {
        return m_right->bonus(big, random);
    }

private:
    std::unique_ptr<DraftRule> m_right = rightRule();
};

class ResamplesFromP : public FaultyRule {
    Verdict judge(const Draft& draft, const TokenRow& big, Random& random) const override {
        Verdict verdict = FaultyRule::judge(draft, big, random);
        if (verdict.kind == Verdict::Kind::Undo) {
            verdict.replacement = drawFrom(big.probabilities, random);
        }
        return verdict;
    }
};

class BonusFromQ : public FaultyRule {
    TokenId bonus(const TokenRow& big, Random& random) const override {
        for (TokenId last = 0; last < 4; ++last) {
            if (rowOf(kBig, last) == big.probabilities) {
                return drawFrom(rowOf(kLittle, last), random);
            }
        }
        throw InternalError("no row of the toy");
    }
};

/// Takes the little model's first choice as if it had been drawn with its probability.
class ArgmaxAsIfDrawn : public FaultyRule {
    Draft draft(const TokenRow& little, Random&) const override {
        return {little.argmax, little.confidence, little.probabilities};
    }
};

/// The same draft as the point mass that it is.
class ArgmaxAsPoint : public FaultyRule {
    Draft draft(const TokenRow& little, Random&) const override {
        return {little.argmax, little.confidence, {}};
    }
};

} // namespace

class LosslessTest : public QObject {
    Q_OBJECT
private slots:
    void workedResidual();
    void warpsAsTheSamplerDoes();
    void textsAreTheBigModelsOwn_data();
    void textsAreTheBigModelsOwn();
    void plantedFaultsAreFlagged();
    void greedyEqualsTheBigModel();
    void draftsAreCopied();
    void sampledThresholds();
};

void LosslessTest::workedResidual() {
    const std::vector<double> p{0.5, 0.3, 0.2};
    const std::vector<double> q{0.2, 0.7, 0.1};
    const std::vector<double> rest = residual(p, q);
    QVERIFY(std::abs(rest[0] - 0.3) < 1e-12);
    QCOMPARE(rest[1], 0.0);
    QVERIFY(std::abs(rest[2] - 0.1) < 1e-12);
    QVERIFY(std::abs(rest[0] / (rest[0] + rest[2]) - 0.75) < 1e-12);
    QCOMPARE(residual(p, p), p); // nothing left: p itself
    Random random(1);
    const std::vector<double> none{0.0, 0.0};
    QVERIFY_THROWS_EXCEPTION(InternalError, drawFrom(none, random));
}

void LosslessTest::warpsAsTheSamplerDoes() {
    const std::vector<float> logits{1.0F, 3.0F, 2.5F, -1.0F, 3.0F, 0.0F};
    std::vector<double> probabilities;
    double sum = 0.0;
    for (const float logit : logits) {
        probabilities.push_back(std::exp(static_cast<double>(logit)));
        sum += probabilities.back();
    }
    for (double& probability : probabilities) {
        probability /= sum;
    }
    for (const SamplingOptions& options :
         {SamplingOptions{.greedy = false}, SamplingOptions{.greedy = false, .temperature = 0.6},
          SamplingOptions{.greedy = false, .topK = 3},
          SamplingOptions{.greedy = false, .temperature = 1.7, .topP = 0.8, .topK = 4}}) {
        const std::vector<double> expected = warped(probabilities, options);
        Random random(3);
        for (int i = 0; i < 500; ++i) {
            const SampledToken token = sampleToken(logits, options, random);
            QVERIFY(
                std::abs(token.probability - expected.at(static_cast<std::size_t>(token.id))) <
                1e-9);
        }
    }
    QCOMPARE(warped(probabilities, {}), (std::vector<double>{0, 1, 0, 0, 0, 0}));
    LATHE_VERIFY_THROWS(warped({}, {}), InputError, "no probabilities");
}

void LosslessTest::textsAreTheBigModelsOwn_data() {
    QTest::addColumn<int>("draftLength");
    QTest::addColumn<double>("temperature");
    QTest::addColumn<int>("topK");
    QTest::addColumn<double>("fallback");
    QTest::addRow("two drafts") << 2 << 1.0 << 0 << 0.0; // O8
    QTest::addRow("cut short") << 5 << 1.0 << 0 << 0.0;
    QTest::addRow("warped") << 2 << 0.7 << 3 << 0.0;
    QTest::addRow("stops when unsure") << 2 << 1.0 << 0 << 0.45;
}

void LosslessTest::textsAreTheBigModelsOwn() {
    QFETCH(int, draftLength);
    QFETCH(double, temperature);
    QFETCH(int, topK);
    QFETCH(double, fallback);
    DraftOptions options =
        lossless(draftLength, {.greedy = false, .temperature = temperature, .topK = topK});
    options.bild.fallback = fallback;
    const double distance = distanceFromExact(options);
    QVERIFY2(distance < kAllowed, std::to_string(distance).c_str());
}

void LosslessTest::plantedFaultsAreFlagged() { // O8: the self-test sees what it is for
    const DraftOptions options = lossless(2, {.greedy = false});
    const auto distance = [&](const DraftRule& rule) {
        const double measured = distanceFromExact(options, &rule);
        qInfo("total variation %.4f", measured);
        return measured;
    };
    QVERIFY(distance(FaultyRule()) < kAllowed);
    QVERIFY(distance(ArgmaxAsPoint()) < kAllowed);
    QVERIFY(distance(ResamplesFromP()) > 2.0 * kAllowed);
    QVERIFY(distance(BonusFromQ()) > 2.0 * kAllowed);
    QVERIFY(distance(ArgmaxAsIfDrawn()) > 2.0 * kAllowed);
}

void LosslessTest::greedyEqualsTheBigModel() {
    for (std::uint64_t pair = 0; pair < 200; ++pair) {
        ToyPair toy = toyPair(pair);
        const DecodeRequest request{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};
        const auto length = static_cast<int>(pair % 6);
        QCOMPARE(
            decodeOne(toy.little, toy.big, request, {.options = lossless(length)}).tokens,
            greedy(toy.big, request));
        QCOMPARE(
            decodeOne(toy.little, toy.big, request, {.options = promptLookup(length)}).tokens,
            greedy(toy.big, request));
    }
}

void LosslessTest::draftsAreCopied() {
    const std::vector<TokenId> text{5, 6, 7, 8, 5, 6};
    QCOMPARE(copiedDrafts({}, text, 3, 4), (std::vector<TokenId>{7, 8, 5, 6}));
    QCOMPARE(copiedDrafts({}, text, 3, 6), (std::vector<TokenId>{7, 8, 5, 6, 7, 8})); // goes on
    QCOMPARE(copiedDrafts({}, text, 3, 2), (std::vector<TokenId>{7, 8}));
    QCOMPARE(copiedDrafts({}, std::vector<TokenId>{1, 2, 3}, 3, 5), std::vector<TokenId>{});
    QCOMPARE(copiedDrafts({}, std::vector<TokenId>{1}, 3, 5), std::vector<TokenId>{});
    // The latest occurrence of the longest match; the source in front is searched too.
    QCOMPARE(copiedDrafts({}, std::vector<TokenId>{1, 9, 1, 8, 1}, 2, 1), std::vector<TokenId>{8});
    QCOMPARE(
        copiedDrafts(std::vector<TokenId>{4, 2, 3}, std::vector<TokenId>{4}, 3, 2),
        (std::vector<TokenId>{2, 3}));
    // A model that repeats three ids: most of the text is copied, a pass of the big model each.
    const auto circle = [](std::span<const TokenId> t) {
        std::vector<double> next(4, 0.0);
        next[static_cast<std::size_t>(t.back() + 1) % 3] = 1.0;
        return next;
    };
    TableModel big(4, circle);
    const DecodeRequest request{.prompt = {0, 1, 2, 0}, .maxNew = 20};
    const DecodedText copied =
        decodeMany(nullptr, &big, std::span(&request, 1), {.options = promptLookup(4)}).front();
    QCOMPARE(copied.tokens, greedy(big, request));
    const DecodeCounts counts = replay(copied.log).counts;
    QCOMPARE(counts.smallSteps, 0);
    QCOMPARE(counts.bigCalls, 4);
    QCOMPARE(counts.drafts, 16);
    QCOMPARE(counts.agreed, 16);
}

void LosslessTest::sampledThresholds() {
    ToyPair toy = toyPair(5);
    const SamplingOptions hot{.greedy = false, .temperature = 1.5};
    const DecodeRequest request{.prompt = {0}, .ends = {7}, .maxNew = 60};
    // Confidences and distances are those at temperature 1: the same thresholds mean the same.
    const DecodedText text =
        decodeOne(toy.little, toy.big, request, {.options = bild({.rollback = 2.0}, hot)});
    QCOMPARE(replay(text.log).tokens, text.tokens);
    bool someKept = false;
    for (const DecodeEvent& event : text.log.events) {
        if (event.kind == DecodeEventKind::Draft) {
            QVERIFY(event.c >= 0.6);
        } else if (event.kind == DecodeEventKind::Fallback) {
            QVERIFY(event.c < 0.6);
        } else if (event.kind == DecodeEventKind::Rollback) {
            QVERIFY(event.d > 2.0);
        } else if (
            event.kind == DecodeEventKind::KeepAgreed ||
            event.kind == DecodeEventKind::KeepTolerated) {
            QVERIFY(event.d <= 2.0);
            someKept = true;
        }
    }
    QVERIFY(someKept);
    // No draft is certain: with 0 all are undone, and the big model draws every token.
    const DecodedText all =
        decodeOne(toy.little, toy.big, request, {.options = bild({.rollback = 0.0}, hot)});
    QCOMPARE(replay(all.log).counts.agreed + replay(all.log).counts.tolerated, 0);
}

LATHE_TEST(LosslessTest);

} // namespace lathe

#include "lossless_test.moc"
