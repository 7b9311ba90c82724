// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/client.h"

#include "experiments/remote/frame.h"
#include "tests/experiments/remote/engine_watch.h"
#include "tests/experiments/store/event_log.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <csignal>

namespace lathe {

using test::EngineWatch;
using test::EventLog;

/// The window's side of the protocol against an engine that behaves well or badly.
class ClientTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void runsAndIsTold();
    void noiseBeforeTheMagic();
    void submitBeforeItIsReady();
    void cancels();
    void cancelBeforeItIsSent();
    void describesModels();
    void crashIsTheLastWord();
    void nothingIsRunAgainUnasked();
    void killedChildIsReplaced();
    void threeCrashesAreEnough();
    void restartAfterTheLastCrash();
    void otherProtocolIsRefused();
    void unknownFramesAreIgnored();
    void floodOfStandardError();
    void damagedStreamEndsTheChild_data();
    void damagedStreamEndsTheChild();
    void silentChildIsKilled();
    void missingProgram();
    void destructionEndsAnyChild_data();
    void destructionEndsAnyChild();

private:
    std::unique_ptr<RemoteEngine> engine(const char* behaviour, int helloMs = 60'000) {
        RemoteEngine::Options options;
        options.command = {(test::programFolder() / "fake_engine").string(), behaviour};
        options.nice = 0;
        options.helloTimeout = std::chrono::milliseconds(helloMs);
        return std::make_unique<RemoteEngine>(std::move(options), *m_log, *m_watch);
    }
    static Spec spec(const char* study = "lm.generate") {
        return test::sampleSpec(study, Json::object());
    }
    std::vector<Event> eventsOf(std::int64_t run) const {
        std::vector<Event> found;
        for (Event& event : m_log->events()) {
            if (event.runId == run) {
                found.push_back(std::move(event));
            }
        }
        return found;
    }

    std::unique_ptr<EventLog> m_log;
    std::unique_ptr<EngineWatch> m_watch;
};

void ClientTest::init() {
    m_log = std::make_unique<EventLog>();
    m_watch = std::make_unique<EngineWatch>();
}

void ClientTest::runsAndIsTold() {
    const auto remote = engine("good");
    QVERIFY(m_watch->waitFor([](const auto& seen) { return !seen.infos.empty(); }));
    QCOMPARE(m_watch->seen().infos[0].build, std::string("fake 1"));
    QCOMPARE(remote->state(), EngineState::Ready);
    QVERIFY(remote->childPid() > 0);
    remote->start(41, spec());
    remote->start(42, spec());
    QCOMPARE(m_log->waitForEnd(42).state, RunState::Done);
    QCOMPARE(m_log->waitForEnd(41).state, RunState::Done);
    const auto events = eventsOf(41);
    QCOMPARE(events.size(), 22U);
    for (std::size_t i = 0; i < events.size(); ++i) {
        QCOMPARE(events[i].seq, static_cast<std::int64_t>(i) + 1);
    }
}

void ClientTest::noiseBeforeTheMagic() {
    const auto remote = engine("noisy");
    remote->start(1, spec());
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Done);
    QCOMPARE(m_log->events().size(), 22U);
}

void ClientTest::submitBeforeItIsReady() {
    const auto remote = engine("good");
    for (std::int64_t run = 1; run <= 5; ++run) {
        remote->start(run, spec());
    }
    QCOMPARE(m_log->waitForEnd(5).state, RunState::Done);
    QCOMPARE(m_log->events().size(), 110U);
    QCOMPARE(m_log->events().front().runId, 1);
}

void ClientTest::cancels() {
    const auto remote = engine("waits");
    remote->start(3, spec());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.runId == 3; }));
    remote->cancel(999); // never was
    remote->cancel(3);
    QCOMPARE(m_log->waitForEnd(3).state, RunState::Cancelled);
    QCOMPARE(eventsOf(3).size(), 2U);
}

void ClientTest::cancelBeforeItIsSent() {
    const auto remote = engine("silent");
    remote->start(3, spec());
    remote->cancel(3);
    QCOMPARE(m_log->waitForEnd(3).state, RunState::Cancelled);
    QCOMPARE(remote->state(), EngineState::Starting);
}

void ClientTest::describesModels() {
    const auto remote = engine("good");
    remote->describeModel("/no/such/model");
    QVERIFY(m_watch->waitFor([](const auto& seen) { return !seen.models.empty(); }));
    QCOMPARE(m_watch->seen().models[0].name, std::string("/no/such/model"));
    QCOMPARE(m_watch->seen().models[0].problem, std::string("no such file"));
}

void ClientTest::crashIsTheLastWord() {
    const auto remote = engine("crashes");
    remote->start(8, spec("crash"));
    const RunChanged end = m_log->waitForEnd(8);
    QCOMPARE(end.state, RunState::Crashed);
    QVERIFY2(end.message.find("was killed by signal 9") != std::string::npos, end.message.c_str());
    QVERIFY2(
        end.message.find("the kernel is at fault\nlast line without end") != std::string::npos,
        end.message.c_str());
    const auto events = eventsOf(8);
    QCOMPARE(events.size(), 5001U); // every frame, then the crash
    QCOMPARE(events[4999].seq, 5000);
    QCOMPARE(events[5000].seq, 5001);
    QCOMPARE(events[5000].at, events[4999].at);
    QVERIFY(m_watch->waitFor([](const auto& seen) {
        return !seen.lines.empty() && seen.lines.back() == "last line without end";
    }));
}

void ClientTest::nothingIsRunAgainUnasked() {
    const auto remote = engine("crashes");
    remote->start(8, spec("crash"));
    remote->start(9, spec("crash")); // is sent to the same child, or stays for the next one
    QCOMPARE(m_log->waitForEnd(8).state, RunState::Crashed);
    QVERIFY(m_watch->waitFor(EngineState::Ready, 2));
    remote->start(10, spec());
    QCOMPARE(m_log->waitForEnd(10).state, RunState::Done);
    QCOMPARE(eventsOf(8).size(), 5001U);
    QCOMPARE(m_log->waitForEnd(9).state, RunState::Crashed);
}

void ClientTest::killedChildIsReplaced() {
    const auto remote = engine("waits");
    remote->start(1, spec());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.runId == 1; }));
    const int first = remote->childPid();
    QCOMPARE(::kill(first, SIGKILL), 0);
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Crashed);
    QVERIFY(m_watch->waitFor(EngineState::Ready, 2));
    QCOMPARE(m_watch->seen().count(EngineState::Restarting), 1);
    QVERIFY(remote->childPid() != first);
    remote->start(2, spec());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.runId == 2; }));
    remote->cancel(2);
    QCOMPARE(m_log->waitForEnd(2).state, RunState::Cancelled);
}

void ClientTest::threeCrashesAreEnough() {
    const auto remote = engine("dies");
    remote->start(1, spec());
    QVERIFY(m_watch->waitFor(EngineState::Stopped));
    QCOMPARE(m_watch->seen().count(EngineState::Restarting), 2);
    const std::string why = m_watch->seen().messageOf(EngineState::Stopped);
    QVERIFY2(why.find("ended with status 7") != std::string::npos, why.c_str());
    QVERIFY2(why.find("no driver") != std::string::npos, why.c_str());
    QCOMPARE(remote->childPid(), 0);
    QVERIFY(m_log->events().empty()); // a Spec that was never sent has not crashed; it waits
    remote->cancel(1);
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Cancelled);
}

void ClientTest::restartAfterTheLastCrash() {
    const auto remote = engine("crashes");
    for (std::int64_t run = 1; run <= 3; ++run) {
        remote->start(run, spec("crash"));
        QCOMPARE(m_log->waitForEnd(run).state, RunState::Crashed);
    }
    QVERIFY(m_watch->waitFor(EngineState::Stopped));
    remote->start(4, spec());
    remote->restart();
    QCOMPARE(m_log->waitForEnd(4).state, RunState::Done);
    const int before = remote->childPid();
    const int ready = m_watch->seen().count(EngineState::Ready);
    remote->restart(); // replaces a living child as well
    QVERIFY(m_watch->waitFor(EngineState::Ready, ready + 1));
    QVERIFY(remote->childPid() != before);
}

void ClientTest::otherProtocolIsRefused() {
    const auto remote = engine("other-protocol");
    QVERIFY(m_watch->waitFor(EngineState::Refused));
    const std::string why = m_watch->seen().messageOf(EngineState::Refused);
    QVERIFY2(why.find("speaks protocol 99") != std::string::npos, why.c_str());
    QVERIFY2(
        why.find("speaks protocol " + std::to_string(kProtocol)) != std::string::npos, why.c_str());
    QCOMPARE(m_watch->seen().count(EngineState::Ready), 0);
    QCOMPARE(remote->childPid(), 0);
}

void ClientTest::unknownFramesAreIgnored() {
    const auto remote = engine("unknown");
    remote->start(1, spec());
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Done);
    QCOMPARE(m_log->events().size(), 22U);
    QCOMPARE(m_watch->seen().count(EngineState::Ready), 1);
}

void ClientTest::floodOfStandardError() {
    const auto remote = engine("floods");
    remote->start(1, spec());
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Done);
    QVERIFY(m_watch->waitFor([](const auto& seen) { return seen.lines.size() == 40'000; }));
    QCOMPARE(
        m_watch->seen().lines.back(),
        std::string("warning: this library talks without end, line 39999"));
}

void ClientTest::damagedStreamEndsTheChild_data() {
    QTest::addColumn<QString>("behaviour");
    QTest::addColumn<QString>("message");
    QTest::newRow("length beyond the limit") << "lies"
                                             << "4294967295 bytes is beyond";
    QTest::newRow("no hello") << "rude"
                              << "its first frame is no hello";
}

void ClientTest::damagedStreamEndsTheChild() {
    QFETCH(QString, behaviour);
    QFETCH(QString, message);
    const auto remote = engine(qPrintable(behaviour));
    QVERIFY(m_watch->waitFor(EngineState::Stopped)); // thrice
    const std::string why = m_watch->seen().messageOf(EngineState::Stopped);
    QVERIFY2(why.find(message.toStdString()) != std::string::npos, why.c_str());
    QVERIFY(m_log->events().empty());
}

void ClientTest::silentChildIsKilled() {
    const auto remote = engine("silent", 50);
    QVERIFY(m_watch->waitFor(EngineState::Stopped));
    const std::string why = m_watch->seen().messageOf(EngineState::Stopped);
    QVERIFY2(why.find("did not say hello within 50 ms") != std::string::npos, why.c_str());
}

void ClientTest::missingProgram() {
    RemoteEngine::Options options;
    options.command = {"/no/such/program"};
    const RemoteEngine remote(std::move(options), *m_log, *m_watch);
    QVERIFY(m_watch->waitFor(EngineState::Stopped));
    const std::string why = m_watch->seen().messageOf(EngineState::Stopped);
    QVERIFY2(why.find("/no/such/program cannot be started") != std::string::npos, why.c_str());
    QCOMPARE(m_watch->seen().count(EngineState::Restarting), 0);
}

void ClientTest::destructionEndsAnyChild_data() {
    QTest::addColumn<QString>("behaviour");
    QTest::addColumn<bool>("ready");
    QTest::newRow("good") << "good" << true;
    QTest::newRow("never ready") << "silent" << false;
    QTest::newRow("takes no end of input") << "deaf" << true;
    QTest::newRow("talks for ever") << "talks" << true;
    QTest::newRow("running") << "waits" << true;
}

void ClientTest::destructionEndsAnyChild() {
    QFETCH(QString, behaviour);
    QFETCH(bool, ready);
    auto remote = engine(qPrintable(behaviour));
    remote->start(1, spec());
    if (ready) {
        QVERIFY(m_watch->waitFor(EngineState::Ready));
    }
    QTRY_VERIFY_WITH_TIMEOUT(remote->childPid() > 0, 60'000);
    const int child = remote->childPid();
    remote.reset(); // within a second or so; a hang here ends the test
    QCOMPARE(::kill(child, 0), -1);
    QCOMPARE(errno, ESRCH); // reaped as well
}

LATHE_TEST(ClientTest);

} // namespace lathe

#include "client_test.moc"
