// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class BenchGemvTest : public QObject {
    Q_OBJECT
private slots:
    void numbersAreFinite_data();
    void numbersAreFinite();
    void countsBytes();
    void sparsePart_data();
    void sparsePart();
    void refusesSparseDense();
    void refusesBadShapes();
};

void BenchGemvTest::numbersAreFinite_data() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("batch");
    QTest::newRow("1 bit") << 1 << 1;
    QTest::newRow("3 bit, batch 5") << 3 << 5;
    QTest::newRow("4 bit") << 4 << 1;
    QTest::newRow("8 bit, batch 8") << 8 << 8;
    QTest::newRow("dense") << 16 << 2;
    QTest::newRow("4 bit, batch 20") << 4 << 20;
}

void BenchGemvTest::numbersAreFinite() {
    QFETCH(int, bits);
    QFETCH(int, batch);
    const Json metrics =
        metricsOf(specOf("bench.gemv", {{"shape", "37x65"}, {"bits", bits}, {"batch", batch}}));
    for (const char* name :
         {"us", "us_min", "us_max", "gb_per_s", "copy_gb_per_s", "share_of_copy", "fp16_us",
          "speedup_over_fp16"}) {
        QVERIFY2(metrics.at(name).is_number(), name);
        QVERIFY2(metrics.at(name).get<double>() > 0.0, name);
    }
    QVERIFY(metrics.at("us_min").get<double>() <= metrics.at("us").get<double>());
    QVERIFY(metrics.at("us").get<double>() <= metrics.at("us_max").get<double>());
    QVERIFY(metrics.at("max_error").get<double>() < 1e-5);
    QCOMPARE(metrics.contains("tflops"), batch > 8);
}

void BenchGemvTest::countsBytes() {
    // 8 rows of 40 3-bit codes: 120 bits are 4 words; tables of 8 F16; vectors of 40 and 8 F32.
    const Json table = metricsOf(specOf("bench.gemv", {{"shape", "8x40"}, {"bits", 3}}));
    QCOMPARE(table.at("bytes").get<int>(), 8 * 16 + 8 * 8 * 2 + (40 + 8) * 4);
    const Json dense = metricsOf(specOf("bench.gemv", {{"shape", "8x40"}, {"bits", 16}}));
    QCOMPARE(dense.at("bytes").get<int>(), 8 * 40 * 2 + (40 + 8) * 4);
    QCOMPARE(dense.at("speedup_over_fp16").get<double>(), 1.0);
}

void BenchGemvTest::sparsePart_data() {
    QTest::addColumn<double>("percent");
    QTest::addColumn<double>("skew");
    QTest::addColumn<int>("values");
    QTest::newRow("even") << 5.0 << 0.0 << 960;
    QTest::newRow("skewed") << 1.0 << 0.4 << 192;
    QTest::newRow("full rows cannot hold their share") << 10.0 << 1.0 << 1920;
}

/// The product is compared with a sum in double precision before it is timed.
void BenchGemvTest::sparsePart() {
    QFETCH(double, percent);
    QFETCH(double, skew);
    QFETCH(int, values);
    const Json metrics = metricsOf(specOf(
        "bench.gemv", {{"shape", "300x64"}, {"bits", 3}, {"sparsity", percent}, {"skew", skew}}));
    const int dense = 300 * 24 + 300 * 8 * 2 + (64 + 300) * 4;
    QCOMPARE(metrics.at("bytes").get<int>(), dense + 301 * 4 + values * 4);
    QVERIFY(metrics.at("sparse_cost").get<double>() > 0.0);
    QVERIFY(metrics.at("max_error").get<double>() < 1e-5);
}

void BenchGemvTest::refusesSparseDense() {
    const auto run = runToEnd(specOf("bench.gemv", {{"bits", 16}, {"sparsity", 0.45}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("--sparsity") != std::string::npos);
}

void BenchGemvTest::refusesBadShapes() {
    for (const char* shape :
         {"", "12", "x", "3x", "x3", "0x4", "4x-1", "3x4x5", "9999999x1", "a4x4"}) {
        const auto run = runToEnd(specOf("bench.gemv", {{"shape", shape}}));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY(run.last.message.find("--shape") != std::string::npos);
    }
}

LATHE_TEST(BenchGemvTest);

} // namespace lathe

#include "bench_gemv_test.moc"
