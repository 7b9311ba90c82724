// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/decode/sampler.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <limits>

namespace lathe {

class SamplerTest : public QObject {
    Q_OBJECT
private slots:
    void greedyTakesTheLargest();
    void greedyTakesTheLowestIdOfEquals();
    void greedyProbabilityIsSoftmax();
    void greedyDrawsNoRandomNumber();
    void samplingDrawsOneRandomNumber();
    void drawsFollowTheDistribution_data();
    void drawsFollowTheDistribution();
    void sameSeedSameIds();
    void minusInfinityIsNeverDrawn();
    void hugeLogitsDoNotOverflow();
    void badOptionsAreRefused_data();
    void badOptionsAreRefused();
    void damagedLogitsAreRefused_data();
    void damagedLogitsAreRefused();
};

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<TokenId>
draw(std::span<const float> logits, const SamplingOptions& options, std::uint64_t seed, int count) {
    Random random(seed);
    std::vector<TokenId> ids;
    for (int i = 0; i < count; ++i) {
        ids.push_back(sampleToken(logits, options, random).id);
    }
    return ids;
}

} // namespace

void SamplerTest::greedyTakesTheLargest() {
    Random random(1);
    const std::vector<float> logits{-3.0F, 0.5F, 7.0F, 6.99F, -kInfinity};
    QCOMPARE(sampleToken(logits, {}, random).id, 2);
    const std::vector<float> below{-9.0F, -8.0F, -10.0F};
    QCOMPARE(sampleToken(below, {}, random).id, 1);
    const std::vector<float> one{-1.0F};
    QCOMPARE(sampleToken(one, {}, random).id, 0);
}

void SamplerTest::greedyTakesTheLowestIdOfEquals() {
    Random random(1);
    const std::vector<float> logits{1.0F, 4.0F, 2.0F, 4.0F, 4.0F};
    QCOMPARE(sampleToken(logits, {}, random).id, 1);
    const std::vector<float> zeros{-1.0F, 0.0F, -0.0F, 0.0F};
    QCOMPARE(sampleToken(zeros, {}, random).id, 1);
    const std::vector<float> flat(5, 2.5F);
    QCOMPARE(sampleToken(flat, {}, random).id, 0);
}

void SamplerTest::greedyProbabilityIsSoftmax() {
    Random random(1);
    const std::vector<float> logits{std::log(1.0F), std::log(5.0F), std::log(4.0F), -kInfinity};
    const SampledToken token = sampleToken(logits, {}, random);
    QCOMPARE(token.id, 1);
    QVERIFY(std::abs(token.probability - 0.5) < 1e-6);
    // The options of sampling do not change what greedy reports.
    const SamplingOptions odd{.greedy = true, .temperature = 9.0, .topP = 0.1, .topK = 1};
    QCOMPARE(sampleToken(logits, odd, random).probability, token.probability);
}

void SamplerTest::greedyDrawsNoRandomNumber() {
    Random used(5);
    Random fresh(5);
    const std::vector<float> logits{1.0F, 2.0F, 3.0F};
    sampleToken(logits, {}, used);
    QCOMPARE(used.next(), fresh.next());
}

void SamplerTest::samplingDrawsOneRandomNumber() {
    const std::vector<float> logits{1.0F, 2.0F, 3.0F, 0.0F};
    for (const SamplingOptions& options :
         {SamplingOptions{.greedy = false}, SamplingOptions{.greedy = false, .topK = 1},
          SamplingOptions{.greedy = false, .topP = 0.5}}) {
        Random used(5);
        Random fresh(5);
        sampleToken(logits, options, used);
        fresh.uniform();
        QCOMPARE(used.next(), fresh.next());
    }
}

void SamplerTest::drawsFollowTheDistribution_data() {
    QTest::addColumn<double>("temperature");
    QTest::addColumn<int>("topK");
    QTest::addColumn<double>("topP");
    QTest::addColumn<QList<double>>("expected");
    // The logits are log(w) of the weights w = 4, 1, 2, 1, 8 (sum 16); worked out by hand.
    QTest::newRow("plain") << 1.0 << 0 << 1.0
                           << QList<double>{4.0 / 16, 1.0 / 16, 2.0 / 16, 1.0 / 16, 8.0 / 16};
    // Temperature 1/2 squares the weights: 16, 1, 4, 1, 64 of 86.
    QTest::newRow("cold") << 0.5 << 0 << 1.0
                          << QList<double>{16.0 / 86, 1.0 / 86, 4.0 / 86, 1.0 / 86, 64.0 / 86};
    // Temperature 2 takes roots: 2, 1, sqrt 2, 1, sqrt 8.
    const double root = std::sqrt(2.0);
    const double sum = 4.0 + 3.0 * root;
    QTest::newRow("hot") << 2.0 << 0 << 1.0
                         << QList<double>{2 / sum, 1 / sum, root / sum, 1 / sum, 2 * root / sum};
    QTest::newRow("top 2") << 1.0 << 2 << 1.0 << QList<double>{4.0 / 12, 0, 0, 0, 8.0 / 12};
    QTest::newRow("top 1") << 1.0 << 1 << 1.0 << QList<double>{0, 0, 0, 0, 1};
    // Of two equal ones the lower id stays.
    QTest::newRow("top 4") << 1.0 << 4 << 1.0
                           << QList<double>{4.0 / 15, 1.0 / 15, 2.0 / 15, 0, 8.0 / 15};
    QTest::newRow("top more than there are")
        << 1.0 << 99 << 1.0 << QList<double>{4.0 / 16, 1.0 / 16, 2.0 / 16, 1.0 / 16, 8.0 / 16};
    // The smallest set that reaches the share: 8/16 < 0.7 <= 12/16.
    QTest::newRow("nucleus 0.7") << 1.0 << 0 << 0.7 << QList<double>{4.0 / 12, 0, 0, 0, 8.0 / 12};
    QTest::newRow("nucleus 0.8") << 1.0 << 0 << 0.8
                                 << QList<double>{4.0 / 14, 0, 2.0 / 14, 0, 8.0 / 14};
    QTest::newRow("nucleus 0.3") << 1.0 << 0 << 0.3 << QList<double>{0, 0, 0, 0, 1};
    // Top-k first (12 left), then the nucleus of those: 8/12 >= 0.6.
    QTest::newRow("top 2, nucleus 0.6") << 1.0 << 2 << 0.6 << QList<double>{0, 0, 0, 0, 1};
    QTest::newRow("top 3, nucleus 0.7, cold")
        << 0.5 << 3 << 0.7 << QList<double>{0, 0, 0, 0, 1}; // 64/84 >= 0.7
    QTest::newRow("top 3, nucleus 0.8, cold")
        << 0.5 << 3 << 0.8 << QList<double>{16.0 / 80, 0, 0, 0, 64.0 / 80};
}

void SamplerTest::drawsFollowTheDistribution() {
    QFETCH(double, temperature);
    QFETCH(int, topK);
    QFETCH(double, topP);
    QFETCH(QList<double>, expected);
    std::vector<float> logits;
    for (const float weight : {4.0F, 1.0F, 2.0F, 1.0F, 8.0F}) {
        logits.push_back(std::log(weight) - 3.0F);
    }
    const SamplingOptions options{
        .greedy = false, .temperature = temperature, .topP = topP, .topK = topK};
    constexpr int kDraws = 20000;
    Random random(11);
    QList<int> counts(expected.size(), 0);
    for (int i = 0; i < kDraws; ++i) {
        const SampledToken token = sampleToken(logits, options, random);
        QVERIFY(token.id >= 0 && token.id < expected.size());
        ++counts[token.id];
        QVERIFY(std::abs(token.probability - expected[token.id]) < 1e-6);
    }
    for (qsizetype id = 0; id < expected.size(); ++id) {
        const double p = expected[id];
        const double deviation = std::sqrt(p * (1.0 - p) * kDraws);
        QCOMPARE_LE(std::abs(counts[id] - p * kDraws), 5.0 * deviation);
    }
}

void SamplerTest::sameSeedSameIds() {
    std::vector<float> logits;
    Random random(2);
    for (int i = 0; i < 50; ++i) {
        logits.push_back(static_cast<float>(random.normal()));
    }
    for (const SamplingOptions& options :
         {SamplingOptions{.greedy = false, .temperature = 0.8},
          SamplingOptions{.greedy = false, .topP = 0.9, .topK = 20}}) {
        QCOMPARE(draw(logits, options, 9, 200), draw(logits, options, 9, 200));
        QVERIFY(draw(logits, options, 9, 200) != draw(logits, options, 10, 200));
    }
}

void SamplerTest::minusInfinityIsNeverDrawn() {
    const std::vector<float> logits{-kInfinity, 0.0F, -kInfinity, 0.0F, -kInfinity};
    for (const SamplingOptions& options :
         {SamplingOptions{.greedy = false}, SamplingOptions{.greedy = false, .topK = 4},
          SamplingOptions{.greedy = false, .topP = 0.999}}) {
        for (const TokenId id : draw(logits, options, 3, 500)) {
            QVERIFY(id == 1 || id == 3);
        }
    }
}

void SamplerTest::hugeLogitsDoNotOverflow() {
    constexpr float kMost = std::numeric_limits<float>::max();
    const std::vector<float> logits{kMost, -kMost, kMost};
    Random random(1);
    for (const bool greedy : {true, false}) {
        const SampledToken token =
            sampleToken(logits, {.greedy = greedy, .temperature = 1e-3}, random);
        QVERIFY(token.id != 1);
        QCOMPARE(token.probability, 0.5);
    }
}

void SamplerTest::badOptionsAreRefused_data() {
    QTest::addColumn<double>("temperature");
    QTest::addColumn<double>("topP");
    QTest::addColumn<int>("topK");
    QTest::addColumn<QString>("part");
    constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
    constexpr double kEndless = std::numeric_limits<double>::infinity();
    QTest::newRow("temperature 0") << 0.0 << 1.0 << 0 << "temperature";
    QTest::newRow("temperature below 0") << -1.0 << 1.0 << 0 << "temperature";
    QTest::newRow("temperature NaN") << kNoNumber << 1.0 << 0 << "temperature";
    QTest::newRow("temperature infinite") << kEndless << 1.0 << 0 << "temperature";
    QTest::newRow("top-p 0") << 1.0 << 0.0 << 0 << "top-p";
    QTest::newRow("top-p above 1") << 1.0 << 1.01 << 0 << "top-p";
    QTest::newRow("top-p below 0") << 1.0 << -0.5 << 0 << "top-p";
    QTest::newRow("top-p NaN") << 1.0 << kNoNumber << 0 << "top-p";
    QTest::newRow("top-k below 0") << 1.0 << 1.0 << -1 << "top-k";
}

void SamplerTest::badOptionsAreRefused() {
    QFETCH(double, temperature);
    QFETCH(double, topP);
    QFETCH(int, topK);
    QFETCH(QString, part);
    const std::vector<float> logits{1.0F, 2.0F};
    Random random(1);
    for (const bool greedy : {true, false}) {
        const SamplingOptions options{
            .greedy = greedy, .temperature = temperature, .topP = topP, .topK = topK};
        LATHE_VERIFY_THROWS(sampleToken(logits, options, random), InputError, part.toStdString());
    }
}

void SamplerTest::damagedLogitsAreRefused_data() {
    QTest::addColumn<QList<float>>("logits");
    QTest::addColumn<QString>("part");
    QTest::newRow("empty") << QList<float>{} << "no logits";
    QTest::newRow("NaN first") << QList<float>{kNaN, 1.0F} << "not finite";
    QTest::newRow("NaN last") << QList<float>{1.0F, kNaN} << "not finite";
    QTest::newRow("all NaN") << QList<float>{kNaN, kNaN} << "not finite";
    QTest::newRow("+Inf") << QList<float>{1.0F, kInfinity, 0.0F} << "not finite";
    QTest::newRow("all -Inf") << QList<float>{-kInfinity, -kInfinity} << "not finite";
}

void SamplerTest::damagedLogitsAreRefused() {
    QFETCH(QList<float>, logits);
    QFETCH(QString, part);
    const std::vector<float> row(logits.begin(), logits.end());
    Random random(1);
    for (const bool greedy : {true, false}) {
        LATHE_VERIFY_THROWS(
            sampleToken(row, {.greedy = greedy}, random), InputError, part.toStdString());
    }
}

LATHE_TEST(SamplerTest);

} // namespace lathe

#include "sampler_test.moc"
