// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/speculative_pair.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class BenchSpeculativeTest : public QObject {
    Q_OBJECT
private slots:
    void numbersAgree_data();
    void numbersAgree();
    void tokensFollowTheAgreement();
    void bytesAreThoseOfAStep();
    void refusesBadParameters();
};

void BenchSpeculativeTest::numbersAgree_data() {
    QTest::addColumn<QString>("shape");
    QTest::addColumn<int>("bits");
    QTest::newRow("encoder-decoder") << "t5-tiny" << 16;
    QTest::newRow("decoder") << "tiny" << 16;
    QTest::newRow("decoder, 4 bits") << "tiny" << 4;
}

void BenchSpeculativeTest::numbersAgree() {
    QFETCH(QString, shape);
    QFETCH(int, bits);
    const Json metrics = metricsOf(specOf(
        "bench.speculative", {{"shape", shape.toStdString()},
                              {"bits", bits},
                              {"agreement", 0.5},
                              {"draft_length", 2},
                              {"context", 9},
                              {"source", 5},
                              {"calls", 4}}));
    const auto value = [&](const char* name) { return metrics.at(name).get<double>(); };
    for (const char* name :
         {"ms_per_token", "big_ms_per_token", "little_ms_per_step", "verify_ms"}) {
        QVERIFY2(value(name) > 0.0, name);
    }
    const auto near = [](double a, double b) { return std::abs(a / b - 1.0) < 1e-9; };
    QVERIFY(near(value("gain"), value("big_ms_per_token") / value("ms_per_token")));
    QVERIFY(near(value("c"), value("little_ms_per_step") / value("big_ms_per_token")));
    QVERIFY(near(value("v"), value("verify_ms") / value("big_ms_per_token")));
    QVERIFY(near(value("formula_gain"), 1.75 / (2.0 * value("c") + value("v"))));
    QVERIFY(near(value("ideal_gain"), 1.75 / (2.0 * value("c") + 1.0)));
    QVERIFY(near(value("share_of_formula"), value("gain") / value("formula_gain")));
    QCOMPARE(value("tokens_per_call"), 1.75); // 4 calls: 2 keep none, 1 keeps one, 1 keeps both
}

void BenchSpeculativeTest::tokensFollowTheAgreement() {
    for (const auto& [agreement, tokens] : {std::pair{0.0, 1.0}, {1.0, 4.0}}) {
        const Json metrics = metricsOf(specOf(
            "bench.speculative", {{"shape", "t5-tiny"},
                                  {"agreement", agreement},
                                  {"draft_length", 3},
                                  {"context", 1},
                                  {"source", 3},
                                  {"calls", 3}}));
        QCOMPARE(metrics.at("tokens_per_call").get<double>(), tokens);
    }
}

void BenchSpeculativeTest::bytesAreThoseOfAStep() {
    // Of the big "tiny", as bench.decode counts them: two blocks of 28672 weights in F16.
    const std::int64_t block = (64 * 64 * 2 + 32 * 64 * 2 + 160 * 64 * 3) * 2 + 2 * 64 * 4;
    const std::int64_t weights = 2 * block + 256 * 64 * 2 + 64 * 4 + 64 * 2;
    const Json metrics = metricsOf(specOf(
        "bench.speculative", {{"shape", "tiny"},
                              {"agreement", 1.0},
                              {"draft_length", 1},
                              {"context", 10},
                              {"calls", 2}}));
    const std::int64_t middle = 10 + 4 / 2;
    QCOMPARE(
        metrics.at("bytes_per_token").get<std::int64_t>(), weights + middle * 2 * 2 * 2 * 16 * 4);
}

void BenchSpeculativeTest::refusesBadParameters() {
    const auto refused = [](const Json& params, const char* what) {
        const auto run = runToEnd(specOf("bench.speculative", params));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY2(run.last.message.find(what) != std::string::npos, run.last.message.c_str());
    };
    refused({{"shape", "tiny"}, {"bits", 9}}, "--bits");
    refused({{"shape", "t5-tiny"}, {"bits", 4}}, "F16 alone");
    refused({{"shape", "tiny"}, {"context", 2048}, {"calls", 1000}}, "positions");
}

LATHE_TEST(BenchSpeculativeTest);

} // namespace lathe

#include "bench_speculative_test.moc"
