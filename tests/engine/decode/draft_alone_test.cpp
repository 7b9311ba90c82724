// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <array>

namespace lathe {

using namespace test;

namespace {

/// A table that drafts without being asked between its steps, `most` of them at once.
class DraftingTable : public TokenModel {
public:
    DraftingTable(TableModel& table, std::int64_t most) : m_table(table), m_most(most) {}
    std::int64_t vocabularySize() const override { return m_table.vocabularySize(); }
    std::int64_t maxPositions() const override { return m_table.maxPositions(); }
    std::unique_ptr<TokenSequence>
    begin(std::int64_t capacity, const EncoderOutput* encoder) override {
        return m_table.begin(capacity, encoder);
    }
    std::vector<TokenRow> feed(std::span<const TokenFeed> feeds, const RowDetail& detail) override {
        return m_table.feed(feeds, detail);
    }
    bool draftsAlone(const DraftLimits&) const override { return true; }
    std::vector<TokenRow> draft(
        TokenSequence& sequence, std::span<const TokenId> tokens,
        const DraftLimits& limits) override {
        ++drafts;
        DraftLimits shorter = limits;
        shorter.most = std::min(limits.most, m_most);
        return TokenModel::draft(sequence, tokens, shorter);
    }

    int drafts = 0;

private:
    TableModel& m_table;
    std::int64_t m_most;
};

/// The log without its times, as text.
std::string timeless(const DecodedText& text) {
    DecodeLog log = text.log;
    for (DecodeEvent& event : log.events) {
        event.t0Ns = event.t1Ns = 0;
    }
    return toJson(log).dump();
}

bool isTimed(const DecodeEvent& event) { return event.rows > 0 || event.t1Ns > event.t0Ns; }

} // namespace

/// Drafts that the little model makes by itself against the same, step by step.
class DraftAloneTest : public QObject {
    Q_OBJECT
private slots:
    void logsAreThoseOfSteps_data();
    void logsAreThoseOfSteps();
    void callsTileTheTime();
    void samplingGoesStepByStep();
    void limitsEndADraft();
};

void DraftAloneTest::logsAreThoseOfSteps_data() {
    QTest::addColumn<qint64>("most");
    QTest::addRow("as far as it goes") << qint64{1000};
    QTest::addRow("one step a draft") << qint64{1};
    QTest::addRow("three steps a draft") << qint64{3};
}

void DraftAloneTest::logsAreThoseOfSteps() {
    QFETCH(qint64, most);
    static constexpr std::array<int, 5> kRuns{1, 2, 5, 10, kUnlimitedRun};
    const DecodeRequest request{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};
    int drafts = 0;
    for (int pair = 0; pair < 300; ++pair) {
        DecodeSettings settings;
        settings.options.bild.fallback = 0.1 * (pair % 11);
        settings.options.bild.rollback = 0.5 * (pair % 7);
        settings.options.bild.maxRun = kRuns.at(static_cast<std::size_t>(pair % 5));
        settings.options.bild.startWith = pair % 2 == 0 ? Mover::Little : Mover::Big;
        settings.options.bild.verifyTail = pair % 3 != 0;
        ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
        const DecodedText wanted = decodeOne(toy.little, toy.big, request, settings);
        DraftingTable alone(toy.little, most);
        const DecodedText got =
            decodeMany(&alone, &toy.big, std::span(&request, 1), settings).front();
        QCOMPARE(QString::fromStdString(timeless(got)), QString::fromStdString(timeless(wanted)));
        QCOMPARE(got.tokens, wanted.tokens);
        drafts += alone.drafts;
    }
    QVERIFY(drafts > 300);
}

void DraftAloneTest::callsTileTheTime() {
    const DecodeRequest request{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};
    ToyPair toy = toyPair(5);
    DraftingTable alone(toy.little, 1000);
    std::int64_t now = 0;
    DecodeSettings settings;
    settings.options.bild.fallback = 0.2;
    settings.clock = [&now] { return now += 1001; }; // no multiple of the steps
    const DecodedText text = decodeMany(&alone, &toy.big, std::span(&request, 1), settings).front();
    std::int64_t end = 0;
    int shared = 0;
    for (const DecodeEvent& event : text.log.events) {
        if (isTimed(event)) {
            QCOMPARE(event.t0Ns, end);
            shared += event.t1Ns - event.t0Ns < 1001 ? 1 : 0;
            end = event.t1Ns;
        }
    }
    QVERIFY(shared > 1);
    QVERIFY(end > 0 && end <= text.wallNs);
}

void DraftAloneTest::samplingGoesStepByStep() {
    const DecodeRequest request{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};
    ToyPair toy = toyPair(6);
    DraftingTable alone(toy.little, 1000);
    DecodeSettings settings;
    settings.options.sampling.greedy = false;
    decodeMany(&alone, &toy.big, std::span(&request, 1), settings);
    QCOMPARE(alone.drafts, 0);
}

void DraftAloneTest::limitsEndADraft() {
    TableModel little = tracesLittle(); // A .90, B .80, C .70, D .55, E .90, end .95
    const auto drafted = [&](const DraftLimits& limits) {
        const auto sequence = little.begin(50, nullptr);
        const std::array<TokenId, 1> start{0};
        return little.TokenModel::draft(*sequence, start, limits).size();
    };
    const std::array<TokenId, 1> ends{kTraceEnd};
    QCOMPARE(drafted({.fallback = 0.6, .ends = ends, .most = 10}), 4U); // with the unsure one
    QCOMPARE(drafted({.fallback = 0.5, .ends = ends, .most = 10}), 6U);
    QCOMPARE(drafted({.fallback = 0.5, .ends = ends, .most = 3}), 3U);
    QCOMPARE(drafted({.fallback = 1.0, .ends = ends, .most = 10}), 1U);
    QCOMPARE(drafted({.fallback = 0.0, .ends = ends, .most = 5}), 5U);
}

LATHE_TEST(DraftAloneTest);

} // namespace lathe

#include "draft_alone_test.moc"
