// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using namespace test;
using Kind = DecodeEventKind;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// "DRAFT 1, DRAFT 2, FALLBACK 4": the events behind the beginning of both models.
std::string storyOf(const DecodeLog& log) {
    std::string story;
    for (const DecodeEvent& event : log.events) {
        if (event.kind != Kind::PrefillSmall && event.kind != Kind::PrefillLarge) {
            story += story.empty() ? "" : ", ";
            story += std::string(nameOf(event.kind)) + " " + std::to_string(event.pos);
        }
    }
    return story;
}

const DecodeEvent& eventOf(const DecodeLog& log, Kind kind, std::int64_t pos) {
    for (const DecodeEvent& event : log.events) {
        if (event.kind == kind && event.pos == pos) {
            return event;
        }
    }
    throw InternalError("the log has no such event");
}

} // namespace

/// The traces that were computed by hand: ids, probabilities and thresholds are literal.
class BildTracesTest : public QObject {
    Q_OBJECT
private slots:
    void init() {
        m_little = tracesLittle();
        m_big = tracesBig();
    }
    void greedyAlone() {
        QCOMPARE(spelled(decode(littleAlone()).tokens), "A B C D E </s>");
        QCOMPARE(spelled(decode(bigAlone()).tokens), "A D C E </s>");
        QCOMPARE(replay(decode(littleAlone()).log).counts.bigCalls, 0);
        QCOMPARE(replay(decode(bigAlone()).log).counts.smallSteps, 0);
        QCOMPARE(replay(decode(bigAlone()).log).counts.bigCalls, 5);
    }
    void strictTrace();
    void referenceTrace();
    void unverifiedTail();
    void rows_data();
    void rows();
    void maskedSearchHidesAnError();
    void rollbackToTheEndStops();
    void lengthLimit();
    void thresholdsAreLiteral();
    void relativeCutAndOvershootGuard();

private:
    DecodedText decode(const DraftOptions& options, int maxNew = 128) {
        const DecodeRequest request{.prompt = {0}, .ends = {kTraceEnd}, .maxNew = maxNew};
        return decodeOne(m_little, m_big, request, {.options = options});
    }
    DecodedText decode(BildOptions options, double fallback, double rollback) {
        options.fallback = fallback;
        options.rollback = rollback;
        return decode(bild(options));
    }

    TableModel m_little = tracesLittle();
    TableModel m_big = tracesBig();
};

void BildTracesTest::strictTrace() { // T1
    const DecodedText text = decode(bildPreset("strict"), 0.6, 2.0);
    QCOMPARE(spelled(text.tokens), "A D E </s>");
    QCOMPARE(
        storyOf(text.log),
        "DRAFT 1, DRAFT 2, DRAFT 3, FALLBACK 4, VERIFY 0, KEEP_AGREED 1, ROLLBACK 2, FLUSH 3, "
        "REPLACE 2, DRAFT 3, DRAFT 4, VERIFY 2, KEEP_TOLERATED 3, KEEP_AGREED 4, EOS 4");
    const DecodeEvent& fallback = eventOf(text.log, Kind::Fallback, 4);
    QCOMPARE(fallback.token, 4);
    QCOMPARE(fallback.c, 0.55);
    QCOMPARE(fallback.kvS, 4);
    const DecodeEvent& undone = eventOf(text.log, Kind::Rollback, 2);
    QVERIFY(std::abs(undone.d - 2.303) < 5e-4);
    QCOMPARE(undone.token, 2);
    QCOMPARE(undone.argmaxL, 4);
    QVERIFY(std::abs(undone.pLToken - 0.10) < 1e-12);
    QCOMPARE(undone.pLArgmax, 0.60);
    QCOMPARE(eventOf(text.log, Kind::Flush, 3).token, 3);
    const DecodeEvent& replaced = eventOf(text.log, Kind::Replace, 2);
    QCOMPARE(replaced.kvS, 2);
    QCOMPARE(replaced.kvL, 2);
    QCOMPARE(replaced.n, 3);
    QVERIFY(std::abs(eventOf(text.log, Kind::KeepAgreed, 1).d - 0.163) < 5e-4);
    QVERIFY(std::abs(eventOf(text.log, Kind::KeepTolerated, 3).d - 1.204) < 5e-4);
    QCOMPARE(eventOf(text.log, Kind::KeepTolerated, 3).argmaxL, 3);
    QVERIFY(std::abs(eventOf(text.log, Kind::KeepAgreed, 4).d - 0.223) < 5e-4);
    QCOMPARE(eventOf(text.log, Kind::Verify, 0).rows, 4);
    QCOMPARE(eventOf(text.log, Kind::Verify, 2).rows, 2);
    const DecodeCounts counts = replay(text.log).counts;
    QCOMPARE(counts.smallSteps, 6);
    QCOMPARE(counts.bigCalls, 2);
    QCOMPARE(counts.fallbacks, 1);
    QCOMPARE(counts.rollbacks, 1);
    QCOMPARE(counts.flushed, 1);
    QCOMPARE(text.finalLength, 5);
    QCOMPARE(m_big.calls.back(), (std::vector<std::vector<TokenId>>{{4, 5}}));
}

void BildTracesTest::referenceTrace() { // T2
    const DecodedText text = decode(bildPreset("reference"), 0.6, 2.0);
    QCOMPARE(spelled(text.tokens), "A D C E </s>");
    const DecodeCounts counts = replay(text.log).counts;
    QCOMPARE(counts.bigCalls, 4);
    QCOMPARE(counts.smallSteps, 5);
    QCOMPARE(eventOf(text.log, Kind::Rollback, 2).token, 2);
    QCOMPARE(eventOf(text.log, Kind::Verify, 1).rows, 3);
    QCOMPARE(eventOf(text.log, Kind::Verify, 2).rows, 1); // moves again after the rollback
}

void BildTracesTest::unverifiedTail() { // T3
    const DecodedText paper = decode(bildPreset("paper"), 0.5, 2.0);
    QCOMPARE(spelled(paper.tokens), "A B C D E </s>");
    QCOMPARE(replay(paper.log).counts.bigCalls, 0);
    QCOMPARE(paper.finalLength, 1); // nothing but the start token was judged
    const DecodedText strict = decode(bildPreset("strict"), 0.5, 2.0);
    QCOMPARE(spelled(strict.tokens), "A D E </s>");
    QCOMPARE(eventOf(strict.log, Kind::Verify, 0).rows, 6);
    QCOMPARE(replay(strict.log).counts.smallSteps, 8);
    QCOMPARE(replay(strict.log).counts.bigCalls, 2);
    QCOMPARE(strict.finalLength, 5);
}

void BildTracesTest::rows_data() {
    QTest::addColumn<double>("fallback");
    QTest::addColumn<double>("rollback");
    QTest::addColumn<bool>("start");
    QTest::addColumn<bool>("after");
    QTest::addColumn<QString>("expected");
    QTest::addColumn<int>("smallSteps");
    QTest::addColumn<int>("bigCalls");
    QTest::addRow("(.6, 1.20)") << 0.6 << 1.20 << false << false << "A D C E </s>" << 8 << 4;
    QTest::addRow("(.6, 1.21)") << 0.6 << 1.21 << false << false << "A D E </s>" << 6 << 2;
    QTest::addRow("(.6, 2.30)") << 0.6 << 2.30 << false << false << "A D E </s>" << 6 << 2;
    QTest::addRow("(.6, 2.31)") << 0.6 << 2.31 << false << false << "A B C E </s>" << 5 << 2;
    QTest::addRow("(.6, 0)") << 0.6 << 0.0 << false << false << "A D C E </s>" << 8 << 4;
    QTest::addRow("(.55, 2)") << 0.55 << 2.0 << false << false << "A D E </s>" << 8 << 2;
    QTest::addRow("(.56, 2)") << 0.56 << 2.0 << false << false << "A D E </s>" << 6 << 2;
    QTest::addRow("after large") << 0.6 << 2.0 << false << true << "A D C E </s>" << 6 << 4;
    QTest::addRow("start large") << 0.6 << 2.0 << true << false << "A D E </s>" << 5 << 3;
}

void BildTracesTest::rows() {
    QFETCH(double, fallback);
    QFETCH(double, rollback);
    QFETCH(bool, start);
    QFETCH(bool, after);
    QFETCH(QString, expected);
    QFETCH(int, smallSteps);
    QFETCH(int, bigCalls);
    BildOptions options = bildPreset("strict");
    options.startWith = start ? Mover::Big : Mover::Little;
    options.afterRollback = after ? Mover::Big : Mover::Little;
    const DecodedText text = decode(options, fallback, rollback);
    QCOMPARE(QString::fromStdString(spelled(text.tokens)), expected);
    const ReplayedText replayed = replay(text.log);
    QCOMPARE(replayed.counts.smallSteps, smallSteps);
    QCOMPARE(replayed.counts.bigCalls, bigCalls);
    QCOMPARE(replayed.tokens, text.tokens);
    if (rollback == 2.31) {
        QCOMPARE(replayed.counts.rollbacks, 0);
    }
}

void BildTracesTest::maskedSearchHidesAnError() { // O6
    // Ids 1 X, 2 Y, 3 Z. X is the big model's first choice at .22: agreed but flat.
    const auto little = [](std::span<const TokenId> text) {
        return text.back() == 0 ? std::vector{0.0, 1.0, 0.0, 0.0, 0.0, 0.0}
                                : std::vector{0.0, 0.0, 1.0, 0.0, 0.0, 0.0};
    };
    const auto big = [](std::span<const TokenId> text) {
        return text.back() == 0 ? std::vector{0.2, 0.22, 0.2, 0.2, 0.18, 0.0}
                                : std::vector{0.05, 0.05, 0.05, 0.80, 0.05, 0.0};
    };
    TableModel littleModel(6, little);
    TableModel bigModel(6, big);
    BildOptions options{.fallback = 0.5, .rollback = 1.0, .maxRun = 2};
    const DecodeRequest request{.prompt = {0}, .ends = {5}, .maxNew = 2};
    const DecodedText strict =
        decodeOne(littleModel, bigModel, request, {.options = bild(options)});
    QCOMPARE(strict.tokens, (std::vector<TokenId>{0, 1, 3}));
    QVERIFY(std::abs(eventOf(strict.log, Kind::KeepAgreed, 1).d - 1.514) < 5e-4);
    QVERIFY(std::abs(eventOf(strict.log, Kind::Rollback, 2).d - 2.996) < 5e-4);
    options.maskedSearch = true;
    const DecodedText masked =
        decodeOne(littleModel, bigModel, request, {.options = bild(options)});
    QCOMPARE(masked.tokens, (std::vector<TokenId>{0, 1, 2}));
    QCOMPARE(replay(masked.log).counts.rollbacks, 0);
    QCOMPARE(replay(masked.log).counts.tolerated, 1);
}

void BildTracesTest::rollbackToTheEndStops() { // O7
    const auto endless = [](std::span<const TokenId>) { return std::vector{0.1, 0.8, 0.1}; };
    const auto ends = [](std::span<const TokenId> text) {
        return text.size() == 3 ? std::vector{0.0, 0.01, 0.99} : std::vector{0.0, 0.9, 0.1};
    };
    TableModel little(3, endless);
    TableModel big(3, ends);
    for (const Mover after : {Mover::Little, Mover::Big}) {
        const DecodedText text = decodeOne(
            little, big, {.prompt = {0}, .ends = {2}, .maxNew = 50},
            {.options = bild({.rollback = 2.0, .afterRollback = after})});
        QCOMPARE(text.tokens, (std::vector<TokenId>{0, 1, 1, 2}));
        QCOMPARE(text.log.events.back().kind, Kind::Eos);
        QVERIFY(replay(text.log).ended);
        QCOMPARE(replay(text.log).counts.flushed, 7); // of ten drafts
    }
}

void BildTracesTest::lengthLimit() {
    for (const int maxNew : {0, 1, 2, 3}) {
        for (const char* preset : {"strict", "paper", "reference"}) {
            const DecodedText text = decode(bild(bildPreset(preset)), maxNew);
            QCOMPARE(text.tokens.size(), static_cast<std::size_t>(maxNew) + 1);
            QVERIFY(text.log.events.back().kind != Kind::Eos);
        }
    }
    m_little.positions = m_big.positions = 3; // the last token made is never fed
    QCOMPARE(decode(bigAlone()).tokens.size(), 4U);
    QCOMPARE(decode(bildPreset("strict"), 0.5, kInfinity).tokens.size(), 4U);
}

void BildTracesTest::thresholdsAreLiteral() {
    BildOptions strict;
    // 0 never falls back: not the default.
    QCOMPARE(replay(decode(strict, 0.0, 2.31).log).counts.fallbacks, 0);
    QCOMPARE(replay(decode(strict, -1.0, 2.31).log).counts.fallbacks, 0);
    // Not a run of 0 either: the big model alone.
    strict.maxRun = 0;
    const DecodedText alone = decode(strict, 0.6, 5.0);
    QCOMPARE(spelled(alone.tokens), "A D C E </s>");
    QCOMPARE(replay(alone.log).counts.smallSteps, 0);
    QCOMPARE(replay(alone.log).counts.caps, 0);
    // Certain is not sure enough when every step has to fall back.
    const auto certain = [](std::span<const TokenId>) { return std::vector{0.0, 1.0}; };
    TableModel little(2, certain);
    TableModel big(2, certain);
    const DecodedText text =
        decodeOne(little, big, {.prompt = {0}, .maxNew = 5}, {.options = bild({.fallback = 1.0})});
    QCOMPARE(replay(text.log).counts.fallbacks, 5);
    QCOMPARE(replay(text.log).counts.drafts, 0);
}

void BildTracesTest::relativeCutAndOvershootGuard() {
    // B behind A: d = 2.303, the first choice D at .60 has 0.511: 1.792 apart.
    BildOptions relative{.metric = RollbackMetric::Relative};
    QCOMPARE(replay(decode(relative, 0.6, 1.79).log).counts.rollbacks, 1);
    QCOMPARE(replay(decode(relative, 0.6, 1.80).log).counts.rollbacks, 0);
    // The big model would end the text behind B; the little one goes on.
    const auto goesOn = [](std::span<const TokenId>) { return std::vector{0.0, 0.9, 0.1}; };
    const auto ends = [](std::span<const TokenId> text) {
        return text.size() == 2 ? std::vector{0.0, 0.45, 0.55} : std::vector{0.0, 0.9, 0.1};
    };
    TableModel little(3, goesOn);
    TableModel big(3, ends);
    const DecodeRequest request{.prompt = {0}, .ends = {2}, .maxNew = 6};
    QCOMPARE(decodeOne(little, big, request, {.options = bild({})}).tokens.size(), 7U);
    const DecodedText guarded =
        decodeOne(little, big, request, {.options = bild({.overshootGuard = true})});
    QCOMPARE(guarded.tokens, (std::vector<TokenId>{0, 1, 2}));
}

LATHE_TEST(BildTracesTest);

} // namespace lathe

#include "bild_traces_test.moc"
