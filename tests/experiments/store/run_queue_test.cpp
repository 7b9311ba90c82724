// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_queue.h"

#include "experiments/store/run_reader.h"
#include "tests/experiments/store/event_log.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using test::sampleSpec;

/// One run at a time, in order, however runs end.
class RunQueueTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void cleanup();
    void insertsBeforeItStarts();
    void runsInOrder();
    void frontGoesFirst();
    void cancelOfAWaitingRun();
    void cancelOfTheActiveRun();
    void cancelThatComesBeforeTheServiceHasTheRun();
    void cancelAllEndsEverything();
    void aRunThatCannotStartMakesRoom();
    void aServiceThatAnswersAtOnce();
    void eventsOfOtherRunsStartNothing();

private:
    struct FakeService : RunService {
        void start(std::int64_t runId, const Spec& spec) override {
            if (onStart) {
                onStart(runId);
            }
            if (spec.study == "refused") {
                throw DeviceError("no such device");
            }
            started.push_back(runId);
        }
        void cancel(std::int64_t runId) noexcept override { cancelled.push_back(runId); }

        std::vector<std::int64_t> started, cancelled;
        std::function<void(std::int64_t)> onStart;
    };

    void end(std::int64_t id, RunState state = RunState::Done) {
        m_queue->post(Event{id, -1, 2, {}, RunChanged{state}});
    }
    std::int64_t submit(const char* study = "lm.generate", bool front = false) {
        return m_queue->submit(sampleSpec(study, Json::object()), {}, front);
    }
    RunRow stored(std::int64_t id) {
        m_writer->flush();
        return RunReader(m_folder->path() / "runs.db").run(id).value();
    }

    std::unique_ptr<test::TemporaryFolder> m_folder;
    std::unique_ptr<test::EventLog> m_log;
    std::unique_ptr<RunWriter> m_writer;
    std::unique_ptr<FakeService> m_service;
    std::unique_ptr<RunQueue> m_queue;
};

void RunQueueTest::init() {
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_log = std::make_unique<test::EventLog>();
    m_writer = std::make_unique<RunWriter>(
        m_folder->path() / "runs.db", std::vector<EventSink*>{m_log.get()});
    m_service = std::make_unique<FakeService>();
    m_queue = std::make_unique<RunQueue>(*m_writer);
    m_queue->setService(*m_service);
}

void RunQueueTest::cleanup() {
    m_queue.reset();
    m_service.reset();
    m_writer.reset();
}

void RunQueueTest::insertsBeforeItStarts() {
    std::optional<RunState> state;
    m_service->onStart = [&](std::int64_t id) {
        state = RunReader(m_folder->path() / "runs.db").run(id)->state;
    };
    const auto id = submit();
    QCOMPARE(state, RunState::Queued);
    QCOMPARE(m_service->started, std::vector<std::int64_t>{id});
    // Views learn of a waiting run like of everything else.
    QVERIFY(m_log->waitFor([id](const Event& event) {
        const auto* change = std::get_if<RunChanged>(&event.payload);
        return event.runId == id && change != nullptr && change->state == RunState::Queued;
    }));
}

void RunQueueTest::runsInOrder() {
    const auto a = submit();
    const auto b = submit();
    const auto c = submit();
    QCOMPARE(m_queue->active(), a);
    QCOMPARE(m_queue->waiting(), (std::vector<std::int64_t>{b, c}));
    QCOMPARE(m_service->started, (std::vector<std::int64_t>{a}));
    end(a);
    QCOMPARE(m_service->started, (std::vector<std::int64_t>{a, b}));
    end(b, RunState::Crashed);
    QCOMPARE(m_service->started, (std::vector<std::int64_t>{a, b, c}));
    end(c, RunState::Failed);
    m_queue->waitIdle();
    QVERIFY(!m_queue->active().has_value());
    QCOMPARE(stored(a).state, RunState::Done);
    QCOMPARE(stored(b).state, RunState::Crashed);
    QCOMPARE(stored(c).state, RunState::Failed);
}

void RunQueueTest::frontGoesFirst() {
    const auto a = submit();
    const auto b = submit();
    const auto c = submit("lm.generate", true);
    QCOMPARE(m_queue->waiting(), (std::vector<std::int64_t>{c, b}));
    end(a);
    QCOMPARE(m_queue->active(), c);
}

void RunQueueTest::cancelOfAWaitingRun() {
    const auto a = submit();
    const auto b = submit();
    const auto c = submit();
    m_queue->cancel(b);
    QCOMPARE(m_queue->waiting(), std::vector<std::int64_t>{c});
    QVERIFY(m_service->cancelled.empty());
    QCOMPARE(stored(b).state, RunState::Cancelled);
    QCOMPARE(stored(b).message, std::string("cancelled before it started"));
    m_queue->cancel(b); // twice, and one that never was
    m_queue->cancel(999);
    end(a);
    QCOMPARE(m_service->started, (std::vector<std::int64_t>{a, c}));
}

void RunQueueTest::cancelOfTheActiveRun() {
    const auto a = submit();
    const auto b = submit();
    m_queue->cancel(a);
    QCOMPARE(m_service->cancelled, std::vector<std::int64_t>{a});
    QCOMPARE(m_queue->active(), a); // until the service says so
    end(a, RunState::Cancelled);
    QCOMPARE(m_queue->active(), b);
    QCOMPARE(stored(a).state, RunState::Cancelled);
}

void RunQueueTest::cancelThatComesBeforeTheServiceHasTheRun() {
    m_service->onStart = [this](std::int64_t id) {
        m_queue->cancel(id); // as another thread does at this very moment
        QVERIFY(m_service->cancelled.empty());
    };
    const auto a = submit();
    QCOMPARE(m_service->cancelled, std::vector<std::int64_t>{a});
    m_service->onStart = {};
    const auto b = submit();
    end(a, RunState::Cancelled);
    QCOMPARE(m_queue->active(), b);
    QCOMPARE(m_service->cancelled.size(), 1U);
}

void RunQueueTest::cancelAllEndsEverything() {
    const auto a = submit();
    const auto b = submit();
    m_queue->cancelAll();
    QCOMPARE(m_service->cancelled, std::vector<std::int64_t>{a});
    end(a, RunState::Cancelled);
    m_queue->waitIdle();
    QCOMPARE(m_service->started, std::vector<std::int64_t>{a});
    QCOMPARE(stored(b).state, RunState::Cancelled);
}

void RunQueueTest::aRunThatCannotStartMakesRoom() {
    const auto a = submit("refused");
    const auto b = submit();
    QCOMPARE(stored(a).state, RunState::Failed);
    QCOMPARE(stored(a).message, std::string("no such device"));
    QCOMPARE(m_queue->active(), b);
    end(b);
    submit("refused");
    m_queue->waitIdle();
}

void RunQueueTest::aServiceThatAnswersAtOnce() {
    m_service->onStart = [this](std::int64_t id) { end(id); };
    const auto a = submit();
    const auto b = submit();
    m_queue->waitIdle();
    QCOMPARE(m_service->started, (std::vector<std::int64_t>{a, b}));
    QCOMPARE(stored(b).state, RunState::Done);
}

void RunQueueTest::eventsOfOtherRunsStartNothing() {
    const auto a = submit();
    submit();
    m_queue->post(Event{a, 0, 1, {}, RunChanged{RunState::Running}});
    m_queue->post(Event{a, 0, 1, {}, LogLine{LogLevel::Info, "x"}});
    end(999);
    QCOMPARE(m_queue->active(), a);
    QCOMPARE(m_service->started.size(), 1U);
}

LATHE_TEST(RunQueueTest);

} // namespace lathe

#include "run_queue_test.moc"
