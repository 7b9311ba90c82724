// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/frame.h"

#include "engine/core/error.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

/// The protocol's bytes.
class FrameTest : public QObject {
    Q_OBJECT
private slots:
    void headerIsAsDocumented();
    void splitAtEveryByte();
    void oneByteAtATime();
    void magicAfterNoise_data();
    void magicAfterNoise();
    void magicCutAnywhere();
    void noMagicNoFrames();
    void tooLargeIsRefused();
    void theLargestFrameFits();
    void eventsComeBack_data();
    void eventsComeBack();
    void notFiniteAndInvalidText();
    void unknownEventKindIsNothing();
    void damagedEvents_data();
    void damagedEvents();
};

namespace {

std::span<const std::byte> bytesOf(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::string textOf(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string stream() {
    const auto one = encodeFrame(FrameKind::Submit, Json{{"run", 1}});
    const auto two = encodeFrame(FrameKind::Ping, std::span<const std::byte>());
    const auto three = encodeFrame(FrameKind::Event, bytesOf(std::string("\0\x89LATHE\r\n", 9)));
    return textOf(one) + textOf(two) + textOf(three);
}

void checkStream(FrameParser& parser, std::vector<Frame>& frames) {
    while (auto frame = parser.next()) {
        frames.push_back(std::move(*frame));
    }
}

void verifyFrames(const std::vector<Frame>& frames) {
    QCOMPARE(frames.size(), 3U);
    QCOMPARE(frames[0].kind, static_cast<std::uint8_t>(FrameKind::Submit));
    QCOMPARE(textOf(frames[0].payload), std::string(R"({"run":1})"));
    QCOMPARE(frames[1].kind, static_cast<std::uint8_t>(FrameKind::Ping));
    QVERIFY(frames[1].payload.empty());
    QCOMPARE(textOf(frames[2].payload), std::string("\0\x89LATHE\r\n", 9));
}

std::string magicText() { return textOf(std::as_bytes(std::span(kMagic))); }

} // namespace

void FrameTest::headerIsAsDocumented() {
    const auto frame = encodeFrame(FrameKind::Event, bytesOf(std::string(258, 'x')));
    QCOMPARE(textOf(std::span(frame).first(5)), std::string("\x02\x01\x00\x00\x04", 5));
    QCOMPARE(frame.size(), 263U);
}

void FrameTest::splitAtEveryByte() {
    const std::string all = stream();
    for (std::size_t cut = 0; cut <= all.size(); ++cut) {
        FrameParser parser(false);
        std::vector<Frame> frames;
        parser.feed(bytesOf(all.substr(0, cut)));
        checkStream(parser, frames);
        parser.feed(bytesOf(all.substr(cut)));
        checkStream(parser, frames);
        verifyFrames(frames);
    }
}

void FrameTest::oneByteAtATime() {
    FrameParser parser(true);
    std::vector<Frame> frames;
    for (const char c : "noise" + magicText() + stream()) {
        parser.feed(bytesOf(std::string(1, c)));
        checkStream(parser, frames);
    }
    verifyFrames(frames);
}

void FrameTest::magicAfterNoise_data() {
    QTest::addColumn<QByteArray>("noise");
    QTest::newRow("none") << QByteArray();
    QTest::newRow("a line") << QByteArray("loading driver\n");
    QTest::newRow("beginning of the magic") << QByteArray("\x89LATH\x89LATHE\r");
    QTest::newRow("a megabyte") << QByteArray(1 << 20, '\x89');
    QTest::newRow("zeros") << QByteArray(100, '\0');
}

void FrameTest::magicAfterNoise() {
    QFETCH(QByteArray, noise);
    FrameParser parser(true);
    std::vector<Frame> frames;
    parser.feed(bytesOf(noise.toStdString()));
    QVERIFY(!parser.sawMagic());
    parser.feed(bytesOf(magicText() + stream()));
    QVERIFY(parser.sawMagic());
    checkStream(parser, frames);
    verifyFrames(frames);
}

void FrameTest::magicCutAnywhere() {
    const std::string all = "x\x89" + magicText() + stream();
    for (std::size_t cut = 0; cut <= 12; ++cut) {
        FrameParser parser(true);
        std::vector<Frame> frames;
        parser.feed(bytesOf(all.substr(0, cut)));
        parser.feed(bytesOf(all.substr(cut)));
        checkStream(parser, frames);
        verifyFrames(frames);
    }
}

void FrameTest::noMagicNoFrames() {
    FrameParser parser(true);
    parser.feed(bytesOf(textOf(encodeFrame(FrameKind::Submit, Json{{"run", 1}})) + "LATHE\r\n"));
    QVERIFY(!parser.next().has_value());
    QVERIFY(!parser.sawMagic());
}

void FrameTest::tooLargeIsRefused() {
    FrameParser parser(false);
    parser.feed(bytesOf(std::string("\x01\x00\x00\x01\x04", 5))); // 16 MiB and one byte
    LATHE_VERIFY_THROWS(parser.next(), FormatError, "16777217 bytes");
    const std::vector<std::byte> large(std::size_t{kMaxPayload} + 1);
    LATHE_VERIFY_THROWS(
        encodeFrame(FrameKind::Event, std::span(large)), InternalError, "16777217 bytes");
}

void FrameTest::theLargestFrameFits() {
    const std::vector<std::byte> large(kMaxPayload, std::byte{7});
    FrameParser parser(false);
    parser.feed(encodeFrame(FrameKind::Event, std::span(large)));
    const auto frame = parser.next();
    QVERIFY(frame.has_value());
    QCOMPARE(frame->payload, large);
}

void FrameTest::eventsComeBack_data() {
    QTest::addColumn<int>("index");
    const auto payloads = test::samplePayloads();
    for (int i = 0; i < static_cast<int>(payloads.size()); ++i) {
        const std::string kind(kindOf(payloads[static_cast<std::size_t>(i)]));
        QTest::addRow("%d %s", i, kind.c_str()) << i;
    }
}

void FrameTest::eventsComeBack() {
    QFETCH(int, index);
    const Payload payload = test::samplePayloads()[static_cast<std::size_t>(index)];
    const Event event{1LL << 40, 12, 1LL << 50, std::chrono::nanoseconds(1LL << 60), payload};
    const auto back = decodeEvent(encodeEvent(event));
    QVERIFY(back.has_value());
    QCOMPARE(back->runId, event.runId);
    QCOMPARE(back->cell, event.cell);
    QCOMPARE(back->seq, event.seq);
    QCOMPARE(back->at, event.at);
    QCOMPARE(back->payload.index(), payload.index());
    QCOMPARE(payloadToJson(back->payload), payloadToJson(payload));
    QVERIFY(std::ranges::equal(payloadBytes(back->payload), payloadBytes(payload)));
}

void FrameTest::notFiniteAndInvalidText() {
    const auto metric =
        decodeEvent(encodeEvent({1, 0, 1, {}, Metric{"m\xFF", std::nan(""), "\xC3", 3}}));
    QVERIFY(std::isnan(std::get<Metric>(metric->payload).value));
    QCOMPARE(std::get<Metric>(metric->payload).name, std::string("m\uFFFD"));
    const auto progress = decodeEvent(encodeEvent({1, 0, 1, {}, Progress{INFINITY, "\xF0\x9F"}}));
    QVERIFY(!std::isfinite(std::get<Progress>(progress->payload).fraction));
    const auto line = decodeEvent(encodeEvent({1, 0, 1, {}, LogLine{LogLevel::Error, "a\x80z"}}));
    QCOMPARE(std::get<LogLine>(line->payload).text, std::string("a\uFFFDz"));
}

void FrameTest::unknownEventKindIsNothing() {
    const std::string header =
        R"({"run":1,"cell":0,"seq":1,"at_ns":0,"kind":"hologram","payload":{"x":1}})";
    const std::string payload =
        std::string{static_cast<char>(header.size()), 0, 0, 0} + header + "bytes";
    QVERIFY(!decodeEvent(bytesOf(payload)).has_value());
}

void FrameTest::damagedEvents_data() {
    QTest::addColumn<QByteArray>("payload");
    const auto row = [](const char* name, std::string json) {
        std::string payload{static_cast<char>(json.size()), 0, 0, 0};
        QTest::newRow(name) << QByteArray::fromStdString(payload + json);
    };
    QTest::newRow("empty") << QByteArray();
    QTest::newRow("three bytes") << QByteArray("\1\0\0", 3);
    QTest::newRow("longer than it is") << QByteArray("\xFF\xFF\xFF\x7F{}", 6);
    row("no JSON", "{\"run\":");
    row("a list", "[1,2]");
    row("a number", "7");
    row("no kind", R"({"run":1,"cell":0,"seq":1,"at_ns":0,"payload":{}})");
    row("no run",
        R"({"cell":0,"seq":1,"at_ns":0,"kind":"log","payload":{"level":"info","text":""}})");
    row("kind is a number", R"({"run":1,"cell":0,"seq":1,"at_ns":0,"kind":4,"payload":{}})");
    row("payload is text", R"({"run":1,"cell":0,"seq":1,"at_ns":0,"kind":"cell","payload":"x"})");
    row("unknown state",
        R"({"run":1,"cell":0,"seq":1,"at_ns":0,"kind":"run","payload":{"state":"eaten"}})");
}

void FrameTest::damagedEvents() {
    QFETCH(QByteArray, payload);
    LATHE_VERIFY_THROWS(decodeEvent(bytesOf(payload.toStdString())), FormatError, "");
}

LATHE_TEST(FrameTest);

} // namespace lathe

#include "frame_test.moc"
