// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama.h"
#include "experiments/studies/random_llama.h"
#include "kernels/core/half.h"
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
    void weightsAreNormalAndRepeatable();
    void shapesHaveTheirSizes();
};

void BenchSensitivityTest::numbersAgree() {
    const Json metrics =
        metricsOf(specOf("bench.sensitivity", {{"shape", "tiny"}, {"samples", 3}, {"length", 17}}));
    const double seconds = metrics.at("seconds").get<double>();
    QVERIFY(seconds > 0.0);
    QVERIFY(std::abs(metrics.at("tokens_per_s").get<double>() * seconds - 48.0) < 1e-9);
    // Weights this small say nothing of the next token.
    QVERIFY(std::abs(metrics.at("loss").get<double>() - std::log(320.0)) < 0.05);
    QVERIFY(
        metrics.at("estimate_bytes").get<std::int64_t>() >
        metrics.at("weight_bytes").get<std::int64_t>());
    QVERIFY(!metrics.contains("peak_bytes")); // on a GPU alone
}

void BenchSensitivityTest::refusals() {
    QCOMPARE(runToEnd(specOf("bench.sensitivity", {{"shape", "huge"}})).exitStatus, 2);
    QCOMPARE(runToEnd(specOf("bench.sensitivity", {{"length", 1}})).exitStatus, 2);
}

void BenchSensitivityTest::weightsAreNormalAndRepeatable() {
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    ExecContext one(Device{}, {.threads = 1}), three(Device{}, {.threads = 3});
    const std::string q = "model.layers.1.self_attn.q_proj.weight";
    const auto values = [&](ExecContext& cpu, const std::string& name, std::uint64_t seed) {
        const Tensor tensor = RandomLlama(run, cpu, "tiny", seed).tensor(name);
        std::vector<float> wide;
        for (const BFloat16 value : tensor.view().as<BFloat16>()) {
            wide.push_back(toFloat(value));
        }
        return wide;
    };
    const std::vector<float> first = values(one, q, 1);
    QCOMPARE(values(three, q, 1), first);
    QVERIFY(values(one, q, 2) != first);
    QVERIFY(values(one, "model.layers.2.self_attn.q_proj.weight", 1) != first);
    QCOMPARE(values(one, "model.norm.weight", 1), std::vector<float>(64, 1.0F));
    double sum = 0.0, squares = 0.0;
    for (const float value : first) {
        sum += static_cast<double>(value);
        squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const auto count = static_cast<double>(first.size());
    QVERIFY(std::abs(sum / count) < 5.0 * 0.02 / std::sqrt(count));
    QVERIFY(std::abs(std::sqrt(squares / count) - 0.02) < 0.001);
    LATHE_VERIFY_THROWS(RandomLlama(run, one, "tiny", 1).tensor("x"), FormatError, "'x'");
    LATHE_VERIFY_THROWS(RandomLlama(run, one, "huge", 1), InputError, "huge");
}

void BenchSensitivityTest::shapesHaveTheirSizes() {
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    ExecContext cpu(Device{}, {.threads = 1});
    const auto parameters = [&](const std::string& shape) {
        std::int64_t sum = 0;
        const RandomLlama checkpoint(run, cpu, shape, 1);
        for (const auto& [name, entry] : checkpoint.entries()) {
            sum += entry.shape.elementCount();
        }
        return sum;
    };
    QCOMPARE(parameters("llama-7b"), std::int64_t{6738415616});
    QCOMPARE(parameters("llama-13b"), std::int64_t{13015864320});
    QCOMPARE(parameters("tinyllama"), std::int64_t{1100048384});
    const auto tiny = LlamaModel::load(RandomLlama(run, cpu, "tiny", 1), cpu);
    QCOMPARE(tiny->parameterCount(), parameters("tiny"));
}

LATHE_TEST(BenchSensitivityTest);

} // namespace lathe

#include "bench_sensitivity_test.moc"
