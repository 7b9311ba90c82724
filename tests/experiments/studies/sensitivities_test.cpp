// SPDX-License-Identifier: Apache-2.0
#include "experiments/sensitivities.h"

#include "engine/base/random.h"
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "experiments/hessians.h"
#include "experiments/runner.h"
#include "kernels/ops/cross_entropy/cross_entropy.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

namespace {

constexpr std::size_t kMaxFile = std::size_t{1} << 26;

Spec specWith(Json params = Json::object()) {
    Json all{{"model", "lm-little"}, {"samples", 2}, {"length", 24}};
    all.update(params);
    return specOf("quant.sensitivity", std::move(all));
}

std::vector<std::filesystem::path>
filesIn(const std::filesystem::path& folder, const std::string& prefix) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file() && entry.path().filename().string().starts_with(prefix)) {
            found.push_back(entry.path());
        }
    }
    return found;
}

bool warned(const test::FinishedRun& run, const std::string& part) {
    for (const Event& event : run.events) {
        const auto* line = std::get_if<LogLine>(&event.payload);
        if (line != nullptr && line->level == LogLevel::Warning &&
            line->text.find(part) != std::string::npos) {
            return true;
        }
    }
    return false;
}

/// What a study gets, without a runner.
struct RunningStudy {
    test::RecordingSink sink;
    RunControl run{1, sink, {}};
    ExecContext cpu{Device{}, {.threads = 2}};
    ModelCache models;
    RunCache cache;
    StudyContext context{run, cpu, cpu, models, cache};
};

/// Mean cross entropy of all samples.
double lossOf(
    ExecContext& context, const LlamaModel& model,
    const std::vector<std::vector<TokenId>>& samples) {
    double sum = 0.0;
    std::size_t count = 0;
    for (const std::vector<TokenId>& ids : samples) {
        const auto rows = static_cast<std::int64_t>(ids.size()) - 1;
        const auto state = model.begin(context, rows);
        const DecodeSlot slot{*state, std::span(ids).first(ids.size() - 1)};
        const ConstView logits = model.forward(context, {&slot, 1});
        std::vector<float> nll(ids.size() - 1);
        run(context, CrossEntropy{
                         .logits = logits,
                         .targets = constViewOf(std::span(ids).subspan(1), {rows}),
                         .nll = viewOf(std::span(nll), {rows})});
        sum = std::accumulate(nll.begin(), nll.end(), sum);
        count += nll.size();
    }
    return sum / static_cast<double>(count);
}

void writeText(const std::filesystem::path& path, const std::string& word, int count) {
    std::ofstream out(path);
    for (int i = 0; i < count; ++i) {
        out << word << ' ' << i * 37 % 101 << ' ';
    }
}

} // namespace

/// The study and its cache, on a cache folder of the test's own.
class SensitivitiesTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void cleanup();
    void aRunIsStoredOnce();
    void aCancelledRunGoesOnWhereItStopped();
    void damagedFilesAreComputedAgain();
    void hessiansAreKeptByBlock();
    void filesAreWrittenAndNeverOverwritten();
    void textsOfFiles();
    void ownTextIsTheSameForASeed();
    void theyPredictTheLossOfNoise_data();
    void theyPredictTheLossOfNoise();
    void theEvaluationTextIsRefused();
    void impossibleChoicesAreRefused();
    void aCacheThatCannotBeMadeIsSaid();

private:
    std::filesystem::path cache() const { return m_folder->path() / "cache"; }

    std::unique_ptr<test::TemporaryFolder> m_folder;
    QByteArray m_before;
};

void SensitivitiesTest::init() {
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_before = qgetenv("XDG_CACHE_HOME");
    qputenv("XDG_CACHE_HOME", cache().c_str());
}

void SensitivitiesTest::cleanup() {
    if (m_before.isNull()) {
        qunsetenv("XDG_CACHE_HOME");
    } else {
        qputenv("XDG_CACHE_HOME", m_before);
    }
}

void SensitivitiesTest::aRunIsStoredOnce() {
    const Json first = metricsOf(specWith());
    QCOMPARE(first.at("cached").get<int>(), 0);
    QCOMPARE(first.at("tokens").get<int>(), 46);
    QCOMPARE(first.at("modules").size(), 14U);
    double sum = 0.0;
    for (const auto& [name, value] : first.at("modules").items()) {
        QVERIFY(value.get<double>() > 0.0);
        sum += value.get<double>();
    }
    QVERIFY(std::abs(first.at("total").get<double>() - sum) <= 1e-9 * sum);
    QVERIFY(first.at("loss").get<double>() > 1.0 && first.at("loss").get<double>() < 8.3);
    const Json second = metricsOf(specWith());
    QCOMPARE(second.at("cached").get<int>(), 1);
    for (const char* same : {"total", "loss", "modules", "path", "hash", "bytes"}) {
        QCOMPARE(second.at(same), first.at(same));
    }
    QVERIFY(filesIn(cache(), "block-").empty());
    const Json longer = metricsOf(specWith({{"length", 25}}));
    QCOMPARE(longer.at("cached").get<int>(), 0);
    QVERIFY(longer.at("path") != first.at("path"));
}

void SensitivitiesTest::aCancelledRunGoesOnWhereItStopped() {
    const Json whole = metricsOf(specWith());
    const std::string wanted = readTextFile(whole.at("path").get<std::string>(), kMaxFile);
    std::filesystem::remove_all(cache());

    test::RecordingSink sink;
    Runner runner(sink);
    sink.onEvent = [&](const Event& event) {
        const auto* progress = std::get_if<Progress>(&event.payload);
        if (progress != nullptr && progress->phase.starts_with("model.layers.0: sample 1")) {
            runner.cancel(1);
        }
    };
    runner.start(1, specWith());
    runner.waitIdle();
    QCOMPARE(sink.all<RunChanged>().back().state, RunState::Cancelled);
    QCOMPARE(filesIn(cache(), "block-").size(), 1U);
    QCOMPARE(filesIn(cache(), "block-").front().filename().string(), "block-0001.safetensors");
    QVERIFY(filesIn(cache(), "sensitivities").empty());

    const Json resumed = metricsOf(specWith());
    QCOMPARE(resumed.at("cached").get<int>(), 0);
    QCOMPARE(resumed.at("path"), whole.at("path"));
    QVERIFY(readTextFile(resumed.at("path").get<std::string>(), kMaxFile) == wanted);
}

void SensitivitiesTest::damagedFilesAreComputedAgain() {
    const Json whole = metricsOf(specWith());
    const std::filesystem::path path = whole.at("path").get<std::string>();
    const std::string wanted = readTextFile(path, kMaxFile);
    std::filesystem::resize_file(path, wanted.size() / 2);
    test::FinishedRun run = runToEnd(specWith());
    QVERIFY(warned(run, "a damaged cache file is computed again"));
    QCOMPARE(run.done.front().metrics.at("cached").get<int>(), 0);
    QVERIFY(readTextFile(path, kMaxFile) == wanted);

    // One sign bit: the last value becomes negative.
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(wanted.size()) - 1);
    file.put(static_cast<char>(static_cast<unsigned char>(wanted.back()) | 0x80U));
    file.close();
    run = runToEnd(specWith());
    QVERIFY(warned(run, "only numbers from 0 are possible"));
    QVERIFY(readTextFile(path, kMaxFile) == wanted);

    const auto samples = filesIn(cache(), "samples-");
    QCOMPARE(samples.size(), 1U);
    std::filesystem::resize_file(samples.front(), 20);
    run = runToEnd(specWith());
    QVERIFY(warned(run, "it is written again"));
    QCOMPARE(run.done.front().metrics.at("cached").get<int>(), 1);
}

/// What the method refined asks for: blocks that are there are not computed again.
void SensitivitiesTest::hessiansAreKeptByBlock() {
    RunningStudy study;
    const auto model = study.models.load("lm-little", study.cpu, study.run);
    const CalibrationChoice choice{.samples = 2, .length = 24};
    std::vector<std::string> said;
    const auto values = [&](const std::string& module) {
        const auto found =
            hessiansFor(study.context, *model, choice, [&](double, const std::string& what) {
                said.push_back(what);
            });
        const Tensor hessian = found->of(module);
        const std::span<const float> all = hessian.view().as<float>();
        return std::vector<float>(all.begin(), all.end());
    };
    const auto computed = [&](const std::string& part) {
        return std::ranges::any_of(
            said, [&](const std::string& what) { return what.find(part) != std::string::npos; });
    };
    const std::string module = "model.layers.1.mlp.down_proj";
    const std::vector<float> first = values(module);
    QCOMPARE(first.size(), std::size_t(kHessianGroups) * 352 * 352);
    QVERIFY(computed("model.layers.1") && computed("model.layers.0"));
    const auto blocks = filesIn(cache() / "lathe" / "hessian", "block-");
    QCOMPARE(blocks.size(), 2U);

    said.clear();
    QCOMPARE(values(module), first);
    QVERIFY(!computed("Hessians"));

    const auto last = std::ranges::max(blocks);
    std::filesystem::resize_file(last, std::filesystem::file_size(last) / 2);
    QCOMPARE(values(module), first);
    QVERIFY(computed("model.layers.1") && !computed("model.layers.0"));
    LATHE_VERIFY_THROWS(values("model.layers.7.mlp.up_proj"), FormatError, "no Hessians of");
}

void SensitivitiesTest::filesAreWrittenAndNeverOverwritten() {
    const std::filesystem::path out = m_folder->path() / "out.safetensors";
    const Json metrics = metricsOf(specWith({{"out", out.string()}}));
    QCOMPARE(metrics.at("path").get<std::string>(), out.string());
    const Sensitivities file = Sensitivities::open(out);
    QCOMPARE(file.record().samples, 2);
    QCOMPARE(file.record().length, 24);
    QCOMPARE(file.record().text, std::string("model"));
    QCOMPARE(file.record().device, std::string("cpu"));
    QCOMPARE(metrics.at("bytes").get<std::int64_t>(), file.fileBytes());
    const std::string module = "model.layers.0.mlp.up_proj";
    QCOMPARE(file.total(module), metrics.at("modules").at(module).get<double>());
    const auto again = runToEnd(specWith({{"out", out.string()}}));
    QCOMPARE(again.exitStatus, 2);
    QVERIFY(again.last.message.find("--out") != std::string::npos);
}

void SensitivitiesTest::textsOfFiles() {
    const std::filesystem::path book = m_folder->path() / "book.txt";
    writeText(book, "the whale", 60);
    const Json metrics = metricsOf(specWith({{"text", book.string()}}));
    const Sensitivities file = Sensitivities::open(metrics.at("path").get<std::string>());
    QCOMPARE(file.record().text, std::string("book.txt"));
    Spec other = specWith({{"text", book.string()}});
    other.seed = 77;
    QVERIFY(metricsOf(other).at("loss") != metrics.at("loss"));
    const auto tooShort = runToEnd(specWith({{"text", book.string()}, {"length", 900}}));
    QCOMPARE(tooShort.exitStatus, 2);
    QVERIFY2(
        tooShort.last.message.find("a sample needs 900") != std::string::npos,
        tooShort.last.message.c_str());
}

void SensitivitiesTest::ownTextIsTheSameForASeed() {
    const Json first = metricsOf(specWith({{"samples", 9}, {"length", 8}}));
    std::filesystem::remove_all(cache());
    const Json again = metricsOf(specWith({{"samples", 9}, {"length", 8}}));
    QCOMPARE(again.at("cached").get<int>(), 0);
    QCOMPARE(again.at("hash"), first.at("hash"));
    Spec other = specWith({{"samples", 9}, {"length", 8}});
    other.seed = 2;
    QVERIFY(metricsOf(other).at("loss") != first.at("loss"));
}

void SensitivitiesTest::theyPredictTheLossOfNoise_data() {
    QTest::addColumn<QString>("module");
    for (const char* module :
         {"model.layers.0.self_attn.v_proj", "model.layers.0.mlp.down_proj",
          "model.layers.1.self_attn.o_proj", "model.layers.1.mlp.gate_proj"}) {
        QTest::newRow(module) << module;
    }
}

/// On what the model itself wrote, T times the values are the diagonal of the loss's curvature:
/// independent noise of both signs in one matrix costs half of the sum of T * F * noise^2.
void SensitivitiesTest::theyPredictTheLossOfNoise() {
    QFETCH(QString, module);
    RunningStudy study;
    const auto model = study.models.load("lm-little", study.cpu, study.run);
    const CalibrationChoice choice{.samples = 40, .length = 64};
    const CalibrationText text =
        calibrationText(study.context, *model, choice, [](double, const std::string&) {});
    const auto values = sensitivitiesFor(study.context, *model, choice);

    const std::unique_ptr<LlamaModel> noisy = model->model->share();
    const auto modules = noisy->modules();
    Linear& linear =
        *std::ranges::find(modules, module.toStdString(), &LlamaModel::Module::name)->linear;
    const Tensor original = dequantize(study.cpu, linear.weight);
    const Tensor sensitivity = values->of(module.toStdString());
    const std::span<const float> w = original.view().as<float>();
    const std::span<const float> f = sensitivity.view().as<float>();
    Random random(5);
    std::vector<double> noise(w.size());
    double predicted = 0.0;
    for (std::size_t i = 0; i < noise.size(); ++i) {
        noise[i] = 5e-3 * random.normal();
        predicted += 0.5 * 63.0 * static_cast<double>(f[i]) * noise[i] * noise[i];
    }
    double measured = -lossOf(study.cpu, *model->model, text.samples);
    for (const double sign : {1.0, -1.0}) {
        Tensor changed = Tensor::empty(original.shape(), DType::F32, Device{});
        for (std::size_t i = 0; i < noise.size(); ++i) {
            changed.view().as<float>()[i] =
                static_cast<float>(static_cast<double>(w[i]) + sign * noise[i]);
        }
        linear.weight = DenseWeight{std::move(changed)};
        measured += 0.5 * lossOf(study.cpu, *noisy, text.samples);
    }
    const std::string both = std::to_string(predicted) + " against " + std::to_string(measured);
    QVERIFY2(predicted > 0.6 * measured && predicted < 1.6 * measured, both.c_str());
}

void SensitivitiesTest::theEvaluationTextIsRefused() {
    const auto a = m_folder->path() / "a.txt";
    const auto b = m_folder->path() / "b.txt";
    const auto copy = m_folder->path() / "copy.txt";
    writeText(a, "one", 20);
    writeText(b, "two", 20);
    std::filesystem::copy_file(a, copy);
    requireDifferentText(a, b);
    LATHE_VERIFY_THROWS(requireDifferentText(a, copy), InputError, "calibrate on another one");
}

void SensitivitiesTest::impossibleChoicesAreRefused() {
    for (const Json& params : {Json{{"length", 1}}, Json{{"length", 1025}}}) {
        const auto run = runToEnd(specWith(params));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY2(
            run.last.message.find("possible are 2 to the 1024") != std::string::npos,
            run.last.message.c_str());
    }
    // The fixture has no vocabulary to read a text with.
    const auto text = m_folder->path() / "text.txt";
    writeText(text, "word", 99);
    const auto run =
        runToEnd(specWith({{"model", test::fixture("qwen2").string()}, {"text", text.string()}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(run.last.message.find("vocabulary") != std::string::npos, run.last.message.c_str());
}

void SensitivitiesTest::aCacheThatCannotBeMadeIsSaid() {
    std::ofstream(cache()) << "no folder";
    auto run = runToEnd(specWith());
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find("cannot be created") != std::string::npos, run.last.message.c_str());
    const QByteArray home = qgetenv("HOME");
    qputenv("XDG_CACHE_HOME", "");
    qputenv("HOME", "");
    run = runToEnd(specWith());
    qputenv("HOME", home);
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find("set XDG_CACHE_HOME or HOME") != std::string::npos,
        run.last.message.c_str());
}

LATHE_TEST(SensitivitiesTest);

} // namespace lathe

#include "sensitivities_test.moc"
