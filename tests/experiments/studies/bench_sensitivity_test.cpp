// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/models/llama_random.h"
#include "experiments/studies/llama_shapes.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class BenchSensitivityTest : public QObject {
    Q_OBJECT
private slots:
    void numbersAgree();
    void refusals();
    void shapesHaveTheirSizes();
};

void BenchSensitivityTest::numbersAgree() {
    const Json metrics =
        metricsOf(specOf("bench.sensitivity", {{"shape", "tiny"}, {"samples", 3}, {"length", 17}}));
    const double seconds = metrics.at("seconds").get<double>();
    QVERIFY(seconds > 0.0);
    QVERIFY(std::abs(metrics.at("tokens_per_s").get<double>() * seconds - 48.0) < 1e-9);
    // Normal logits that know nothing of the next token.
    QVERIFY(std::abs(metrics.at("loss").get<double>() - std::log(256.0) - 0.5) < 0.4);
    QVERIFY(
        metrics.at("estimate_bytes").get<std::int64_t>() >
        metrics.at("weight_bytes").get<std::int64_t>());
    QVERIFY(!metrics.contains("peak_bytes")); // on a GPU alone
}

void BenchSensitivityTest::refusals() {
    QCOMPARE(runToEnd(specOf("bench.sensitivity", {{"shape", "huge"}})).exitStatus, 2);
    QCOMPARE(runToEnd(specOf("bench.sensitivity", {{"length", 1}})).exitStatus, 2);
}

void BenchSensitivityTest::shapesHaveTheirSizes() {
    const auto parameters = [](const std::string& shape) {
        const LlamaConfig c = llamaShape(shape);
        const std::int64_t keys = c.kvHeads * c.headDim;
        const std::int64_t block = c.hiddenSize * (2 * c.hiddenSize + 2 * keys) +
                                   3 * c.hiddenSize * c.intermediateSize + 2 * c.hiddenSize;
        return c.layers * block + (2 * c.vocabularySize + 1) * c.hiddenSize;
    };
    QCOMPARE(parameters("llama-7b"), std::int64_t{6738415616});
    QCOMPARE(parameters("llama-13b"), std::int64_t{13015864320});
    QCOMPARE(parameters("tinyllama"), std::int64_t{1100048384});
    ExecContext cpu(Device{}, {.threads = 1});
    const auto tiny = randomLlama(llamaShape("tiny"), {.bits = kDenseBits}, cpu);
    QCOMPARE(tiny->parameterCount(), parameters("tiny"));
    LATHE_VERIFY_THROWS(llamaShape("huge"), InputError, "huge");
}

LATHE_TEST(BenchSensitivityTest);

} // namespace lathe

#include "bench_sensitivity_test.moc"
