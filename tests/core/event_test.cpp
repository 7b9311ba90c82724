// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/event.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <limits>

namespace lathe {

class EventTest : public QObject {
    Q_OBJECT
private slots:
    void everyPayloadSurvivesItsJson();
    void notANumberIsNull();
    void invalidUtf8IsReplaced();
    void unknownKindIsIgnored();
    void damagedPayloadIsRefused();
    void finalStates();
};

namespace {

Payload roundTrip(const Payload& payload) {
    const auto bytes = payloadBytes(payload);
    const Json json = parseJson(dumpJson(payloadToJson(payload)), "payload");
    const auto back = payloadFromJson(kindOf(payload), json, {bytes.begin(), bytes.end()});
    return back.value();
}

} // namespace

void EventTest::everyPayloadSurvivesItsJson() {
    const std::vector<Payload> payloads{
        Progress{0.25, "window 3 of 12"},
        Metric{"nll", 3.5, "nat", 7},
        TokenDecoded{4, 17, "schön", "lm-big", "greedy", 0.5, 812.5},
        CellChanged{CellState::Done, "k", Json{{"bits", 3}}, Json{{"perplexity", 41.7}}, ""},
        ArtifactReady{"plot", "image/png", {std::byte{1}, std::byte{0}}},
        ArrayReady{"curve", "F32", {2, 3}, std::vector<std::byte>(24, std::byte{9})},
        RunChanged{RunState::Crashed, "signal 11", Json{{"cells", 2}}},
        LogLine{LogLevel::Warning, "clipped"},
        DecodeStep{
            {.seq = 3,
             .call = 2,
             .t0Ns = 5,
             .t1Ns = 9,
             .kind = DecodeEventKind::Rollback,
             .pos = 4,
             .token = 17,
             .d = std::numeric_limits<double>::infinity(),
             .argmaxL = 18,
             .pLArgmax = 0.75,
             .n = 4},
            "schön",
            "gut"}};
    QCOMPARE(payloads.size(), std::variant_size_v<Payload>);
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        QCOMPARE(payloads[i].index(), i);
        const Payload back = roundTrip(payloads[i]);
        QCOMPARE(back.index(), i);
        QCOMPARE(payloadToJson(back), payloadToJson(payloads[i]));
        QVERIFY(std::ranges::equal(payloadBytes(back), payloadBytes(payloads[i])));
    }
}

void EventTest::notANumberIsNull() {
    for (const double bad :
         {std::nan(""), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
        const Payload payload = Metric{"kl", bad, "nat", -1};
        QVERIFY(payloadToJson(payload).at("value").is_null());
        QVERIFY(std::isnan(std::get<Metric>(roundTrip(payload)).value));
    }
}

void EventTest::invalidUtf8IsReplaced() {
    const auto back = std::get<LogLine>(roundTrip(LogLine{LogLevel::Info, "a\xC3(b\xFF"}));
    QCOMPARE(back.text, std::string("a\xEF\xBF\xBD(b\xEF\xBF\xBD"));
}

void EventTest::unknownKindIsIgnored() {
    QVERIFY(!payloadFromJson("hologram", Json::object()).has_value());
}

void EventTest::damagedPayloadIsRefused() {
    LATHE_VERIFY_THROWS(payloadFromJson("metric", Json{{"name", 3}}), FormatError, "metric");
    LATHE_VERIFY_THROWS(
        payloadFromJson("run", Json{{"state", "asleep"}, {"message", ""}, {"record", nullptr}}),
        FormatError, "asleep");
    LATHE_VERIFY_THROWS(payloadFromJson("progress", Json::array()), FormatError, "progress");
    // As a real number it would have no value among the integers.
    const Json token = parseJson(
        R"({"position": 0, "token": 444444444444444444444444444444442, "text": "a",)"
        R"( "origin": "model", "probability": 1})",
        "payload");
    LATHE_VERIFY_THROWS(payloadFromJson("token", token), FormatError, "'token' must be a whole");
    LATHE_VERIFY_THROWS(
        payloadFromJson("metric", Json{{"name", ""}, {"value", 1}, {"unit", ""}, {"step", 0.5}}),
        FormatError, "'step' must be a whole");
}

void EventTest::finalStates() {
    QVERIFY(!isFinal(RunState::Queued) && !isFinal(RunState::Running));
    for (const RunState state :
         {RunState::Done, RunState::Failed, RunState::Cancelled, RunState::Crashed,
          RunState::Interrupted}) {
        QVERIFY(isFinal(state));
        QCOMPARE(runStateFromName(nameOf(state)), state);
    }
}

LATHE_TEST(EventTest);

} // namespace lathe

#include "event_test.moc"
