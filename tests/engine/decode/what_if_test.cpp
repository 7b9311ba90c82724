// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/what_if.h"
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using namespace test;

namespace {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

const DecodeRequest kRequest{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};

} // namespace

class WhatIfTest : public QObject {
    Q_OBJECT
private slots:
    void everyThresholdGivesWhatDecodingGives();
    void onlyUnseenPrefixesAreComputed();
    void timesAreModelled();
    void candidatesAreKept();
    void samplingIsRefused();

private:
    SilentSink m_sink;
    RunControl m_run{1, m_sink, {}};
};

void WhatIfTest::everyThresholdGivesWhatDecodingGives() {
    for (std::uint64_t pair = 0; pair < 60; ++pair) {
        ToyPair toy = toyPair(pair);
        WhatIf whatIf({&toy.little, &toy.big}, kRequest);
        for (const char* preset : {"strict", "reference"}) {
            for (const double fallback : {0.0, 0.4, 0.6, 0.9, 1.0}) {
                for (const double rollback : {0.0, 1.0, 3.0}) {
                    BildOptions options = bildPreset(preset);
                    options.fallback = fallback;
                    options.rollback = rollback;
                    ToyPair fresh = toyPair(pair);
                    const DecodedText expected =
                        decodeOne(fresh.little, fresh.big, kRequest, {.options = bild(options)});
                    const DecodedText replayed = whatIf.decode(m_run, bild(options), {});
                    QCOMPARE(replayed.tokens, expected.tokens);
                    QCOMPARE(toCsv(retimed(replayed.log, {})), toCsv(retimed(expected.log, {})));
                }
            }
        }
    }
}

void WhatIfTest::onlyUnseenPrefixesAreComputed() {
    ToyPair toy = toyPair(4);
    WhatIf whatIf({&toy.little, &toy.big}, kRequest);
    const DraftOptions options = bild({.fallback = 0.5, .rollback = 2.0});
    whatIf.decode(m_run, options, {});
    const std::size_t littleCalls = toy.little.calls.size();
    const std::size_t bigCalls = toy.big.calls.size();
    const std::int64_t prefixes = whatIf.big().prefixes();
    QVERIFY(littleCalls > 0 && bigCalls > 0);
    whatIf.decode(m_run, options, {}); // everything is known
    QCOMPARE(toy.little.calls.size(), littleCalls);
    QCOMPARE(toy.big.calls.size(), bigCalls);
    QCOMPARE(whatIf.big().prefixes(), prefixes);
    // Over a sweep the models answer each prefix once: none of them is asked twice without cause.
    double known = 0.0;
    double asked = 0.0;
    for (int step = 0; step <= 20; ++step) {
        const std::int64_t before = whatIf.little().prefixes() + whatIf.big().prefixes();
        const DecodedText text =
            whatIf.decode(m_run, bild({.fallback = 0.05 * step, .rollback = 2.0}), {});
        const DecodeCounts counts = replay(text.log).counts;
        asked += static_cast<double>(counts.smallSteps + counts.bigRows);
        known += static_cast<double>(whatIf.little().prefixes() + whatIf.big().prefixes() - before);
    }
    QVERIFY(known < asked / 3.0);
    // A prefix that is new extends one that is known: the cache is used.
    const auto rows = whatIf.big().computedRows();
    QVERIFY(rows < 4 * whatIf.big().prefixes());
}

void WhatIfTest::timesAreModelled() {
    ToyPair toy = toyPair(4);
    WhatIf whatIf({&toy.little, &toy.big}, kRequest);
    const CallCosts costs{.littleMs = 1.0, .bigMs = 3.0, .bigPerRowMs = 0.25, .bigStartMs = 2.0};
    const DecodedText text = whatIf.decode(m_run, bild({}), costs);
    QVERIFY(std::abs(static_cast<double>(text.wallNs) * 1e-6 - modelledMs(text.log, costs)) < 1e-6);
    QCOMPARE(replay(text.log).callNs, text.wallNs);
}

void WhatIfTest::candidatesAreKept() {
    ToyPair toy = toyPair(4);
    WhatIf whatIf({&toy.little, &toy.big}, kRequest, 3);
    const DecodedText text = whatIf.decode(m_run, bild({}), {});
    const TokenRow* row = whatIf.big().known(kRequest.prompt);
    QVERIFY(row != nullptr);
    QCOMPARE(row->top.size(), 3U);
    QCOMPARE(row->top.front().id, row->argmax);
    QCOMPARE(row->top.front().probability, row->confidence);
    QVERIFY(row->top[1].probability >= row->top[2].probability);
    QVERIFY(whatIf.big().known(std::vector<TokenId>{5, 5, 5}) == nullptr);
    QVERIFY(whatIf.little().known(kRequest.prompt) != nullptr);
    QVERIFY(text.tokens.size() > 2);
}

void WhatIfTest::samplingIsRefused() {
    ToyPair toy = toyPair(4);
    WhatIf whatIf({&toy.little, &toy.big}, kRequest);
    LATHE_VERIFY_THROWS(
        whatIf.decode(m_run, bild({}, {.greedy = false}), {}), Unsupported, "greedy");
    LATHE_VERIFY_THROWS(WhatIf({nullptr, &toy.big}, kRequest), InputError, "needs both models");
}

LATHE_TEST(WhatIfTest);

} // namespace lathe

#include "what_if_test.moc"
