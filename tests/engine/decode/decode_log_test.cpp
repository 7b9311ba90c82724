// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <algorithm>

namespace lathe {

using namespace test;
using Kind = DecodeEventKind;

class DecodeLogTest : public QObject {
    Q_OBJECT
private slots:
    void init() {
        TableModel little = tracesLittle();
        TableModel big = tracesBig();
        const DecodeRequest request{.prompt = {0}, .ends = {kTraceEnd}};
        m_text = decodeOne(little, big, request, {.options = bild({.rollback = 2.0})});
    }
    void everyStepIsRebuilt();
    void callsTileTheTime();
    void encodersComeFirst();
    void jsonAndBack();
    void csvHasALinePerEvent();
    void tamperedLogsAreRefused_data();
    void tamperedLogsAreRefused();
    void damagedJsonIsRefused_data();
    void damagedJsonIsRefused();
    void eventsAreSeenAsTheyHappen();

private:
    DecodedText m_text;
};

void DecodeLogTest::everyStepIsRebuilt() {
    for (std::size_t count = 0; count <= m_text.log.events.size(); ++count) {
        const ReplayedText replayed = replay(m_text.log, count);
        if (count > 0) {
            const DecodeEvent& last = m_text.log.events[count - 1];
            QCOMPARE(static_cast<std::int64_t>(replayed.tokens.size()), last.n);
            QCOMPARE(replayed.kvS, last.kvS);
            QCOMPARE(replayed.kvL, last.kvL);
        }
    }
    QCOMPARE(replay(m_text.log, 0).tokens, m_text.log.prompt);
    QCOMPARE(replay(m_text.log).tokens, m_text.tokens);
    const DecodeCounts counts = replay(m_text.log).counts;
    QCOMPARE(counts.fallbackRate(), 1.0 / 6.0);
    QCOMPARE(counts.rollbackRate(), 1.0 / 5.0);
    QCOMPARE(counts.discarded(), 3); // C behind B, B itself, and the D of the fallback
    QCOMPARE(DecodeCounts{}.fallbackRate(), 0.0);
    QCOMPARE(DecodeCounts{}.rollbackRate(), 0.0);
}

void DecodeLogTest::callsTileTheTime() {
    std::int64_t last = 0;
    for (const DecodeEvent& event : m_text.log.events) {
        QCOMPARE(event.t0Ns, last);
        last = event.t1Ns;
    }
    QCOMPARE(replay(m_text.log).callNs, last);
    QCOMPARE(m_text.wallNs, last + kTick); // the last look at the clock
}

void DecodeLogTest::encodersComeFirst() {
    DecodeLog log = m_text.log;
    const std::int64_t calls = replay(log).callNs;
    addEncoders(log, 300, 5000);
    QCOMPARE(log.events.size(), m_text.log.events.size() + 2);
    QCOMPARE(log.events[0].kind, Kind::EncodeSmall);
    QCOMPARE(log.events[1].kind, Kind::EncodeLarge);
    QCOMPARE(log.events[1].t1Ns, 5300);
    QCOMPARE(replay(log).callNs, calls + 5300);
    QCOMPARE(replay(log).tokens, m_text.tokens);
    log = m_text.log;
    addEncoders(log, 0, 0);
    QCOMPARE(toCsv(log), toCsv(m_text.log));
}

void DecodeLogTest::jsonAndBack() {
    const Json json = toJson(m_text.log);
    const Json& first = json.at("events").at(2);
    for (const char* name :
         {"seq", "call", "t0_ns", "t1_ns", "kind", "pos", "token", "c", "d", "pL_token", "argmaxL",
          "pL_argmax", "rows", "kvS", "kvL", "n"}) {
        QVERIFY2(first.contains(name), name);
    }
    QCOMPARE(first.size(), 16U);
    QVERIFY(first.at("d").is_null());
    QCOMPARE(first.at("kind").get<std::string>(), "DRAFT");
    const DecodeLog back = decodeLogFromJson(parseJson(dumpJson(json), "log"));
    QCOMPARE(dumpJson(toJson(back)), dumpJson(json));
    QCOMPARE(replay(back).tokens, m_text.tokens);
    DecodeEvent impossible;
    impossible.d = std::numeric_limits<double>::infinity();
    const Json other{{"prompt", Json::array()}, {"events", {toJson(impossible)}}};
    QVERIFY(std::isinf(decodeLogFromJson(other).events.front().d));
}

void DecodeLogTest::csvHasALinePerEvent() {
    const std::string csv = toCsv(m_text.log);
    QCOMPARE(
        std::count(csv.begin(), csv.end(), '\n'),
        static_cast<std::ptrdiff_t>(m_text.log.events.size()) + 1);
    QVERIFY(csv.starts_with("seq,call,t0_ns,t1_ns,kind,pos,token,c,d,pL_token,argmaxL,pL_argmax,"
                            "rows,kvS,kvL,n\n"));
    QVERIFY(csv.find("\n5,5,5000,6000,FALLBACK,4,4,0.55,,,-1,,1,4,0,4\n") != std::string::npos);
}

void DecodeLogTest::tamperedLogsAreRefused_data() {
    QTest::addColumn<int>("event");
    QTest::addColumn<QString>("member");
    QTest::addColumn<int>("value");
    QTest::addColumn<QString>("message");
    // 0, 1 prefills, 2 3 4 drafts, 5 fallback, 6 verify, 7 keep, 8 rollback, 9 flush, 10 replace
    QTest::addRow("order") << 3 << "seq" << 9 << "not the next";
    QTest::addRow("draft elsewhere") << 3 << "pos" << 7 << "another position";
    QTest::addRow("rows of a draft") << 3 << "rows" << 2 << "newest token";
    QTest::addRow("time") << 4 << "t0_ns" << 100 << "before the call before";
    QTest::addRow("ends before it begins") << 4 << "t1_ns" << 100 << "before it begins";
    QTest::addRow("rows of a call") << 6 << "rows" << 9 << "not there";
    QTest::addRow("rows of a beginning") << 0 << "rows" << 2000000000 << "not there";
    QTest::addRow("before the beginning") << 0 << "t0_ns" << -5 << "before the text";
    QTest::addRow("thrown away elsewhere") << 5 << "pos" << 2 << "another position";
    QTest::addRow("flushed elsewhere") << 9 << "pos" << 7 << "flushes";
    QTest::addRow("place of a call") << 6 << "pos" << 1 << "wrong tokens";
    QTest::addRow("kept another token") << 7 << "token" << 5 << "another token";
    QTest::addRow("undone a final token") << 8 << "pos" << 1 << "another token";
    QTest::addRow("flushed another") << 9 << "token" << 5 << "flushes";
    QTest::addRow("little cache") << 10 << "kvS" << 3 << "little cache";
    QTest::addRow("big cache") << 10 << "kvL" << 3 << "big cache";
    QTest::addRow("length") << 10 << "n" << 4 << "length";
    QTest::addRow("far away") << 7 << "pos" << 1000000 << "without a token";
    QTest::addRow("negative") << 7 << "pos" << -5 << "without a token";
}

void DecodeLogTest::tamperedLogsAreRefused() {
    QFETCH(int, event);
    QFETCH(QString, member);
    QFETCH(int, value);
    QFETCH(QString, message);
    Json json = toJson(m_text.log);
    json["events"][static_cast<std::size_t>(event)][member.toStdString()] = value;
    LATHE_VERIFY_THROWS(
        replay(decodeLogFromJson(json)), FormatError, message.toStdString().c_str());
}

void DecodeLogTest::damagedJsonIsRefused_data() {
    QTest::addColumn<QString>("text");
    QTest::addRow("no object") << "[]";
    QTest::addRow("no events") << R"({"prompt": [1]})";
    QTest::addRow("no prompt") << R"({"events": []})";
    QTest::addRow("prompt of texts") << R"({"prompt": ["a"], "events": []})";
    QTest::addRow("event is a number") << R"({"prompt": [1], "events": [1]})";
    QTest::addRow("event of no kind") << R"({"prompt": [1], "events": [{"seq": 0}]})";
    QTest::addRow("unknown kind") << R"({"prompt": [1], "events": [{"kind": "SLEEP"}]})";
    QTest::addRow("members missing") << R"({"prompt": [1], "events": [{"kind": "DRAFT"}]})";
    QTest::addRow("huge id") << R"({"prompt": [99999999999], "events": []})";
}

void DecodeLogTest::damagedJsonIsRefused() {
    QFETCH(QString, text);
    QVERIFY_THROWS_EXCEPTION(FormatError, decodeLogFromJson(parseJson(text.toStdString(), "log")));
}

void DecodeLogTest::eventsAreSeenAsTheyHappen() {
    TableModel little = tracesLittle();
    TableModel big = tracesBig();
    DecodeLog seen{.prompt = {0}};
    const DecodeRequest request{.prompt = {0}, .ends = {kTraceEnd}};
    const auto keep = [&](std::size_t text, const DecodeEvent& event) {
        QCOMPARE(text, 0U);
        seen.events.push_back(event);
        replay(seen); // consistent at every moment
    };
    decodeOne(little, big, request, {.options = bild({.rollback = 2.0}), .onEvent = keep});
    QCOMPARE(dumpJson(toJson(seen)), dumpJson(toJson(m_text.log)));
}

LATHE_TEST(DecodeLogTest);

} // namespace lathe

#include "decode_log_test.moc"
