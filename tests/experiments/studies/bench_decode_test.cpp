// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class BenchDecodeTest : public QObject {
    Q_OBJECT
private slots:
    void numbersAreFinite_data();
    void numbersAreFinite();
    void countsBytes();
    void refusesWhatDoesNotFit();
    void refusesBadParameters();
};

void BenchDecodeTest::numbersAreFinite_data() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("batch");
    QTest::addColumn<int>("context");
    QTest::newRow("4 bit") << 4 << 1 << 128;
    QTest::newRow("first token") << 3 << 1 << 1;
    QTest::newRow("8 bit, batch 3") << 8 << 3 << 17;
    QTest::newRow("dense, batch 16") << 16 << 16 << 5;
}

void BenchDecodeTest::numbersAreFinite() {
    QFETCH(int, bits);
    QFETCH(int, batch);
    QFETCH(int, context);
    const Json metrics = metricsOf(specOf(
        "bench.decode", {{"shape", "tiny"},
                         {"bits", bits},
                         {"batch", batch},
                         {"context", context},
                         {"tokens", 2}}));
    for (const char* name :
         {"ms_per_token", "ms_per_token_min", "ms_per_token_max", "tokens_per_s", "gb_per_s",
          "copy_gb_per_s", "share_of_copy", "model_bytes"}) {
        QVERIFY2(metrics.at(name).is_number(), name);
        QVERIFY2(metrics.at(name).get<double>() > 0.0, name);
    }
    const double time = metrics.at("ms_per_token").get<double>();
    QVERIFY(metrics.at("ms_per_token_min").get<double>() <= time);
    QVERIFY(time <= metrics.at("ms_per_token_max").get<double>());
    QVERIFY(std::abs(metrics.at("tokens_per_s").get<double>() * time / (1e3 * batch) - 1.0) < 1e-9);
    QVERIFY(metrics.at("kernels_per_token").is_null()); // of a graph, which a CPU has not
}

void BenchDecodeTest::countsBytes() {
    // Per block of "tiny": q and o [64, 64], k and v [32, 64], gate and up [160, 64], down
    // [64, 160]. 64 3-bit codes are 6 words, 160 are 15; a table has 8 F16. Two norms of 64 F32.
    const std::int64_t rows64 = 64 + 32 + 32 + 64 + 160 + 160;
    const std::int64_t block = rows64 * (6 * 4 + 16) + 64 * (15 * 4 + 16) + 2 * 64 * 4;
    const std::int64_t head = 256 * 64 * 2, norm = 64 * 4;
    const Json metrics = metricsOf(specOf(
        "bench.decode",
        {{"shape", "tiny"}, {"bits", 3}, {"batch", 2}, {"context", 10}, {"tokens", 1}}));
    const std::int64_t weights = 2 * block + head + norm + 2 * 64 * 2; // rows of the embedding
    const std::int64_t caches = 2LL * 2 * 2 * 10 * 2 * 16 * 4;
    QCOMPARE(metrics.at("weight_bytes").get<std::int64_t>(), weights);
    QCOMPARE(metrics.at("cache_bytes").get<std::int64_t>(), caches);
    QCOMPARE(metrics.at("bytes_per_token").get<std::int64_t>(), weights + caches);
}

void BenchDecodeTest::refusesWhatDoesNotFit() {
    // 13B in F16 and caches of 16 x 4096 positions in F32: 24 + 100 GiB.
    if (deviceInfo(Device{}).freeBytes > std::int64_t{124} << 30) {
        QSKIP("this machine has room for the largest model");
    }
    const auto run = runToEnd(specOf(
        "bench.decode", {{"shape", "llama-13b"}, {"bits", 16}, {"batch", 16}, {"context", 4096}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("MiB are free") != std::string::npos);
    QVERIFY(run.last.message.find("--batch") != std::string::npos);
}

void BenchDecodeTest::refusesBadParameters() {
    const auto refused = [](Json params, const char* flag) {
        const auto run = runToEnd(specOf("bench.decode", std::move(params)));
        return run.exitStatus == 2 && run.last.message.find(flag) != std::string::npos;
    };
    QVERIFY(refused({{"shape", "llama-8b"}}, "--shape"));
    QVERIFY(refused({{"shape", "tiny"}, {"bits", 9}}, "--bits"));
    QVERIFY(refused({{"shape", "tiny"}, {"batch", 17}}, "--batch"));
    QVERIFY(refused({{"shape", "tiny"}, {"context", 0}}, "--context"));
    QVERIFY(refused({{"shape", "tiny"}, {"bits", 16}, {"sparsity", 1.0}}, "--sparsity"));
}

LATHE_TEST(BenchDecodeTest);

} // namespace lathe

#include "bench_decode_test.moc"
