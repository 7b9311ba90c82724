// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/model_cache.h"
#include "experiments/runner.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <fstream>

namespace lathe {

using test::FinishedRun;
using test::RecordingSink;
using test::runToEnd;
using test::specOf;

/// What a Runner does around a study: of a tiny one of its own, and of real ones on the bundled
/// model where files matter.
class RunnerTest : public QObject {
    Q_OBJECT
private slots:
    void eventsComeInOrder();
    void recordSaysWhatRan();
    void skipsFinishedCells();
    void keysHangOnParamsAndTarget();
    void keysHangOnTheTextThatNobodyNames();
    void aFailingCellLeavesTheOthers();
    void aSingleFailingCellFailsTheRun();
    void badSpecsAreStatusTwo_data();
    void badSpecsAreStatusTwo();
    void cancelEndsTheRun();
    void cancelOfAWaitingRun();
    void runsOneAfterAnother();
    void destructionCancels();
    void engineDescribesItself();
};

namespace {

/// A study that takes no time; 12 bits pass the check of the Spec and fail in the cell.
class TinyStudy : public Study {
public:
    const StudyInfo& info() const override { return m_info; }
    bool loadsModels() const override { return false; }
    Json run(const Spec& spec, StudyContext&) const override {
        const int bits = spec.params.at("bits").get<int>();
        if (bits == 12) {
            throw InputError("--bits is 12");
        }
        return {{"size", 8 * bits}};
    }

private:
    StudyInfo m_info{
        .id = "test.tiny",
        .title = "Tiny",
        .summary = "Multiplies by eight",
        .params =
            {{.name = "bits",
              .kind = ParamKind::Integer,
              .defaultValue = 4,
              .help = "A number",
              .minimum = 1,
              .maximum = 16,
              .sweep = true}},
        .metrics = {{"size", "Size", "byte", 0, {}}}};
};

/// The tiny study alone.
const Registry<Study>& tiny() {
    static const Registry<Study> list = [] {
        Registry<Study> made("study");
        made.add(std::make_unique<TinyStudy>());
        return made;
    }();
    return list;
}

Spec tinySpec(int bits) { return specOf("test.tiny", {{"bits", bits}}); }
Spec tinySweep(Json bits = {2, 3, 4}) {
    return specOf("test.tiny", Json::object(), {{"bits", std::move(bits)}});
}

} // namespace

void RunnerTest::eventsComeInOrder() {
    const FinishedRun run = runToEnd(tinySweep(), tiny());
    QCOMPARE(run.last.state, RunState::Done);
    QCOMPARE(run.exitStatus, 0);
    QCOMPARE(run.done.size(), 3U);
    QCOMPARE(run.last.record.at("cells_done").get<int>(), 3);
    std::int64_t seq = 0;
    for (const Event& event : run.events) {
        QCOMPARE(event.runId, 1);
        QCOMPARE(event.seq, ++seq);
    }
    QVERIFY(std::holds_alternative<RunChanged>(run.events.back().payload));
    for (std::size_t i = 0; i < run.done.size(); ++i) {
        QCOMPARE(run.done[i].params.at("bits").get<std::size_t>(), i + 2);
        QVERIFY(!run.done[i].key.empty());
    }
}

void RunnerTest::recordSaysWhatRan() {
    RecordingSink sink;
    Runner runner(sink);
    runner.start(5, specOf("model.info", {{"model", "lm-little"}}));
    runner.waitIdle();
    const auto changes = sink.all<RunChanged>();
    QCOMPARE(changes.size(), 2U);
    const Json& record = changes[0].record;
    QCOMPARE(changes[0].state, RunState::Running);
    QCOMPARE(record.at("cells").get<int>(), 1);
    QCOMPARE(record.at("models").at("lm-little").get<std::string>().size(), 32U);
    for (const char* name :
         {"build", "git_revision", "compiler", "libraries", "device", "target", "cpu", "kernel",
          "distribution", "locale"}) {
        QVERIFY2(record.at(name).is_string(), name);
    }
    QVERIFY(record.at("threads").get<int>() >= 1);
    QVERIFY(record.at("memory_bytes").get<std::int64_t>() > 0);
    QVERIFY(changes[1].record.at("seconds").get<double>() >= 0.0);
}

void RunnerTest::skipsFinishedCells() {
    Spec spec = tinySweep();
    const FinishedRun first = runToEnd(spec, tiny());
    spec.done = {first.done[0].key, first.done[2].key, "a key of another run"};
    RecordingSink sink;
    Runner runner(sink, tiny());
    runner.start(2, spec);
    runner.waitIdle();
    const auto skipped = sink.cells(CellState::Skipped);
    const auto done = sink.cells(CellState::Done);
    QCOMPARE(skipped.size(), 2U);
    QCOMPARE(done.size(), 1U);
    QCOMPARE(done[0].key, first.done[1].key);
    QCOMPARE(skipped[1].key, first.done[2].key);
    QCOMPARE(runner.exitStatus(), 0);
}

void RunnerTest::keysHangOnParamsAndTarget() {
    Spec spec = tinySpec(4);
    const std::string key = runToEnd(spec, tiny()).done.at(0).key;
    QCOMPARE(runToEnd(spec, tiny()).done.at(0).key, key);
    spec.target = "scalar";
    QVERIFY(runToEnd(spec, tiny()).done.at(0).key != key);
    spec.target.clear();
    spec.params["bits"] = 3;
    QVERIFY(runToEnd(spec, tiny()).done.at(0).key != key);
}

void RunnerTest::keysHangOnTheTextThatNobodyNames() {
    const test::TemporaryFolder folder;
    std::filesystem::create_directory(folder.path() / "texts");
    std::filesystem::create_directory_symlink(
        resourcesFolder() / "models", folder.path() / "models");
    qputenv("LATHE_RESOURCES", folder.path().c_str());
    const auto keyWith = [&](const std::string& text) {
        std::ofstream(folder.path() / "texts" / "default.txt") << text;
        return runToEnd(specOf(
                            "lm.perplexity",
                            {{"model", "lm-little"}, {"window", 16}, {"max_windows", 1}}))
            .done.at(0)
            .key;
    };
    const std::string key = keyWith("The lamp went out, and nobody in the room spoke.");
    const std::string other = keyWith("The lamp was lit again, and everybody spoke at once.");
    qunsetenv("LATHE_RESOURCES");
    QVERIFY(key != other);
}

void RunnerTest::aFailingCellLeavesTheOthers() {
    RecordingSink sink;
    Runner runner(sink, tiny());
    runner.start(3, tinySweep({4, 12, 2}));
    runner.waitIdle();
    QCOMPARE(sink.cells(CellState::Done).size(), 2U);
    const auto failed = sink.cells(CellState::Failed);
    QCOMPARE(failed.size(), 1U);
    QVERIFY(failed[0].message.find("--bits") != std::string::npos);
    QCOMPARE(sink.all<RunChanged>().back().state, RunState::Done);
    QCOMPARE(sink.all<RunChanged>().back().record.at("cells_failed").get<int>(), 1);
    QCOMPARE(runner.exitStatus(), 2);
}

void RunnerTest::aSingleFailingCellFailsTheRun() {
    const FinishedRun run = runToEnd(tinySpec(12), tiny());
    QCOMPARE(run.last.state, RunState::Failed);
    QVERIFY(run.last.message.find("--bits") != std::string::npos);
    QCOMPARE(run.exitStatus, 2);
}

void RunnerTest::badSpecsAreStatusTwo_data() {
    QTest::addColumn<QString>("study");
    QTest::addColumn<QString>("params");
    QTest::addColumn<QString>("device");
    QTest::addColumn<QString>("part");
    QTest::newRow("study") << "no.such"
                           << "{}"
                           << "cpu"
                           << "no.such";
    QTest::newRow("unknown parameter") << "model.info"
                                       << R"({"model":"lm-little","x":1})"
                                       << "cpu"
                                       << "x";
    QTest::newRow("missing") << "model.info"
                             << "{}"
                             << "cpu"
                             << "--model";
    QTest::newRow("range") << "bench.gemv"
                           << R"({"bits":17})"
                           << "cpu"
                           << "--bits";
    QTest::newRow("model") << "model.info"
                           << R"({"model":"lm-huge"})"
                           << "cpu"
                           << "lm-huge";
    QTest::newRow("device") << "bench.gemv"
                            << "{}"
                            << "abacus"
                            << "abacus";
}

void RunnerTest::badSpecsAreStatusTwo() {
    QFETCH(QString, study);
    QFETCH(QString, params);
    QFETCH(QString, device);
    QFETCH(QString, part);
    Spec spec = specOf(study.toStdString(), Json::parse(params.toStdString()));
    spec.device = device.toStdString();
    const FinishedRun run = runToEnd(spec);
    QCOMPARE(run.last.state, RunState::Failed);
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find(part.toStdString()) != std::string::npos, run.last.message.c_str());
}

void RunnerTest::cancelEndsTheRun() {
    RecordingSink sink;
    Runner* active = nullptr;
    sink.onEvent = [&](const Event& event) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        if (cell != nullptr && cell->state == CellState::Done) {
            active->cancel(event.runId);
        }
    };
    Runner runner(sink, tiny());
    active = &runner;
    runner.start(4, tinySweep());
    runner.waitIdle();
    QCOMPARE(sink.cells(CellState::Done).size(), 1U);
    QCOMPARE(sink.all<RunChanged>().back().state, RunState::Cancelled);
    QCOMPARE(runner.exitStatus(), 130);
}

void RunnerTest::cancelOfAWaitingRun() {
    RecordingSink sink;
    Runner* active = nullptr;
    sink.onEvent = [&](const Event& event) {
        if (event.runId == 1 && event.seq == 1) {
            active->start(2, tinySweep());
            active->cancel(2);
        }
    };
    Runner runner(sink, tiny());
    active = &runner;
    runner.start(1, tinySweep());
    runner.waitIdle();
    std::vector<RunState> second;
    for (const Event& event : sink.events()) {
        if (const auto* change = std::get_if<RunChanged>(&event.payload);
            change != nullptr && event.runId == 2) {
            second.push_back(change->state);
        }
    }
    QCOMPARE(second, std::vector<RunState>{RunState::Cancelled});
    QCOMPARE(sink.cells(CellState::Done).size(), 3U);
}

void RunnerTest::runsOneAfterAnother() {
    RecordingSink sink;
    Runner runner(sink, tiny());
    runner.start(1, tinySweep());
    runner.start(2, tinySweep());
    runner.waitIdle();
    std::int64_t last = 1;
    for (const Event& event : sink.events()) {
        QVERIFY(event.runId >= last);
        last = event.runId;
    }
    QCOMPARE(sink.cells(CellState::Done).size(), 6U);
}

void RunnerTest::destructionCancels() {
    RecordingSink sink;
    {
        Runner runner(sink, tiny());
        for (std::int64_t id = 1; id <= 3; ++id) {
            runner.start(id, tinySweep());
        }
    }
    std::map<std::int64_t, RunState> last;
    for (const Event& event : sink.events()) {
        if (const auto* change = std::get_if<RunChanged>(&event.payload)) {
            last[event.runId] = change->state;
        }
    }
    QCOMPARE(last.size(), 3U);
    for (const auto& [id, state] : last) {
        QVERIFY(isFinal(state));
    }
}

void RunnerTest::engineDescribesItself() {
    const EngineInfo engine = describeEngine();
    QVERIFY(!engine.build.empty());
    QVERIFY(!engine.device.empty());
    QCOMPARE(engine.studies.size(), studies().all().size());
    QVERIFY(engine.models.size() >= 2);
    // It crosses the protocol unchanged.
    QCOMPARE(toJson(engineInfoFromJson(toJson(engine))), toJson(engine));
}

LATHE_TEST(RunnerTest);

} // namespace lathe

#include "runner_test.moc"
