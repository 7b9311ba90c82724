// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class BenchClusterTest : public QObject {
    Q_OBJECT
private slots:
    void numbersAgree();
    void extrapolatesFromBothWidthsOnly();
    void refusals();
};

void BenchClusterTest::numbersAgree() {
    const Json metrics =
        metricsOf(specOf("bench.cluster", {{"rows", 40}, {"width", 65}, {"clusters", 4}}));
    const double seconds = metrics.at("seconds").get<double>();
    QVERIFY(seconds > 0.0);
    QVERIFY(metrics.at("seconds_min").get<double>() <= seconds);
    QVERIFY(seconds <= metrics.at("seconds_max").get<double>());
    QVERIFY(std::abs(metrics.at("rows_per_second").get<double>() * seconds - 40.0) < 1e-9);
    QVERIFY(std::abs(metrics.at("us_per_row").get<double>() * 40.0 - 1e6 * seconds) < 1e-3);
    QCOMPARE(metrics.at("checked_rows").get<int>(), 32);
    QVERIFY(!metrics.contains("seconds_llama_7b"));
}

void BenchClusterTest::extrapolatesFromBothWidthsOnly() {
    const auto run = runToEnd(
        specOf("bench.cluster", {{"rows", 1}, {"clusters", 2}}, {{"width", {11008, 64, 4096}}}));
    QCOMPARE(run.done.size(), std::size_t{3});
    const auto microseconds = [&](std::size_t cell) {
        return run.done[cell].metrics.at("us_per_row").get<double>();
    };
    QVERIFY(!run.done[0].metrics.contains("seconds_llama_7b"));
    QVERIFY(!run.done[1].metrics.contains("seconds_llama_7b"));
    const double wanted = 1e-6 * (microseconds(2) * 1228800 + microseconds(0) * 131072);
    const double got = run.done[2].metrics.at("seconds_llama_7b").get<double>();
    QVERIFY(std::abs(got - wanted) < 1e-9 * wanted);
}

void BenchClusterTest::refusals() {
    const auto many = runToEnd(specOf("bench.cluster", {{"rows", 1 << 22}, {"width", 65535}}));
    QCOMPARE(many.exitStatus, 2);
    QVERIFY2(many.last.message.find("--rows") != std::string::npos, many.last.message.c_str());
    QCOMPARE(runToEnd(specOf("bench.cluster", {{"clusters", 0}})).exitStatus, 2);
    QCOMPARE(runToEnd(specOf("bench.cluster", {{"width", 65536}})).exitStatus, 2);
}

LATHE_TEST(BenchClusterTest);

} // namespace lathe

#include "bench_cluster_test.moc"
