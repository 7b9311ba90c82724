// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/frame_writer.h"

#include "tests/support/lathe_test.h"

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace lathe {

/// What leaves the engine when the window reads quickly, slowly or not at all.
class FrameWriterTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void cleanup();
    void magicThenFramesInOrder();
    void aFullQueueMergesProgress();
    void aFullQueueMakesTheRunWait();
    void answersNeverWait();
    void nobodyReads();
    void tooLargeAnArrayIsSaid();

private:
    /// Reads what comes until the end, then cuts it into frames.
    std::vector<Frame> readAll() {
        FrameParser parser(true);
        std::vector<std::byte> buffer(std::size_t{1} << 16);
        std::vector<Frame> frames;
        for (ssize_t count = 0; (count = ::read(m_reading, buffer.data(), buffer.size())) > 0;) {
            parser.feed(std::span(buffer).first(static_cast<std::size_t>(count)));
            while (auto frame = parser.next()) {
                frames.push_back(std::move(*frame));
            }
        }
        return frames;
    }
    /// So much that the pipe is full: the writer's thread stands still from here on.
    void fillPipe(FrameWriter& writer) {
        writer.send(encodeFrame(FrameKind::Pong, std::span<const std::byte>(m_stuffing)));
        for (int waiting = 0; waiting < 60'000 && !pipeIsFull(); ++waiting) {
            QTest::qWait(1);
        }
        QVERIFY(pipeIsFull());
    }
    bool pipeIsFull() const {
        pollfd fd{m_writing, POLLOUT, 0};
        return ::poll(&fd, 1, 0) == 0;
    }

    std::vector<std::byte> m_stuffing = std::vector<std::byte>(std::size_t{1} << 20);
    int m_reading = -1;
    int m_writing = -1;
};

void FrameWriterTest::init() {
    std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    QCOMPARE(pipe2(ends.data(), O_CLOEXEC), 0);
    m_reading = ends[0];
    m_writing = ends[1];
}

void FrameWriterTest::cleanup() {
    ::close(m_reading);
    ::close(m_writing);
}

void FrameWriterTest::magicThenFramesInOrder() {
    auto writer = std::make_unique<FrameWriter>(m_writing);
    writer->send(encodeFrame(FrameKind::Hello, Json{{"protocol", kProtocol}}));
    for (int i = 1; i <= 100; ++i) {
        writer->post({1, 0, i, {}, LogLine{LogLevel::Info, std::to_string(i)}});
    }
    writer.reset(); // writes what is queued
    ::close(std::exchange(m_writing, -1));
    const auto frames = readAll();
    QCOMPARE(frames.size(), 101U);
    QCOMPARE(frames[0].kind, static_cast<std::uint8_t>(FrameKind::Hello));
    for (std::size_t i = 1; i < frames.size(); ++i) {
        QCOMPARE(decodeEvent(frames[i].payload)->seq, static_cast<std::int64_t>(i));
    }
}

void FrameWriterTest::aFullQueueMergesProgress() {
    auto writer = std::make_unique<FrameWriter>(m_writing, 4);
    fillPipe(*writer);
    for (int i = 1; i <= 4; ++i) {
        writer->post({1, 0, i, {}, LogLine{LogLevel::Info, "kept"}});
    }
    for (int i = 5; i <= 1000; ++i) {
        writer->post({1, 0, i, {}, Progress{i / 1000.0, std::to_string(i)}}); // does not wait
    }
    std::vector<Frame> frames;
    std::jthread reader([&] { frames = readAll(); });
    writer.reset();
    ::close(std::exchange(m_writing, -1));
    reader.join();
    QCOMPARE(frames.size(), 6U);
    QCOMPARE(
        std::get<Progress>(decodeEvent(frames[5].payload)->payload).phase, std::string("1000"));
}

void FrameWriterTest::aFullQueueMakesTheRunWait() {
    auto writer = std::make_unique<FrameWriter>(m_writing, 4);
    fillPipe(*writer);
    std::atomic<int> posted{0};
    std::jthread run([&] {
        for (int i = 1; i <= 50; ++i) {
            writer->post({1, 0, i, {}, Metric{"loss", 1.0 * i, "", i}});
            ++posted;
        }
        writer->post({1, -1, 51, {}, RunChanged{RunState::Done}});
    });
    QTRY_COMPARE_WITH_TIMEOUT(posted.load(), 4, 60'000);
    std::vector<Frame> frames;
    std::jthread reader([&] { frames = readAll(); });
    run.join();
    writer.reset();
    ::close(std::exchange(m_writing, -1));
    reader.join();
    QCOMPARE(frames.size(), 52U);
    for (std::size_t i = 1; i < frames.size(); ++i) {
        QCOMPARE(decodeEvent(frames[i].payload)->seq, static_cast<std::int64_t>(i));
    }
    const auto end = decodeEvent(frames.back().payload);
    QVERIFY(std::get<RunChanged>(end->payload).record.at("waited_for_window").get<int>() >= 1);
}

void FrameWriterTest::answersNeverWait() {
    FrameWriter writer(m_writing, 4);
    fillPipe(writer);
    for (int i = 0; i < 100; ++i) {
        writer.send(encodeFrame(FrameKind::Pong, Json{{"i", i}}));
    }
    ::close(std::exchange(m_reading, -1)); // lets the writer end
}

void FrameWriterTest::nobodyReads() {
    auto writer = std::make_unique<FrameWriter>(m_writing, 4);
    fillPipe(*writer);
    std::jthread run([&] {
        for (int i = 1; i <= 50; ++i) {
            writer->post({1, 0, i, {}, LogLine{LogLevel::Info, "lost"}});
        }
    });
    ::close(std::exchange(m_reading, -1));
    run.join(); // whoever waited goes on
    QTRY_VERIFY_WITH_TIMEOUT(writer->broken(), 60'000);
    writer.reset();
}

void FrameWriterTest::tooLargeAnArrayIsSaid() {
    std::vector<Frame> frames;
    std::jthread reader([&] { frames = readAll(); });
    auto writer = std::make_unique<FrameWriter>(m_writing);
    writer->post(
        {1,
         0,
         7,
         {},
         ArrayReady{"map", "U8", {1}, std::vector<std::byte>(std::size_t{kMaxPayload})}});
    writer.reset();
    ::close(std::exchange(m_writing, -1));
    reader.join();
    QCOMPARE(frames.size(), 1U);
    const auto event = decodeEvent(frames[0].payload);
    QCOMPARE(event->seq, 7);
    const std::string text = std::get<LogLine>(event->payload).text;
    QVERIFY2(text.find("an event was not sent") != std::string::npos, text.c_str());
}

LATHE_TEST(FrameWriterTest);

} // namespace lathe

#include "frame_writer_test.moc"
