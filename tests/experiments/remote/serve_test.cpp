// SPDX-License-Identifier: Apache-2.0
#include "engine/core/run_service.h"
#include "experiments/remote/client.h"
#include "experiments/remote/frame.h"
#include "tests/experiments/remote/engine_watch.h"
#include "tests/experiments/store/event_log.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <QProcess>

#include <csignal>
#include <sys/resource.h>

namespace lathe {

using test::EngineWatch;
using test::EventLog;

/// The real `lathe-run serve`.
class ServeTest : public QObject {
    Q_OBJECT
private slots:
    void saysHelloAndRuns();
    void failedRunsSayWhy();
    void survivesItsDeath();
    void cancelsARunningSweep();
    void describesModels();
    void endOfInputEndsIt();
    void damagedInputEndsIt();
    void pingIsAnswered();

private:
    std::unique_ptr<RemoteEngine> engine() {
        m_log = std::make_unique<EventLog>();
        m_watch = std::make_unique<EngineWatch>();
        RemoteEngine::Options options;
        options.command = {program(), "serve"};
        return std::make_unique<RemoteEngine>(std::move(options), *m_log, *m_watch);
    }
    static std::string program() { return (test::programFolder() / "lathe-run").string(); }
    static Spec tiny() {
        return test::sampleSpec("bench.gemv", {{"shape", "16x32"}}, {{"bits", {2, 3}}});
    }
    static Spec lengthy() {
        return test::sampleSpec(
            "quant.sweep", {{"model", "lm-big"}},
            {{"bits", {2, 3, 4, 5, 6, 7, 8}}, {"method", {"rtn", "kmeans"}}});
    }

    std::unique_ptr<EventLog> m_log;
    std::unique_ptr<EngineWatch> m_watch;
};

namespace {

constexpr int kPatienceMs = 60'000;

void write(QProcess& process, const std::vector<std::byte>& frame) {
    process.write(reinterpret_cast<const char*>(frame.data()), static_cast<qint64>(frame.size()));
}

/// Frames of a raw `serve` until one passes.
Frame readUntil(
    QProcess& process, FrameParser& parser, const std::function<bool(const Frame&)>& passes) {
    for (;;) {
        while (auto frame = parser.next()) {
            if (passes(*frame)) {
                return std::move(*frame);
            }
        }
        if (process.bytesAvailable() == 0 && !process.waitForReadyRead(kPatienceMs)) {
            return {};
        }
        const QByteArray bytes = process.readAllStandardOutput();
        parser.feed(
            std::as_bytes(std::span(bytes.constData(), static_cast<std::size_t>(bytes.size()))));
    }
}

bool isKind(const Frame& frame, FrameKind kind) {
    return frame.kind == static_cast<std::uint8_t>(kind);
}

} // namespace

void ServeTest::saysHelloAndRuns() {
    const auto remote = engine();
    remote->start(1, tiny());
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Done);
    const EngineInfo info = m_watch->seen().infos.at(0);
    QCOMPARE(info.protocol, kProtocol);
    QVERIFY(std::ranges::any_of(
        info.studies, [](const StudyInfo& s) { return s.id == "quant.sweep"; }));
    QVERIFY(
        std::ranges::any_of(info.models, [](const ModelInfo& m) { return m.name == "lm-little"; }));
    QVERIFY(!info.device.empty());
    int done = 0;
    for (const Event& event : m_log->events()) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        done += cell != nullptr && cell->state == CellState::Done && cell->metrics.contains("us")
                    ? 1
                    : 0;
    }
    QCOMPARE(done, 2);
    QCOMPARE(
        getpriority(PRIO_PROCESS, static_cast<id_t>(remote->childPid())),
        getpriority(PRIO_PROCESS, 0) + 5);
}

void ServeTest::failedRunsSayWhy() {
    const auto remote = engine();
    Spec wrong = tiny();
    wrong.params["shape"] = "none";
    remote->start(1, wrong);
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Failed);
    remote->start(2, test::sampleSpec("no.study", Json::object()));
    const RunChanged end = m_log->waitForEnd(2);
    QCOMPARE(end.state, RunState::Failed);
    QVERIFY2(end.message.find("no.study") != std::string::npos, end.message.c_str());
    remote->start(3, tiny());
    QCOMPARE(m_log->waitForEnd(3).state, RunState::Done);
}

void ServeTest::survivesItsDeath() {
    const auto remote = engine();
    remote->start(1, lengthy());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.cell >= 0; }));
    QCOMPARE(::kill(remote->childPid(), SIGKILL), 0);
    const RunChanged end = m_log->waitForEnd(1);
    QCOMPARE(end.state, RunState::Crashed);
    QVERIFY2(end.message.find("signal 9") != std::string::npos, end.message.c_str());
    remote->start(2, tiny());
    QCOMPARE(m_log->waitForEnd(2).state, RunState::Done);
}

void ServeTest::cancelsARunningSweep() {
    const auto remote = engine();
    remote->start(1, lengthy());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.cell >= 0; }));
    remote->cancel(1);
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Cancelled);
}

void ServeTest::describesModels() {
    const auto remote = engine();
    remote->describeModel("lm-little");
    remote->describeModel("/no/such/folder");
    QVERIFY(m_watch->waitFor([](const auto& seen) { return seen.models.size() == 2; }));
    const auto models = m_watch->seen().models;
    QCOMPARE(models[0].architecture, std::string("llama"));
    QVERIFY(models[0].problem.empty());
    QVERIFY(!models[1].problem.empty());
}

void ServeTest::endOfInputEndsIt() {
    QProcess process;
    process.start(QString::fromStdString(program()), {"serve"});
    FrameParser parser(true);
    write(process, encodeFrame(FrameKind::Submit, Json{{"run", 1}, {"spec", toJson(lengthy())}}));
    const Frame event = readUntil(
        process, parser, [](const Frame& frame) { return isKind(frame, FrameKind::Event); });
    QVERIFY(isKind(event, FrameKind::Event)); // it is at work
    process.closeWriteChannel();
    // It promises a second and keeps it by an alarm; here is room for a busy machine.
    QVERIFY(process.waitForFinished(20'000));
}

void ServeTest::damagedInputEndsIt() {
    QProcess process;
    process.start(QString::fromStdString(program()), {"serve"});
    process.write("\xFF\xFF\xFF\xFF\x02 this is no frame");
    QVERIFY(process.waitForFinished(kPatienceMs));
    QCOMPARE(process.exitStatus(), QProcess::NormalExit);
    QCOMPARE(process.exitCode(), 3);
    QVERIFY(process.readAllStandardError().contains("messages are damaged"));
}

void ServeTest::pingIsAnswered() {
    QProcess process;
    process.start(QString::fromStdString(program()), {"serve"});
    FrameParser parser(true);
    const std::string token = "are you there?";
    write(process, encodeFrame(static_cast<FrameKind>(200), Json{{"of", "a newer window"}}));
    write(process, encodeFrame(FrameKind::Ping, std::as_bytes(std::span(token))));
    const Frame hello = readUntil(process, parser, [](const Frame&) { return true; });
    QVERIFY(isKind(hello, FrameKind::Hello));
    const Frame pong = readUntil(process, parser, [](const Frame&) { return true; });
    QVERIFY(isKind(pong, FrameKind::Pong));
    QCOMPARE(pong.payload.size(), token.size());
    process.closeWriteChannel();
    QVERIFY(process.waitForFinished(kPatienceMs));
    QCOMPARE(process.exitCode(), 0);
}

LATHE_TEST(ServeTest);

} // namespace lathe

#include "serve_test.moc"
