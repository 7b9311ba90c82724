// SPDX-License-Identifier: Apache-2.0
#include "experiments/datasets.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>

namespace lathe {

using test::FinishedRun;
using test::runToEnd;
using test::specOf;

class QuantSweepTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void metricsAreComplete();
    void kmeansBeatsRoundToNearest();
    void eightBitsAreCloseToFloat();
    void sizesAreCounted();
    void sameSeedSameNumbers();
    void resumesWithoutTheFloatCell();
    void fewWindowsHaveNoInterval();
    void sensitivitiesImproveOnKmeans();
    void refiningImprovesOnSqueezeLlm();
    void resumedCellsAreComparedToo();
    void eachMatrixAlone();
    void wholeFilesAreMeasured();
    void filesThatAreNoGgufAreRefused();
    void filesOfAnotherModelAreRefused();
    void calibrationIsNotTheScoredText();

private:
    const Json& cell(const std::string& method, int bits) const;
    static Spec smallSweep();
    FinishedRun m_run;
    test::TemporaryFolder m_cache;
};

Spec QuantSweepTest::smallSweep() {
    return specOf(
        "quant.sweep", {{"model", "lm-little"}, {"max_windows", 6}, {"sample_tokens", 8}},
        {{"method", {"rtn", "kmeans"}}, {"bits", {3, 8}}});
}

void QuantSweepTest::initTestCase() {
    qputenv("XDG_CACHE_HOME", m_cache.path().c_str()); // of sensitivities
    m_run = runToEnd(smallSweep());
    QVERIFY2(m_run.last.state == RunState::Done, m_run.last.message.c_str());
    QCOMPARE(m_run.done.size(), 5U);
}

const Json& QuantSweepTest::cell(const std::string& method, int bits) const {
    for (const CellChanged& cell : m_run.done) {
        if (cell.params.at("method") == method && cell.params.at("bits") == bits) {
            return cell.metrics;
        }
    }
    throw std::runtime_error("no such cell");
}

void QuantSweepTest::metricsAreComplete() {
    for (const CellChanged& cell : m_run.done) {
        for (const char* name : {"perplexity", "bits_per_byte", "kl_mean", "top1_agreement"}) {
            const double value = cell.metrics.at(name).get<double>();
            const double low = cell.metrics.at(std::string(name) + "_low").get<double>();
            const double high = cell.metrics.at(std::string(name) + "_high").get<double>();
            QVERIFY2(low <= value && value <= high, name);
        }
        QCOMPARE(cell.metrics.at("windows").get<int>(), 6);
        QCOMPARE(cell.metrics.at("tokens").get<int>(), 6 * 255);
        QCOMPARE(cell.metrics.at("kl_windows").size(), 6U);
        QCOMPARE(cell.metrics.at("token_windows"), Json(std::vector<double>(6, 255.0)));
        QVERIFY(cell.metrics.at("kl_median") <= cell.metrics.at("kl_p99"));
        QVERIFY(cell.metrics.at("kl_p99") <= cell.metrics.at("kl_p999"));
        QCOMPARE(cell.metrics.at("sample_ids").size(), 8U);
        QVERIFY(!cell.metrics.at("sample").get<std::string>().empty());
        QVERIFY(cell.metrics.at("seconds").get<double>() > 0.0);
        QCOMPARE(
            cell.metrics.at("protocol"),
            Json("window 256, stride 256, bos document, tail drop, clean none, first 6 windows"));
    }
    QCOMPARE(cell("float", 16).at("kl_mean").get<double>(), 0.0);
    QCOMPARE(cell("float", 16).at("top1_agreement").get<double>(), 1.0);
}

void QuantSweepTest::kmeansBeatsRoundToNearest() {
    QVERIFY(cell("kmeans", 3).at("kl_mean") < cell("rtn", 3).at("kl_mean"));
    QVERIFY(cell("kmeans", 3).at("perplexity") < cell("rtn", 3).at("perplexity"));
    QVERIFY(cell("kmeans", 3).at("top1_agreement") > cell("rtn", 3).at("top1_agreement"));
}

void QuantSweepTest::eightBitsAreCloseToFloat() {
    const double wanted = cell("float", 16).at("perplexity").get<double>();
    for (const char* method : {"rtn", "kmeans"}) {
        const double got = cell(method, 8).at("perplexity").get<double>();
        QVERIFY2(std::fabs(got / wanted - 1.0) < 0.005, method);
        QVERIFY(cell(method, 8).at("kl_mean").get<double>() > 0.0);
    }
}

void QuantSweepTest::sizesAreCounted() {
    // A row of 128 or 352 weights carries a table of 8 F16 entries: between 3.36 and 4.00 bits.
    const double table = cell("kmeans", 3).at("average_bits").get<double>();
    QVERIFY2(table > 3.0 && table < 4.01, std::to_string(table).c_str());
    QVERIFY(cell("rtn", 3).at("average_bits") < cell("rtn", 8).at("average_bits"));
    QVERIFY(cell("rtn", 3).at("bytes") < cell("rtn", 8).at("bytes"));
    QVERIFY(cell("rtn", 8).at("bytes") < cell("float", 16).at("bytes"));
    QCOMPARE(cell("float", 16).at("average_bits").get<double>(), 16.0);
}

void QuantSweepTest::sameSeedSameNumbers() {
    const FinishedRun again = runToEnd(smallSweep());
    for (std::size_t i = 0; i < m_run.done.size(); ++i) {
        Json first = m_run.done[i].metrics;
        Json second = again.done.at(i).metrics;
        for (const char* timing : {"seconds", "quantize_seconds"}) {
            first.erase(timing);
            second.erase(timing);
        }
        QCOMPARE(dumpJson(second), dumpJson(first));
    }
}

void QuantSweepTest::resumesWithoutTheFloatCell() {
    Spec spec = smallSweep();
    for (std::size_t i = 0; i + 1 < m_run.done.size(); ++i) {
        spec.done.push_back(m_run.done[i].key);
    }
    const FinishedRun rest = runToEnd(spec);
    QCOMPARE(rest.done.size(), 1U);
    QCOMPARE(rest.done[0].metrics.at("kl_mean"), m_run.done.back().metrics.at("kl_mean"));
}

void QuantSweepTest::fewWindowsHaveNoInterval() {
    Spec spec = specOf(
        "quant.sweep", {{"model", "lm-little"},
                        {"max_windows", 4},
                        {"method", "rtn"},
                        {"bits", 4},
                        {"sample_tokens", 0}});
    for (const CellChanged& cell : runToEnd(spec).done) {
        QVERIFY(cell.metrics.at("perplexity").is_number());
        QVERIFY(cell.metrics.at("perplexity_low").is_null());
        QVERIFY(cell.metrics.at("kl_mean_high").is_null());
    }
}

/// All of SqueezeLLM on a small model: dense, then dense and sparse.
void QuantSweepTest::sensitivitiesImproveOnKmeans() {
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep",
        {{"model", "lm-little"},
         {"max_windows", 6},
         {"sample_tokens", 0},
         {"bits", 3},
         {"calibration_samples", 40}},
        {{"method", {"kmeans", "squeezellm", "squeezellm-sparse", "lloyd"}}}));
    QVERIFY2(run.last.state == RunState::Done, run.last.message.c_str());
    QCOMPARE(run.done.size(), 5U);
    const Json &kmeans = run.done[1].metrics, &dense = run.done[2].metrics,
               &sparse = run.done[3].metrics, &lloyd = run.done[4].metrics;
    QVERIFY(!kmeans.contains("predicted_kl"));
    QVERIFY(sparse.at("kl_mean") < kmeans.at("kl_mean"));
    const double ratio = sparse.at("kl_over_kmeans").get<double>();
    QCOMPARE_LE(
        std::fabs(ratio - sparse.at("kl_mean").get<double>() / kmeans.at("kl_mean").get<double>()),
        1e-12);
    QVERIFY(sparse.at("kl_over_kmeans_low") < sparse.at("kl_over_kmeans"));
    QVERIFY(sparse.at("kl_over_kmeans") < sparse.at("kl_over_kmeans_high"));
    // Exactly the share asked for, on 401,408 weights; the tables' own error shrinks with it.
    QCOMPARE_LE(std::fabs(sparse.at("sparse_share").get<double>() - 0.0045), 1e-4);
    QCOMPARE(dense.at("sparse_share"), Json(0.0));
    QVERIFY(sparse.at("bytes") > dense.at("bytes"));
    QVERIFY(sparse.at("predicted_kl") < dense.at("predicted_kl"));
    QVERIFY(dense.at("predicted_kl") < lloyd.at("predicted_kl")); // the optimum, and near it
    QVERIFY(sparse.at("fence_factor").get<double>() > 1.0);
}

/// Tables chosen for what the outputs lose are nearer to the float model, of the same size.
void QuantSweepTest::refiningImprovesOnSqueezeLlm() {
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep",
        {{"model", "lm-little"},
         {"max_windows", 6},
         {"sample_tokens", 0},
         {"bits", 2},
         {"calibration_samples", 40}},
        {{"method", {"kmeans", "squeezellm", "refined"}}}));
    QVERIFY2(run.last.state == RunState::Done, run.last.message.c_str());
    QCOMPARE(run.done.size(), 4U);
    const Json &dense = run.done[2].metrics, &refined = run.done[3].metrics;
    QVERIFY(refined.at("kl_mean").get<double>() < 0.95 * dense.at("kl_mean").get<double>());
    QVERIFY(refined.at("kl_over_kmeans").get<double>() < 1.0);
    QVERIFY(refined.at("predicted_kl").get<double>() > 0.0);
    QCOMPARE(refined.at("bytes"), dense.at("bytes"));
    QCOMPARE(refined.at("sparse_share"), Json(0.0));
}

/// A resumed sweep measures what it compares with once more: equal keys, equal numbers.
void QuantSweepTest::resumedCellsAreComparedToo() {
    Spec spec = specOf(
        "quant.sweep", {{"model", "lm-little"}, {"max_windows", 6}, {"sample_tokens", 0}},
        {{"method", {"rtn", "kmeans"}}, {"bits", {3}}});
    const FinishedRun whole = runToEnd(spec);
    QCOMPARE(whole.done.size(), 3U);
    spec.done = {whole.done[0].key, whole.done[2].key}; // k-means among them
    const FinishedRun rest = runToEnd(spec);
    QCOMPARE(rest.done.size(), 1U);
    QVERIFY(rest.done[0].metrics.at("kl_over_kmeans").get<double>() > 1.0);
    for (const char* name : {"kl_over_kmeans", "kl_over_kmeans_low", "kl_over_kmeans_high"}) {
        QCOMPARE(rest.done[0].metrics.at(name), whole.done[1].metrics.at(name));
    }
}

/// Prediction and measurement of single matrices.
void QuantSweepTest::eachMatrixAlone() {
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep", {{"model", "lm-little"},
                        {"max_windows", 2},
                        {"sample_tokens", 0},
                        {"method", "rtn"},
                        {"bits", 3},
                        {"tensors", "each"},
                        {"predict", true},
                        {"calibration_samples", 2}}));
    QVERIFY2(run.last.state == RunState::Done, run.last.message.c_str());
    QCOMPARE(run.done.size(), 1U + 2U * 7U);
    for (std::size_t i = 1; i < run.done.size(); ++i) {
        const Json& metrics = run.done[i].metrics;
        QVERIFY(metrics.at("kl_mean").get<double>() > 0.0);
        QVERIFY(metrics.at("predicted_kl").get<double>() > 0.0);
        // One matrix of fourteen: most bytes stay.
        QVERIFY(metrics.at("bytes") < run.done[0].metrics.at("bytes"));
        QVERIFY(
            metrics.at("bytes").get<double>() >
            0.9 * run.done[0].metrics.at("bytes").get<double>());
    }
}

/// Files of llama.cpp beside what is quantized here: one cell each, however many bits are swept.
void QuantSweepTest::wholeFilesAreMeasured() {
    const auto file = [](const char* name) {
        return "gguf:" + test::fixture(std::string("gguf/lm-little-") + name + ".gguf").string();
    };
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep", {{"model", "lm-little"}, {"max_windows", 2}, {"sample_tokens", 4}},
        {{"method", {"rtn", file("f16"), file("q8_0")}}, {"bits", {3, 8}}}));
    QVERIFY2(run.last.state == RunState::Done, run.last.message.c_str());
    QCOMPARE(run.done.size(), 1U + 2U + 2U);
    const auto metricsOf = [&run](const std::string& method) -> const Json& {
        const auto at = std::ranges::find_if(run.done, [&method](const CellChanged& cell) {
            return cell.params.at("method") == method;
        });
        return at->metrics;
    };
    const Json& reference = metricsOf("float");
    const Json& same = metricsOf(file("f16"));
    const Json& eight = metricsOf(file("q8_0"));
    // The weights of the model itself in another order: up to the rounding of sums.
    QVERIFY(std::fabs(same.at("kl_mean").get<double>()) < 1e-6);
    QCOMPARE(same.at("sample_ids"), reference.at("sample_ids"));
    QCOMPARE(same.at("average_bits").get<double>(), 16.0);
    QCOMPARE(eight.at("average_bits").get<double>(), 8.5); // 32 codes and a scale in 34 bytes
    QVERIFY(eight.at("bytes") < same.at("bytes"));
    const double away = eight.at("kl_mean").get<double>();
    QVERIFY2(away > 1e-6 && away < 0.01, std::to_string(away).c_str());
    QVERIFY(eight.at("kl_mean") < metricsOf("rtn").at("kl_mean")); // of 3 bits
}

void QuantSweepTest::filesOfAnotherModelAreRefused() {
    const auto file = test::fixture("gguf/qwen2-f16.gguf");
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep", {{"model", "lm-little"},
                        {"max_windows", 1},
                        {"sample_tokens", 0},
                        {"method", "gguf:" + file.string()}}));
    QCOMPARE(run.done.size(), 1U); // the float model
    bool said = false;
    for (const Event& event : run.events) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        said = said || (cell != nullptr && cell->state == CellState::Failed &&
                        cell->message.find("a vocabulary of") != std::string::npos);
    }
    QVERIFY(said);
}

void QuantSweepTest::filesThatAreNoGgufAreRefused() {
    const test::TemporaryFolder folder;
    const auto file = folder.path() / "other.gguf";
    const FinishedRun missing = runToEnd(
        specOf("quant.sweep", {{"model", "lm-little"}, {"method", "gguf:" + file.string()}}));
    QCOMPARE(missing.last.state, RunState::Failed);
    QVERIFY2(
        missing.last.message.find(file.string()) != std::string::npos,
        missing.last.message.c_str());
}

void QuantSweepTest::calibrationIsNotTheScoredText() {
    const FinishedRun run = runToEnd(specOf(
        "quant.sweep", {{"model", "lm-little"},
                        {"method", "squeezellm"},
                        {"max_windows", 1},
                        {"sample_tokens", 0},
                        {"calibration", defaultTextPath().string()}}));
    QCOMPARE(run.exitStatus, 2); // before anything is measured
    QCOMPARE(run.done.size(), 0U);
    QVERIFY2(
        run.last.message.find("calibrate on another one") != std::string::npos,
        run.last.message.c_str());
}

LATHE_TEST(QuantSweepTest);

} // namespace lathe

#include "quant_sweep_test.moc"
