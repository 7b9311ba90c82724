// SPDX-License-Identifier: Apache-2.0
#include "engine/core/budget.h"
#include "engine/io/checkpoint.h"
#include "engine/io/mapped_file.h"
#include "experiments/runner.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

namespace {

/// Of lm-little's block matrices: two layers of 4 * 128 * 128 + 3 * 352 * 128.
constexpr double kWeights = 401408.0;

/// A plan alone, of sensitivities that are quickly computed.
Spec specWith(const Json& params) {
    Json all{
        {"model", "lm-little"},
        {"calibration_samples", 2},
        {"calibration_length", 24},
        {"measure", false}};
    all.update(params);
    return specOf("quant.budget", std::move(all));
}

std::vector<std::filesystem::path>
cacheFiles(const std::filesystem::path& cache, const char* what) {
    std::vector<std::filesystem::path> found;
    if (std::filesystem::exists(cache / "lathe" / what)) {
        for (const auto& entry :
             std::filesystem::recursive_directory_iterator(cache / "lathe" / what)) {
            if (entry.is_regular_file()) {
                found.push_back(entry.path());
            }
        }
    }
    std::ranges::sort(found);
    return found;
}

std::vector<std::filesystem::path> curveFiles(const std::filesystem::path& cache) {
    return cacheFiles(cache, "curves");
}

int warnings(const test::FinishedRun& run) {
    int count = 0;
    for (const Event& event : run.events) {
        const auto* line = std::get_if<LogLine>(&event.payload);
        count += line != nullptr && line->level == LogLevel::Warning &&
                         line->text.find("a damaged cache file") != std::string::npos
                     ? 1
                     : 0;
    }
    return count;
}

} // namespace

/// On a cache folder of the test's own, which all share.
class QuantBudgetTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void cleanupTestCase();
    void averageBitsAreKept_data();
    void averageBitsAreKept();
    void noFileExceedsItsBytes();
    void theWindowCanPlanByItself();
    void mixedPlansAreMeasured();
    void curvesAreWorkedOutOnce();
    void aCancelledRunGoesOnWhereItStopped();
    void damagedCurvesAreWorkedOutAgain();
    void lossesCorrectTheCurves();
    void lossesAreMeasuredOnce();
    void cancelledLossesGoOnWhereTheyStopped();
    void oneLimitIsNeeded();
    void impossibleLimitsNameTheLeast();
    void leastBitsAreKept();
    void nothingIsOverwritten();

private:
    std::filesystem::path cache() const { return m_folder->path() / "cache"; }

    std::unique_ptr<test::TemporaryFolder> m_folder;
    QByteArray m_before;
};

void QuantBudgetTest::initTestCase() {
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_before = qgetenv("XDG_CACHE_HOME");
    qputenv("XDG_CACHE_HOME", cache().c_str());
}

void QuantBudgetTest::cleanupTestCase() {
    if (m_before.isNull()) {
        qunsetenv("XDG_CACHE_HOME");
    } else {
        qputenv("XDG_CACHE_HOME", m_before);
    }
    m_folder.reset();
}

void QuantBudgetTest::averageBitsAreKept_data() {
    QTest::addColumn<double>("limit");
    for (const double limit : {2.5, 2.71, 3.4, 4.5, 6.0}) {
        QTest::addRow("%g", limit) << limit;
    }
}

void QuantBudgetTest::averageBitsAreKept() {
    QFETCH(double, limit);
    const Json metrics = metricsOf(specWith({{"average_bits", limit}}));
    const double bits = metrics.at("average_bits").get<double>();
    QVERIFY(bits <= limit && bits > limit - 0.05);
    QVERIFY(!metrics.contains("file_bytes"));
    QCOMPARE(metrics.at("plan").size(), 14U);
    // Planning with mixed bits never does worse than the same for all.
    const double predicted = metrics.at("predicted_kl").get<double>();
    if (!metrics.at("uniform_predicted_kl").is_null()) {
        QVERIFY(predicted <= metrics.at("uniform_predicted_kl").get<double>());
    }
    // Neither at the very size of any uniform plan.
    for (const Json& uniform : metrics.at("uniform")) {
        if (uniform.at(2).get<double>() <=
            metrics.at("bytes").get<double>() - metrics.at("fixed_bytes").get<double>()) {
            QVERIFY(predicted <= uniform.at(3).get<double>());
        }
    }
}

void QuantBudgetTest::noFileExceedsItsBytes() {
    const Json facts = metricsOf(specWith({{"average_bits", 3.0}}));
    const auto least = facts.at("least_bytes").get<std::int64_t>();
    const auto most = facts.at("most_bytes").get<std::int64_t>();
    for (const std::int64_t limit : {least, (2 * least + most) / 3, most + 1000}) {
        const auto out = m_folder->path() / ("model-" + std::to_string(limit));
        const Json metrics = metricsOf(specWith({{"bytes", limit}, {"out", out.string()}}));
        const auto onDisk =
            static_cast<std::int64_t>(std::filesystem::file_size(out / "model.safetensors"));
        QVERIFY(onDisk <= limit);
        QCOMPARE(metrics.at("file_bytes").get<std::int64_t>(), onDisk);
        // The bound is some bytes of each tensor from the truth.
        const auto planned = metrics.at("planned_file_bytes").get<std::int64_t>();
        QVERIFY(onDisk <= planned && planned < onDisk + 3000);
        QVERIFY(planned <= limit);
        if (limit > least && limit < most) {
            QVERIFY(planned > limit - 2000);
        }
        const auto written = Checkpoint::open(out);
        QCOMPARE(
            8.0 * static_cast<double>(storedBlockMatrixBytes(*written)),
            std::round(metrics.at("average_bits").get<double>() * kWeights));
        std::filesystem::remove_all(out);
    }
}

/// The stored curves are all that it takes.
void QuantBudgetTest::theWindowCanPlanByItself() {
    const Json metrics = metricsOf(specWith({{"average_bits", 3.3}}));
    std::vector<std::vector<BudgetOption>> tensors;
    std::vector<std::size_t> chosen;
    for (const auto& [name, curve] : metrics.at("curves").items()) {
        auto& options = tensors.emplace_back();
        for (const Json& option : curve.at("options")) {
            options.push_back({option.at(2).get<std::int64_t>(), option.at(3).get<double>()});
        }
        QCOMPARE(curve.at("header_bytes").size(), options.size());
        chosen.push_back(curve.at("chosen").get<std::size_t>());
        const Json& option = curve.at("options").at(chosen.back());
        QCOMPARE(metrics.at("plan").at(name), (Json{option.at(0), option.at(1)}));
    }
    std::int64_t spent = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        spent += tensors[i][chosen[i]].cost;
    }
    const BudgetPlan again = planBudget(tensors, spent);
    QCOMPARE(again.cost, spent);
    QVERIFY(std::abs(again.error - metrics.at("predicted_kl").get<double>()) <= 1e-12);
}

/// What is predicted of two plans is so of their measured divergences.
void QuantBudgetTest::mixedPlansAreMeasured() {
    const auto measured = [](double bits) {
        return metricsOf(specWith(
            {{"average_bits", bits},
             {"measure", true},
             {"calibration_samples", 10},
             {"calibration_length", 64},
             {"max_windows", 3}}));
    };
    const Json few = measured(2.6), more = measured(3.9);
    QVERIFY(few.at("kl_mean").get<double>() > more.at("kl_mean").get<double>());
    QVERIFY(few.at("perplexity").get<double>() > more.at("perplexity").get<double>());
    const double ratio = more.at("kl_mean").get<double>() / more.at("predicted_kl").get<double>();
    QVERIFY2(ratio > 0.4 && ratio < 2.5, std::to_string(ratio).c_str());
    QVERIFY(few.at("output_hash") != more.at("output_hash"));
}

void QuantBudgetTest::curvesAreWorkedOutOnce() {
    std::filesystem::remove_all(cache() / "lathe" / "curves");
    const Json first = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(first.at("computed_curves").get<int>(), 14);
    QCOMPARE(curveFiles(cache()).size(), 14U);
    const Json second = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(second.at("computed_curves").get<int>(), 0);
    QCOMPARE(second.at("curves"), first.at("curves"));
    QCOMPARE(second.at("output_hash"), first.at("output_hash"));
    const Json other = metricsOf(specWith({{"average_bits", 3.0}, {"calibration_length", 25}}));
    QCOMPARE(other.at("computed_curves").get<int>(), 14);
}

/// Runs 3 bits on average up to the matrix after q, k, v, o and gate of the first block.
void cancelAtTheSixthMatrix(test::RecordingSink& sink) {
    Runner runner(sink);
    sink.onEvent = [&](const Event& event) {
        const auto* progress = std::get_if<Progress>(&event.payload);
        if (progress != nullptr && progress->phase.find("layers.0.mlp.up") != std::string::npos) {
            runner.cancel(1);
        }
    };
    runner.start(1, specWith({{"average_bits", 3.0}}));
    runner.waitIdle();
    sink.onEvent = {};
}

void QuantBudgetTest::aCancelledRunGoesOnWhereItStopped() {
    const Json whole = metricsOf(specWith({{"average_bits", 3.0}}));
    std::filesystem::remove_all(cache() / "lathe" / "curves");
    test::RecordingSink sink;
    cancelAtTheSixthMatrix(sink);
    QCOMPARE(sink.all<RunChanged>().back().state, RunState::Cancelled);
    QCOMPARE(curveFiles(cache()).size(), 5U); // q, k, v, o and gate
    const Json resumed = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(resumed.at("computed_curves").get<int>(), 9);
    QCOMPARE(resumed.at("curves"), whole.at("curves"));
}

void QuantBudgetTest::damagedCurvesAreWorkedOutAgain() {
    std::filesystem::remove_all(cache() / "lathe" / "curves");
    const Json whole = metricsOf(specWith({{"average_bits", 3.0}}));
    const auto files = curveFiles(cache());
    QCOMPARE(files.size(), 14U);
    const std::filesystem::path folder = files.front().parent_path();
    std::filesystem::resize_file(folder / "curve-00000.json", 30);
    // Whole JSON, and no curve of this matrix; a digit that changed; no object at all.
    std::filesystem::copy_file(
        folder / "curve-00002.json", folder / "curve-00001.json",
        std::filesystem::copy_options::overwrite_existing);
    const std::filesystem::path third = folder / "curve-00003.json";
    std::string text = readTextFile(third, 1 << 20);
    text[text.find("0.45") + 3] = '6';
    std::ofstream(third) << text;
    std::ofstream(folder / "curve-00004.json") << "[1, 2]";
    const test::FinishedRun run = runToEnd(specWith({{"average_bits", 3.0}}));
    QCOMPARE(run.exitStatus, 0);
    const Json& metrics = run.done.front().metrics;
    QCOMPARE(metrics.at("computed_curves").get<int>(), 4);
    QCOMPARE(warnings(run), 4);
    QCOMPARE(metrics.at("curves"), whole.at("curves"));
}

/// Options that were measured have what was measured, the others lie between.
void QuantBudgetTest::lossesCorrectTheCurves() {
    const Json plain = metricsOf(specWith({{"average_bits", 3.0}, {"measured_curves", false}}));
    QVERIFY(!plain.contains("losses"));
    QCOMPARE(plain.at("predicted_kl"), plain.at("second_order_kl"));
    const Json metrics = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(metrics.at("losses").size(), 14U);
    QVERIFY(metrics.at("predicted_kl") != metrics.at("second_order_kl"));
    for (const auto& [name, losses] : metrics.at("losses").items()) {
        const Json& options = metrics.at("curves").at(name).at("options");
        const Json& before = plain.at("curves").at(name).at("options");
        QCOMPARE(options.size(), before.size());
        double last = 1e9;
        for (const Json& loss : losses) {
            const auto measured = loss.at(2).get<double>();
            QVERIFY(measured > 0.0 && measured < last); // more bits, less loss
            last = measured;
            for (std::size_t i = 0; i < options.size(); ++i) {
                if (options[i].at(0) == loss.at(0) && options[i].at(1) == 0.0) {
                    QCOMPARE(before[i].at(3).get<double>(), loss.at(1).get<double>());
                    const double corrected = options[i].at(3).get<double>();
                    QVERIFY(std::abs(corrected - measured) <= 1e-9 * measured);
                }
            }
        }
        QVERIFY(losses.size() >= 3U);
    }
}

void QuantBudgetTest::lossesAreMeasuredOnce() {
    std::filesystem::remove_all(cache() / "lathe" / "losses");
    const Json first = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(first.at("computed_losses").get<int>(), 14);
    const auto files = cacheFiles(cache(), "losses");
    QCOMPARE(files.size(), 14U);
    const Json second = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(second.at("computed_losses").get<int>(), 0);
    QCOMPARE(second.at("losses"), first.at("losses"));
    std::filesystem::resize_file(files[2], 20);
    std::filesystem::copy_file(
        files[0], files[1], std::filesystem::copy_options::overwrite_existing);
    const test::FinishedRun run = runToEnd(specWith({{"average_bits", 3.0}}));
    QCOMPARE(run.exitStatus, 0);
    QCOMPARE(warnings(run), 2);
    QCOMPARE(run.done.front().metrics.at("computed_losses").get<int>(), 2);
    QCOMPARE(run.done.front().metrics.at("losses"), first.at("losses"));
    const Json other = metricsOf(specWith({{"average_bits", 3.0}, {"calibration_length", 25}}));
    QCOMPARE(other.at("computed_losses").get<int>(), 14);
}

void QuantBudgetTest::cancelledLossesGoOnWhereTheyStopped() {
    const Json whole = metricsOf(specWith({{"average_bits", 3.0}}));
    std::filesystem::remove_all(cache() / "lathe" / "losses");
    test::RecordingSink sink;
    cancelAtTheSixthMatrix(sink);
    QCOMPARE(sink.all<RunChanged>().back().state, RunState::Cancelled);
    QCOMPARE(cacheFiles(cache(), "losses").size(), 5U); // q, k, v, o and gate
    bool told = false;                                  // what it costs, before it starts
    for (const LogLine& line : sink.all<LogLine>()) {
        told = told || line.text.find("measures 14 matrices") != std::string::npos;
    }
    QVERIFY(told);
    const Json resumed = metricsOf(specWith({{"average_bits", 3.0}}));
    QCOMPARE(resumed.at("computed_losses").get<int>(), 9);
    QCOMPARE(resumed.at("losses"), whole.at("losses"));
}

void QuantBudgetTest::oneLimitIsNeeded() {
    for (const auto& [params, part] :
         {std::pair{Json::object(), "neither"},
          std::pair{Json{{"bytes", 900000}, {"average_bits", 3.0}}, "both"}}) {
        const auto run = runToEnd(specWith(params));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY2(run.last.message.find(part) != std::string::npos, run.last.message.c_str());
    }
}

void QuantBudgetTest::impossibleLimitsNameTheLeast() {
    const Json facts = metricsOf(specWith({{"average_bits", 3.0}}));
    const std::string least = dumpJson(facts.at("least_bytes"));
    const auto bytes = runToEnd(specWith({{"bytes", 1000}}));
    QCOMPARE(bytes.exitStatus, 2);
    QVERIFY2(
        bytes.last.message.find("at least " + least) != std::string::npos,
        bytes.last.message.c_str());
    const auto bits = runToEnd(specWith({{"average_bits", 0.5}}));
    QCOMPARE(bits.exitStatus, 2);
    QVERIFY2(
        bits.last.message.find("take at least 2.") != std::string::npos, bits.last.message.c_str());
}

void QuantBudgetTest::leastBitsAreKept() {
    const Json facts = metricsOf(specWith({{"average_bits", 2.6}, {"least_bits", 1}}));
    const auto fewestOf = [](const Json& metrics) {
        int fewest = 8;
        for (const Json& choice : metrics.at("plan")) {
            fewest = std::min(fewest, choice.at(0).get<int>());
        }
        return fewest;
    };
    QCOMPARE(fewestOf(metricsOf(specWith({{"average_bits", 2.6}}))), 2);
    QVERIFY(facts.at("least_average_bits").get<double>() < 2.0);
    QCOMPARE(fewestOf(metricsOf(specWith({{"average_bits", 1.5}, {"least_bits", 1}}))), 1);
    const auto run = runToEnd(specWith({{"average_bits", 6.0}, {"least_bits", 8}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find("--least-bits 8") != std::string::npos, run.last.message.c_str());
}

void QuantBudgetTest::nothingIsOverwritten() {
    const auto out = m_folder->path() / "mine";
    std::filesystem::create_directories(out);
    std::ofstream(out / "notes.txt") << "mine";
    const auto run = runToEnd(specWith({{"average_bits", 3.0}, {"out", out.string()}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("--out") != std::string::npos);
}

LATHE_TEST(QuantBudgetTest);

} // namespace lathe

#include "quant_budget_test.moc"
