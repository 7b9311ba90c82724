// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_writer.h"

#include "experiments/store/run_reader.h"
#include "tests/experiments/store/event_log.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <csignal>
#include <future>
#include <sys/resource.h>

namespace lathe {

using test::addRun;
using test::doneCell;
using test::EventLog;
using test::sampleSpec;

/// Everything that is posted is stored, and handed on only then.
class RunWriterTest : public QObject {
    Q_OBJECT
private slots:
    void storesEveryPayload();
    void replacesInvalidText();
    void storesTheRunItself();
    void handsOnOnlyWhatIsCommitted();
    void progressIsHandedOnButNotStored();
    void aFullQueueMergesProgress();
    void tagsAndNotes();
    void anEndedRunStaysEnded();
    void cellsOfAnEndedRunAreClosed();
    void aSkippedCellTakesTheEarlierResult();
    void oneBadEventHarmsNoOther();
    void twoWritersShareAStore();
    void aFullDiskLosesNothing();

private:
    std::filesystem::path store() const { return m_folder->path() / "runs.db"; }

    std::unique_ptr<test::TemporaryFolder> m_folder;
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
};

void RunWriterTest::storesEveryPayload() {
    EventLog log;
    const std::vector<Payload> payloads = test::samplePayloads();
    {
        RunWriter writer(store(), {&log});
        const auto id = writer.insertRun(sampleSpec("quant.sweep", Json::object()));
        QCOMPARE(id, 1);
        std::int64_t seq = 0;
        for (const Payload& payload : payloads) {
            ++seq;
            writer.post(
                Event{id, test::cellOf(payload), seq, std::chrono::nanoseconds(seq * 10), payload});
        }
    } // writes what is queued
    QCOMPARE(log.events().size(), payloads.size());
    RunReader reader(store());
    const std::vector<Event> events = reader.events(1);
    QCOMPARE(events.size(), payloads.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        QCOMPARE(events[i].seq, static_cast<std::int64_t>(i) + 1);
        QCOMPARE(events[i].cell, test::cellOf(payloads[i]));
        QCOMPARE(events[i].at, std::chrono::nanoseconds((i + 1) * 10));
        QCOMPARE(events[i].payload.index(), payloads[i].index());
        if (i > 0) { // the environment of the first one is stored with the run instead
            QCOMPARE(payloadToJson(events[i].payload), payloadToJson(payloads[i]));
        }
        QVERIFY(std::ranges::equal(payloadBytes(events[i].payload), payloadBytes(payloads[i])));
    }
    QCOMPARE(reader.run(1)->environment, std::get<RunChanged>(payloads[0]).record);
    const auto metrics = reader.metrics(1);
    QCOMPARE(metrics.size(), 3U);
    QCOMPARE(metrics[0].value, 1.25);
    QCOMPARE(metrics[0].step, 7);
    QVERIFY(std::isnan(metrics[1].value));
    QVERIFY(std::isnan(metrics[2].value));
    QCOMPARE(metrics[2].step, -1);
    const auto artifacts = reader.artifacts(1);
    QCOMPARE(artifacts.size(), 3U);
    QCOMPARE(artifacts[0].mime, std::string("image/svg+xml"));
    QCOMPARE(artifacts[0].bytes, 3);
    QVERIFY(reader.artifactBytes(artifacts[1].id).empty());
    QCOMPARE(reader.artifactBytes(artifacts[2].id), std::get<ArrayReady>(payloads[9]).bytes);
    LATHE_VERIFY_THROWS(reader.artifactBytes(99), InputError, "no artifact 99");
}

void RunWriterTest::replacesInvalidText() {
    {
        RunWriter writer(store(), {});
        const auto id =
            writer.insertRun(sampleSpec("lm.generate", {{"prompt", "a\xFFz"}}), "t\xC3");
        writer.post(Event{id, -1, 1, {}, LogLine{LogLevel::Info, "bad \xF0\x28 bytes"}});
        writer.post(Event{id, 0, 2, {}, Metric{"m\xFE", 1.0, "\xFF", 0}});
        writer.post(Event{id, 0, 3, {}, ArtifactReady{"\x80", "\x81", {}}});
        writer.setTags(id, "tag\xFF");
        writer.flush();
        QCOMPARE(writer.problem(), std::string());
    }
    RunReader reader(store());
    QCOMPARE(reader.run(1)->title, std::string("t\uFFFD"));
    QCOMPARE(reader.run(1)->tags, std::string("tag\uFFFD"));
    QCOMPARE(reader.run(1)->spec.params.at("prompt").get<std::string>(), std::string("a\uFFFDz"));
    const auto events = reader.events(1);
    QCOMPARE(events.size(), 3U);
    QCOMPARE(std::get<LogLine>(events[0].payload).text, std::string("bad \uFFFD( bytes"));
    QCOMPARE(reader.metrics(1).front().name, std::string("m\uFFFD"));
    QVERIFY(!dumpJson(exportRun(reader, 1)).empty());
}

void RunWriterTest::storesTheRunItself() {
    Spec spec = sampleSpec("quant.sweep", {{"model", "lm-big"}}, {{"bits", {2, 3, 4}}});
    spec.seed = 18'000'000'000'000'000'000ULL;
    spec.target = "avx2";
    spec.done = {"a", "b"};
    RunWriter writer(store(), {});
    const auto id = writer.insertRun(spec, "first");
    RunReader reader(store());
    const auto run = reader.run(id);
    QVERIFY(run.has_value());
    QCOMPARE(toJson(run->spec), toJson(spec));
    QCOMPARE(run->state, RunState::Queued);
    QCOMPARE(run->title, std::string("first"));
    QCOMPARE(run->uuid.size(), 36U);
    QCOMPARE(run->cellsTotal, 3);
    QCOMPARE(run->cellsDone, 0);
    QVERIFY(run->createdMs > 0);
    QCOMPARE(run->startedMs, 0);
    const auto second = writer.insertRun(spec);
    QVERIFY(reader.run(second)->uuid != run->uuid);
    QVERIFY(!reader.run(77).has_value());
}

void RunWriterTest::handsOnOnlyWhatIsCommitted() {
    constexpr int kEvents = 2000;
    std::unique_ptr<RunReader> reader;
    int unseen = 0;
    EventLog log;
    log.onEvent = [&](const Event& event) {
        if (!reader) {
            reader = std::make_unique<RunReader>(store());
        }
        const auto found = reader->events(event.runId, event.seq - 1, 1);
        unseen += found.size() == 1 && found[0].seq == event.seq ? 0 : 1;
    };
    {
        RunWriter writer(store(), {&log});
        const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
        for (int i = 1; i <= kEvents; ++i) {
            writer.post(Event{id, 0, i, {}, TokenDecoded{i, i, "x", "m", "greedy", 1.0, 1.0}});
        }
    }
    QCOMPARE(unseen, 0);
    const auto events = log.events();
    QCOMPARE(events.size(), std::size_t{kEvents});
    for (int i = 0; i < kEvents; ++i) {
        QCOMPARE(events[static_cast<std::size_t>(i)].seq, i + 1);
    }
}

void RunWriterTest::progressIsHandedOnButNotStored() {
    EventLog log;
    {
        RunWriter writer(store(), {&log});
        const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
        writer.post(Event{id, 0, 1, {}, Progress{0.5, "half"}});
        writer.post(Event{id, 0, 2, {}, LogLine{LogLevel::Info, "said"}});
        writer.flush();
    }
    QCOMPARE(log.events().size(), 2U);
    RunReader reader(store());
    QCOMPARE(reader.events(1).size(), 1U);
}

void RunWriterTest::aFullQueueMergesProgress() {
    std::promise<void> open;
    const std::shared_future<void> gate = open.get_future().share();
    EventLog log;
    log.onEvent = [gate](const Event&) { gate.wait(); };
    constexpr int kProgress = 30'000; // far beyond the queue
    {
        RunWriter writer(store(), {&log});
        const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
        writer.post(Event{id, -1, 1, {}, LogLine{LogLevel::Info, "first"}});
        for (int i = 0; i < kProgress; ++i) {
            writer.post(Event{id, 0, i + 2, {}, Progress{i / 30'000.0, std::to_string(i)}});
        }
        QVERIFY(writer.mergedProgress() > 0);
        open.set_value();
        writer.flush();
        QCOMPARE(
            log.events().size() + static_cast<std::size_t>(writer.mergedProgress()),
            std::size_t{kProgress} + 1);
    }
    QCOMPARE(std::get<Progress>(log.events().back().payload).phase, std::to_string(kProgress - 1));
}

void RunWriterTest::tagsAndNotes() {
    RunWriter writer(store(), {});
    const auto id = addRun(writer, sampleSpec("model.info", Json::object()), {});
    RunReader reader(store());
    const std::int64_t before = reader.dataVersion();
    writer.setTags(id, "paper v2");
    writer.setNotes(id, "two\nlines");
    writer.flush();
    QVERIFY(reader.dataVersion() != before);
    QCOMPARE(reader.run(id)->tags, std::string("paper v2"));
    QCOMPARE(reader.run(id)->notes, std::string("two\nlines"));
    writer.setTags(id, "");
    writer.flush();
    QCOMPARE(reader.run(id)->tags, std::string());
}

void RunWriterTest::anEndedRunStaysEnded() {
    RunWriter writer(store(), {});
    const auto id = addRun(writer, sampleSpec("model.info", Json::object()), {}, RunState::Failed);
    writer.post(Event{id, -1, 50, {}, RunChanged{RunState::Crashed, "late"}});
    writer.post(Event{id, -1, 51, {}, RunChanged{RunState::Running, "later"}});
    writer.flush();
    RunReader reader(store());
    QCOMPARE(reader.run(id)->state, RunState::Failed);
    QCOMPARE(reader.run(id)->message, std::string());
    QVERIFY(reader.run(id)->finishedMs >= reader.run(id)->startedMs);
}

void RunWriterTest::cellsOfAnEndedRunAreClosed() {
    RunWriter writer(store(), {});
    const auto id = addRun(
        writer, sampleSpec("quant.sweep", Json::object()),
        {doneCell("a", Json::object(), {{"x", 1}}), CellChanged{CellState::Running, "b"}},
        RunState::Crashed);
    RunReader reader(store());
    const auto cells = reader.cells(id);
    QCOMPARE(cells.size(), 2U);
    QCOMPARE(cells[0].state, CellState::Done);
    QCOMPARE(cells[1].state, CellState::Failed);
    QCOMPARE(cells[1].message, std::string("crashed"));
    QCOMPARE(reader.run(id)->cellsDone, 1);
}

void RunWriterTest::aSkippedCellTakesTheEarlierResult() {
    EventLog log;
    RunWriter writer(store(), {&log});
    const Spec spec = sampleSpec("quant.sweep", {{"model", "lm-big"}});
    const auto first = addRun(
        writer, spec, {doneCell("a", {{"bits", 2}}, {{"perplexity", 60.0}})}, RunState::Cancelled);
    const auto second = addRun(
        writer, spec,
        {CellChanged{CellState::Skipped, "a", {{"bits", 2}}},
         CellChanged{CellState::Skipped, "never seen", {{"bits", 3}}}});
    RunReader reader(store());
    const auto cells = reader.cells(second);
    QCOMPARE(cells[0].state, CellState::Done);
    QCOMPARE(cells[0].metrics, (Json{{"perplexity", 60.0}}));
    QCOMPARE(cells[0].message, "kept from run " + std::to_string(first));
    QCOMPARE(cells[1].state, CellState::Skipped);
    QCOMPARE(reader.countRuns({"perplexity=60"}), 2);
    // Whoever looks on sees the result as well.
    QVERIFY(log.waitFor([&](const Event& event) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        return event.runId == second && cell != nullptr && cell->state == CellState::Done &&
               cell->metrics == Json{{"perplexity", 60.0}};
    }));
}

void RunWriterTest::oneBadEventHarmsNoOther() {
    EventLog log;
    RunWriter writer(store(), {&log});
    const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
    writer.post(Event{id, -1, 1, {}, LogLine{LogLevel::Info, "before"}});
    writer.post(Event{4711, -1, 1, {}, LogLine{LogLevel::Info, "of no run"}});
    writer.post(Event{id, -1, 2, {}, LogLine{LogLevel::Info, "after"}});
    writer.flush();
    QVERIFY2(
        writer.problem().find("one event could not be stored") != std::string::npos,
        writer.problem().c_str());
    RunReader reader(store());
    QCOMPARE(reader.events(id).size(), 2U);
    QCOMPARE(log.events().size(), 2U); // what is not stored is not shown
}

void RunWriterTest::twoWritersShareAStore() {
    constexpr int kEvents = 1500;
    const auto work = [this](const std::string& study) {
        RunWriter writer(store(), {});
        for (int run = 0; run < 3; ++run) {
            const auto id = writer.insertRun(sampleSpec(study, Json::object()));
            for (int i = 1; i <= kEvents; ++i) {
                writer.post(Event{id, 0, i, {}, Metric{"loss", 1.0 * i, "nat", i}});
            }
            writer.post(Event{id, -1, kEvents + 1, {}, RunChanged{RunState::Done}});
        }
        writer.flush();
        return writer.problem();
    };
    auto one = std::async(std::launch::async, work, "one");
    auto two = std::async(std::launch::async, work, "two");
    QCOMPARE(one.get(), std::string());
    QCOMPARE(two.get(), std::string());
    RunReader reader(store());
    QCOMPARE(reader.countRuns({"study:one state:done"}), 3);
    QCOMPARE(reader.countRuns({"study:two state:done"}), 3);
    for (const RunRow& run : reader.runs({})) {
        QCOMPARE(reader.events(run.id).size(), std::size_t{kEvents} + 1);
    }
}

void RunWriterTest::aFullDiskLosesNothing() {
    std::signal(SIGXFSZ, SIG_IGN);
    EventLog log;
    RunWriter writer(store(), {&log});
    const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
    rlimit usual{};
    QCOMPARE(getrlimit(RLIMIT_FSIZE, &usual), 0);
    rlimit full = usual;
    full.rlim_cur = 1; // no file of this process can grow
    QCOMPARE(setrlimit(RLIMIT_FSIZE, &full), 0);
    for (int i = 1; i <= 200; ++i) {
        writer.post(Event{id, 0, i, {}, LogLine{LogLevel::Info, std::string(1000, 'x')}});
    }
    QTRY_VERIFY_WITH_TIMEOUT(!writer.problem().empty(), 30'000);
    const bool refused = [&] {
        try {
            writer.insertRun(sampleSpec("lm.generate", Json::object()));
            return false;
        } catch (const StoreError&) {
            return true;
        }
    }();
    const std::size_t shown = log.events().size();
    QCOMPARE(setrlimit(RLIMIT_FSIZE, &usual), 0);
    QVERIFY(refused);
    QCOMPARE(shown, 0U);
    QVERIFY(log.waitFor([](const Event& event) { return event.seq == 200; }));
    QCOMPARE(log.events().size(), 200U);
    QCOMPARE(writer.problem(), std::string());
    RunReader reader(store());
    QCOMPARE(reader.events(id).size(), 200U);
}

LATHE_TEST(RunWriterTest);

} // namespace lathe

#include "run_writer_test.moc"
