// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/metrics.h"
#include "tests/support/lathe_test.h"

#include <array>
#include <cmath>
#include <numbers>

namespace lathe {

class MetricsTest : public QObject {
    Q_OBJECT
private slots:
    void summaries();
    void perplexityOracle();
    void bitsPerByte();
    void intervalHoldsTheValue();
    void intervalOfEqualWindowsIsAPoint();
    void intervalWeighsWindowsByTokens();
    void fewWindowsGiveNoInterval();
    void sameSeedSameInterval();
    void timingIsTheMedian();
};

void MetricsTest::summaries() {
    const std::vector<double> values{4.0, 1.0, 3.0, 2.0};
    QCOMPARE(mean(values), 2.5);
    QCOMPARE(median(values), 2.5);
    QCOMPARE(median(std::array{3.0, 1.0, 2.0}), 2.0);
    QCOMPARE(percentile(values, 0.0), 1.0);
    QCOMPARE(percentile(values, 1.0), 4.0);
    QCOMPARE(percentile(values, 0.25), 1.75);
    LATHE_VERIFY_THROWS(mean({}), InputError, "mean");
    LATHE_VERIFY_THROWS(median({}), InputError, "percentile");
}

void MetricsTest::perplexityOracle() {
    // Windows with losses (0.5, 1.5, 2.5) and (1, 1, 4): divided by the three scored tokens, not by
    // the window's length of four (which would give 3.715451).
    const std::vector<WindowScore> windows{{4.5, 3.0, 12.0}, {6.0, 3.0, 12.0}};
    QVERIFY(std::fabs(perplexity(windows) - 5.754603) < 5e-7);
}

void MetricsTest::bitsPerByte() {
    Json metrics = Json::object();
    putLanguageScores(metrics, std::vector<WindowScore>{{std::numbers::ln2 * 30.0, 6.0, 10.0}}, 1);
    QVERIFY(std::fabs(metrics.at("bits_per_byte").get<double>() - 3.0) < 1e-12);
    QVERIFY(std::fabs(metrics.at("nll").get<double>() - std::numbers::ln2 * 5.0) < 1e-12);
    QCOMPARE(metrics.at("tokens").get<int>(), 6);
    QCOMPARE(metrics.at("windows").get<int>(), 1);
    QVERIFY(metrics.at("perplexity_low").is_null());
}

void MetricsTest::intervalHoldsTheValue() {
    const std::vector<double> sums{10, 12, 9, 14, 11, 10, 13, 8};
    const std::vector<double> counts(sums.size(), 4.0);
    const Interval interval = bootstrapRatio(sums, counts, 1);
    const double value = mean(sums) / 4.0;
    QVERIFY(interval.low < value && value < interval.high);
    // Standard error of the mean of these eight: 0.25 x 1.97 / sqrt(8) = 0.174; 95 % is near 4 of
    // it.
    const double width = interval.high - interval.low;
    QVERIFY2(width > 0.45 && width < 0.85, std::to_string(width).c_str());
}

void MetricsTest::intervalOfEqualWindowsIsAPoint() {
    const std::vector<double> sums(9, 3.0);
    const std::vector<double> counts(9, 2.0);
    const Interval interval = bootstrapRatio(sums, counts, 5);
    QCOMPARE(interval.low, 1.5);
    QCOMPARE(interval.high, 1.5);
}

void MetricsTest::intervalWeighsWindowsByTokens() {
    // Five windows of ratio 1 and 1000 tokens, one of ratio 100 and one token: it hardly counts.
    const std::vector<double> sums{1000, 1000, 1000, 1000, 1000, 100};
    const std::vector<double> counts{1000, 1000, 1000, 1000, 1000, 1};
    QVERIFY(bootstrapRatio(sums, counts, 1).high < 1.5);
}

void MetricsTest::fewWindowsGiveNoInterval() {
    const std::vector<double> four(4, 1.0);
    QVERIFY(std::isnan(bootstrapRatio(four, four, 1).low));
    const std::vector<double> five(5, 1.0);
    QCOMPARE(bootstrapRatio(five, five, 1).low, 1.0);
    Json metrics = Json::object();
    putWithInterval(metrics, "kl_mean", 0.5, bootstrapRatio(four, four, 1));
    QCOMPARE(metrics.at("kl_mean").get<double>(), 0.5);
    QVERIFY(metrics.at("kl_mean_low").is_null());
    QVERIFY(metrics.at("kl_mean_high").is_null());
}

void MetricsTest::sameSeedSameInterval() {
    const std::vector<double> sums{1, 2, 3, 4, 5, 6};
    const std::vector<double> counts(6, 1.0);
    QCOMPARE(bootstrapRatio(sums, counts, 3).low, bootstrapRatio(sums, counts, 3).low);
    bool differs = false;
    for (std::uint64_t seed = 4; seed < 12; ++seed) {
        differs = differs ||
                  bootstrapRatio(sums, counts, 3).low != bootstrapRatio(sums, counts, seed).low;
    }
    QVERIFY(differs);
}

void MetricsTest::timingIsTheMedian() {
    Json metrics = Json::object();
    putTiming(metrics, "us", std::array{5.0, 1.0, 9.0});
    QCOMPARE(metrics.at("us").get<double>(), 5.0);
    QCOMPARE(metrics.at("us_min").get<double>(), 1.0);
    QCOMPARE(metrics.at("us_max").get<double>(), 9.0);
}

LATHE_TEST(MetricsTest);

} // namespace lathe

#include "metrics_test.moc"
