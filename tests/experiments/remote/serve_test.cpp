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
    void otherThresholdsAreReplayed();
    void questionsThatFailSayWhy();
    void endOfInputEndsIt();
    void damagedInputEndsIt();
    void pingIsAnswered();

private:
    static Spec decoding(Json more = Json::object()) {
        more.emplace("big", "translate-big");
        more["little"] = "translate-little-aligned";
        more["source"] = "Eine alte Frau verkauft auf dem Markt Blumen und gelbe Äpfel.";
        return test::sampleSpec("decode.once", more);
    }
    static Json question(int id, const Spec& spec, const Json& costs) {
        return {
            {"question", id},
            {"about", "decode.what-if"},
            {"spec", toJson(spec)},
            {"costs", costs}};
    }
    Json answerTo(int id) {
        const auto is = [id](const Json& answer) { return answer.at("question") == id; };
        if (!m_watch->waitFor([&](const EngineWatch::Seen& seen) {
                return std::ranges::any_of(seen.answers, is);
            })) {
            return {};
        }
        const std::vector<Json> answers = m_watch->seen().answers;
        return *std::ranges::find_if(answers, is);
    }
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

void ServeTest::otherThresholdsAreReplayed() {
    const auto remote = engine();
    const Spec spec = decoding({{"alpha_fb", 0.9}, {"alpha_rb", 2.0}});
    remote->start(1, spec);
    QCOMPARE(m_log->waitForEnd(1).state, RunState::Done);
    Json measured;
    std::size_t steps = 0;
    for (const Event& event : m_log->events()) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        measured = cell != nullptr && cell->state == CellState::Done ? cell->metrics : measured;
        steps += std::holds_alternative<DecodeStep>(event.payload) ? 1 : 0;
    }
    QCOMPARE(steps + 2, measured.at("events").size()); // the encoders are known at the end
    const Json& costs = measured.at("costs");

    remote->ask(question(7, spec, costs));
    const Json same = answerTo(7).at("result");
    QVERIFY(same.at("text") == measured.at("text"));
    QVERIFY(same.at("agreement") == measured.at("agreement"));
    QVERIFY(same.at("computed").get<int>() > 0);
    const Json& events = same.at("events"); // no encoders: their time is the beginnings'
    QCOMPARE(events.size() + 2, measured.at("events").size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        for (const char* member : {"kind", "pos", "token", "rows", "kvS", "kvL", "n"}) {
            QVERIFY(events[i].at(member) == measured.at("events")[i + 2].at(member));
        }
        const int at = same.at("at")[i].get<int>();
        if (events[i].at("kind") == "DRAFT") {
            const Json& little =
                same.at("candidates").at(static_cast<std::size_t>(at)).at("little");
            QCOMPARE(little.size(), std::size_t{5});
            QVERIFY(little[0][0] == events[i].at("token"));
            QVERIFY(same.at("pieces").contains(std::to_string(little[4][0].get<int>())));
        } else if (events[i].at("kind") == "VERIFY") {
            QCOMPARE(at, -1);
        }
    }

    remote->ask(question(8, decoding({{"alpha_fb", 0.9}, {"alpha_rb", 0.0}}), costs));
    const Json exact = answerTo(8).at("result");
    QVERIFY(exact.at("text") == measured.at("alone").at("text"));
    QCOMPARE(exact.at("agreement").get<double>(), 100.0);
    remote->ask(question(9, decoding({{"alpha_fb", 0.9}, {"alpha_rb", 0.0}}), costs));
    QCOMPARE(answerTo(9).at("result").at("computed").get<int>(), 0);
}

void ServeTest::questionsThatFailSayWhy() {
    const auto remote = engine();
    const auto errorOf = [&](int id) { return answerTo(id).value("error", std::string()); };
    const Json costs{
        {"little_ms", 1.0},
        {"big_ms", 2.0},
        {"big_per_row_ms", 0.1},
        {"little_start_ms", 1.0},
        {"big_start_ms", 2.0}};
    remote->ask(question(1, decoding({{"big", "no-such-model"}}), costs));
    remote->ask({{"question", 2}, {"about", "the weather"}});
    QVERIFY(errorOf(2).find("the weather") != std::string::npos);
    QVERIFY(!errorOf(1).empty());
    remote->ask(question(3, decoding(), Json{{"little_ms", "fast"}}));
    QVERIFY(errorOf(3).find("little_ms") != std::string::npos);
    remote->ask(question(4, decoding({{"temperature", 1.0}}), costs));
    QVERIFY(!errorOf(4).empty());

    // Behind a run that does not end the question waits; with the engine it gets an answer.
    remote->start(1, lengthy());
    QVERIFY(m_log->waitFor([](const Event& event) { return event.cell >= 0; }));
    remote->ask(question(5, decoding(), costs));
    remote->ask(question(6, decoding(), costs));
    QVERIFY(errorOf(5).find("another question") != std::string::npos);
    QCOMPARE(::kill(remote->childPid(), SIGKILL), 0);
    QVERIFY(errorOf(6).find("signal 9") != std::string::npos);
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
