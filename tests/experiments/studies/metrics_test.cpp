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
    void tailOfTokens();
    void perplexityOracle();
    void bitsPerByte();
    void intervalHoldsTheValue();
    void intervalOfEqualWindowsIsAPoint();
    void intervalWeighsWindowsByTokens();
    void fewWindowsGiveNoInterval();
    void sameSeedSameInterval();
    void pairedValues();
    void pairedDrawsTakeTheSameWindows();
    void pairedRatioOfNothingIsUnknown();
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

void MetricsTest::tailOfTokens() {
    // 0, 1, ..., 2000 in another order (7 shares no factor with 2001), so that rank r holds r.
    std::vector<float> values;
    for (int i = 0; i < 2001; ++i) {
        values.push_back(static_cast<float>(i * 7 % 2001));
    }
    Json metrics = Json::object();
    putTail(metrics, "kl", values);
    QCOMPARE(metrics.at("kl_median").get<double>(), 1000.0);
    QCOMPARE(metrics.at("kl_p99").get<double>(), 1980.0);
    QCOMPARE(metrics.at("kl_p999").get<double>(), 1998.0);
    const std::array few{4.0F, 1.0F, 3.0F, 2.0F};
    QCOMPARE(percentiles(few, std::array{1.0, 0.25, 0.0}), (std::vector{4.0, 1.75, 1.0}));
    LATHE_VERIFY_THROWS(percentiles({}, std::array{0.5}), InputError, "no values");
    LATHE_VERIFY_THROWS(percentiles(few, std::array{1.5}), InputError, "from 0 to 1");
    const std::array broken{1.0F, std::nanf("")};
    LATHE_VERIFY_THROWS(percentiles(broken, std::array{0.5}), InputError, "not numbers");
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

void MetricsTest::pairedValues() {
    const std::vector<double> a{3, 1, 4, 1, 6};
    const std::vector<double> b{2, 1, 2, 1, 4};
    const std::vector<double> counts{4, 4, 4, 4, 4};
    const PairedComparison both = pairedBootstrap(a, b, counts, 1);
    QCOMPARE(both.difference, 0.25); // (15 - 10) / 20
    QCOMPARE(both.ratio, 1.5);
    QVERIFY(both.differenceInterval.low < 0.25 && both.differenceInterval.high > 0.25);
    QVERIFY(both.ratioInterval.low < 1.5 && both.ratioInterval.high > 1.5);
    // No draw leaves what its best and worst window allow: gaps of 0 to 2 in 4, ratios of 1 to 2.
    QVERIFY(both.differenceInterval.low >= 0.0 && both.differenceInterval.high <= 0.5);
    QVERIFY(both.ratioInterval.low >= 1.0 && both.ratioInterval.high <= 2.0);
    const PairedComparison turned = pairedBootstrap(b, a, counts, 1);
    QVERIFY(std::fabs(turned.differenceInterval.low + both.differenceInterval.high) < 1e-12);
    QVERIFY(std::fabs(turned.ratioInterval.low * both.ratioInterval.high - 1.0) < 0.02);
    LATHE_VERIFY_THROWS(
        pairedBootstrap(a, std::vector<double>(4, 1.0), counts, 1), InputError, "same windows");
    const std::vector<double> four(4, 1.0);
    QVERIFY(std::isnan(pairedBootstrap(four, four, four, 1).differenceInterval.low));
}

void MetricsTest::pairedDrawsTakeTheSameWindows() {
    // Windows from easy to hard, where a is always 1.5 b: whichever are drawn, the ratio is 1.5 and
    // the difference is a third of a. The intervals of either alone are wide.
    const std::vector<double> a{1.5, 3, 6, 12, 24, 48, 96};
    const std::vector<double> b{1, 2, 4, 8, 16, 32, 64};
    const std::vector<double> counts(7, 2.0);
    const PairedComparison both = pairedBootstrap(a, b, counts, 9);
    QCOMPARE(both.ratioInterval.low, 1.5);
    QCOMPARE(both.ratioInterval.high, 1.5);
    const Interval alone = bootstrapRatio(a, counts, 9);
    QVERIFY(alone.high > 3.0 * alone.low);
    QCOMPARE(both.differenceInterval.low, alone.low / 3.0);
    QCOMPARE(both.differenceInterval.high, alone.high / 3.0);
}

void MetricsTest::pairedRatioOfNothingIsUnknown() {
    const std::vector<double> a{1, 2, 3, 4, 5};
    const PairedComparison both =
        pairedBootstrap(a, std::vector<double>(5, 0.0), std::vector<double>(5, 2.0), 1);
    QCOMPARE(both.difference, 1.5);
    QVERIFY(std::isfinite(both.differenceInterval.high));
    QVERIFY(!std::isfinite(both.ratio));
    QVERIFY(std::isnan(both.ratioInterval.low) && std::isnan(both.ratioInterval.high));
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
