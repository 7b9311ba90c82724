// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/jsonl_sink.h"

#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace lathe {

using test::doneCell;

/// What `--json` writes: one object per line, nothing else.
class JsonlSinkTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void cleanup();
    void oneLineForEachFinishedCell();
    void failuresAreErrors();
    void cancelledRunsSaySo();
    void aClosedPipeBreaksIt();
    void aFullDiskBreaksIt();

private:
    std::vector<Json> lines() {
        ::close(std::exchange(m_writing, -1));
        std::string text;
        std::array<char, 4096> buffer{};
        for (ssize_t count = 0; (count = ::read(m_reading, buffer.data(), buffer.size())) > 0;) {
            text.append(buffer.data(), static_cast<std::size_t>(count));
        }
        std::vector<Json> parsed;
        for (const QString& line : QString::fromStdString(text).split(u'\n', Qt::SkipEmptyParts)) {
            parsed.push_back(parseJson(line.toStdString(), "line"));
        }
        return parsed;
    }

    int m_reading = -1;
    int m_writing = -1;
};

void JsonlSinkTest::init() {
    std::array<int, 2> ends{};
    QCOMPARE(pipe2(ends.data(), O_CLOEXEC), 0);
    m_reading = ends[0];
    m_writing = ends[1];
}

void JsonlSinkTest::cleanup() {
    ::close(m_reading);
    ::close(m_writing);
}

void JsonlSinkTest::oneLineForEachFinishedCell() {
    JsonlSink sink(m_writing, "quant.sweep");
    sink.post({7, -1, 1, {}, RunChanged{RunState::Running}});
    sink.post({7, 0, 2, {}, CellChanged{CellState::Running, "k", {{"bits", 3}}}});
    sink.post({7, 0, 3, {}, Metric{"loss", 1.0, "", 1}});
    sink.post(
        {7, 0, 4, {}, doneCell("k", {{"bits", 3}}, {{"perplexity", 4.5}, {"sample", "a\nb\xFF"}})});
    sink.post({7, 1, 5, {}, doneCell("l", {{"bits", 4}}, {{"perplexity", nullptr}})});
    sink.post({7, -1, 6, {}, RunChanged{RunState::Done}});
    const auto found = lines();
    QCOMPARE(found.size(), 2U);
    QCOMPARE(
        found[0], (Json{
                      {"study", "quant.sweep"},
                      {"run", 7},
                      {"params", {{"bits", 3}}},
                      {"metrics", {{"perplexity", 4.5}, {"sample", "a\nb\uFFFD"}}}}));
    QCOMPARE(found[1].at("params"), (Json{{"bits", 4}}));
    QVERIFY(!sink.broken());
}

void JsonlSinkTest::failuresAreErrors() {
    JsonlSink sink(m_writing, "quant.sweep");
    sink.post({7, 0, 1, {}, CellChanged{CellState::Failed, "k", {{"bits", 3}}, {}, "too large"}});
    sink.post({7, -1, 2, {}, RunChanged{RunState::Failed, "too large"}});
    sink.post({8, -1, 1, {}, RunChanged{RunState::Crashed, "killed"}});
    const auto found = lines();
    QCOMPARE(found.size(), 2U); // the run says the same as its cell
    QCOMPARE(found[0].at("error").get<std::string>(), std::string("too large"));
    QCOMPARE(found[0].at("params"), (Json{{"bits", 3}}));
    QVERIFY(!found[0].contains("metrics"));
    QCOMPARE(found[1].at("error").get<std::string>(), std::string("killed"));
    QCOMPARE(found[1].at("state").get<std::string>(), std::string("crashed"));
}

void JsonlSinkTest::cancelledRunsSaySo() {
    JsonlSink sink(m_writing, "quant.sweep");
    sink.post({7, -1, 2, {}, RunChanged{RunState::Cancelled}});
    const auto found = lines();
    QCOMPARE(found.size(), 1U);
    QCOMPARE(found[0].at("error").get<std::string>(), std::string("the run was cancelled"));
}

void JsonlSinkTest::aClosedPipeBreaksIt() {
    std::signal(SIGPIPE, SIG_IGN);
    JsonlSink sink(m_writing, "quant.sweep");
    ::close(std::exchange(m_reading, -1));
    QVERIFY(!sink.broken());
    sink.fail("nobody reads this");
    QVERIFY(sink.broken());
    sink.fail("nor this");
}

void JsonlSinkTest::aFullDiskBreaksIt() {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    QVERIFY(full >= 0);
    JsonlSink sink(full, "quant.sweep");
    sink.fail("no room");
    QVERIFY(sink.broken());
    ::close(full);
}

LATHE_TEST(JsonlSinkTest);

} // namespace lathe

#include "jsonl_sink_test.moc"
