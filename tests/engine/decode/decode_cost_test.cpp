// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decode_cost.h"
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using namespace test;

namespace {

bool isNear(double value, double expected, double tolerance) {
    return std::abs(value - expected) <= tolerance;
}

} // namespace

class DecodeCostTest : public QObject {
    Q_OBJECT
private slots:
    void publishedCases();
    void bestCase();
    void cyclesByHand();
    void cyclesAgreeWithSimulation();
    void losslessFormulas();
    void costsAreReadFromLogs();
    void badRatesAreRefused();
};

void DecodeCostTest::publishedCases() {
    // XSUM aligned (4, .4): 1.86 with rows for free, 1.67 at 6 % a row. The published runs call
    // the big model again after a rollback. Inputs are given to two digits.
    CycleRates xsum{.fallback = 0.10, .rollback = 0.05, .costRatio = 0.276};
    xsum.bigAfterRollback = true;
    QVERIFY(isNear(cycleModel(xsum).speedup, 1.86, 0.005));
    xsum.extraRow = 0.06;
    QVERIFY(isNear(cycleModel(xsum).speedup, 1.67, 0.005));
    // IWSLT unaligned (2, .6): 1.67 to 1.54.
    CycleRates iwslt{.fallback = 0.177, .rollback = 0.0197, .costRatio = 0.36};
    iwslt.bigAfterRollback = true;
    QVERIFY(isNear(cycleModel(iwslt).speedup, 1.67, 0.01));
    iwslt.extraRow = 0.06;
    QVERIFY(isNear(cycleModel(iwslt).speedup, 1.54, 0.01));
}

void DecodeCostTest::bestCase() {
    // Ten drafts, all kept, eleven rows at 1.2 of one: 11 / (10 c + 1.2).
    CycleRates rates{.extraRow = 0.02};
    rates.costRatio = 0.36;
    QVERIFY(isNear(cycleModel(rates).speedup, 2.3, 0.05));
    rates.costRatio = 0.25;
    QVERIFY(isNear(cycleModel(rates).speedup, 3.0, 0.05));
    rates.costRatio = 0.095;
    QVERIFY(isNear(cycleModel(rates).speedup, 5.1, 0.05));
    QVERIFY(isNear(cycleModel(rates).speedup, 11.0 / (0.95 + 1.2), 1e-12));
}

void DecodeCostTest::cyclesByHand() {
    // M = 2, f = .5, r = .5: k is 0, 1, 2 with .5, .25, .25.
    const CycleModel model =
        cycleModel({.fallback = 0.5, .rollback = 0.5, .maxRun = 2, .costRatio = 0.5});
    QVERIFY(isNear(model.drafts, 0.75, 1e-12));
    QVERIFY(isNear(model.wasted, 0.75, 1e-12));
    QVERIFY(isNear(model.rollbacks, 1.0 - (0.5 + 0.25 * 0.5 + 0.25 * 0.25), 1e-12));
    QVERIFY(isNear(model.tokens, 0.5 + 0.25 * 1.5 + 0.25 * 1.75, 1e-12));
    QVERIFY(isNear(model.speedup, model.tokens / (1.5 * 0.5 + 1.0), 1e-12));
    QVERIFY(isNear(cycleModel({.maxRun = 0}).speedup, 1.0, 1e-12)); // the big model alone
}

void DecodeCostTest::cyclesAgreeWithSimulation() {
    Random random(9);
    double tokens = 0.0;
    double drafts = 0.0;
    constexpr int kCycles = 200'000;
    for (int i = 0; i < kCycles; ++i) {
        int made = 0;
        while (made < 6 && random.uniform() >= 0.2) {
            ++made;
        }
        int kept = 0;
        while (kept < made && random.uniform() >= 0.1) {
            ++kept;
        }
        drafts += made;
        tokens += kept + 1; // the replacement or the bonus
    }
    const CycleModel model = cycleModel({.fallback = 0.2, .rollback = 0.1, .maxRun = 6});
    QVERIFY(isNear(model.drafts, drafts / kCycles, 0.02));
    QVERIFY(isNear(model.tokens, tokens / kCycles, 0.02));
}

void DecodeCostTest::losslessFormulas() {
    QVERIFY(isNear(losslessTokensPerCall(0.8, 4), 3.36, 0.002));
    QCOMPARE(losslessTokensPerCall(1.0, 4), 5.0);
    QCOMPARE(losslessTokensPerCall(0.0, 4), 1.0);
    QVERIFY(isNear(losslessGain(0.8, 4, 0.1), 3.3616 / 1.4, 1e-4));
    QVERIFY(losslessGain(0.3, 1, 0.29) > 1.0); // a gain exists if a draft is kept more often
    QVERIFY(losslessGain(0.3, 1, 0.31) < 1.0); // than it costs
    QVERIFY(isNear(losslessOperations(0.8, 4, 0.1), 5.4 / 3.3616, 1e-4));
}

void DecodeCostTest::costsAreReadFromLogs() {
    TableModel little = tracesLittle();
    TableModel big = tracesBig();
    const DecodeRequest request{.prompt = {0}, .ends = {kTraceEnd}};
    const DecodeLog log = decodeOne(little, big, request, {.options = bild({.rollback = 2.0})}).log;
    const CallCosts costs{
        .littleMs = 2.0,
        .bigMs = 10.0,
        .bigPerRowMs = 0.5,
        .littleStartMs = 3.0,
        .bigStartMs = 7.0};
    const DecodeLog timed = retimed(log, costs);
    // Six little steps; calls of four rows and of two.
    constexpr double kTotal = 3.0 + 7.0 + 6 * 2.0 + 11.5 + 10.5;
    QVERIFY(isNear(modelledMs(log, costs), kTotal, 1e-9));
    QVERIFY(isNear(static_cast<double>(replay(timed).callNs) * 1e-6, kTotal, 1e-6));
    QVERIFY(isNear(modelledBigAloneMs(log, costs), 7.0 + 4 * 10.0, 1e-9));
    const CallCosts read = measuredCosts(std::vector{timed, timed});
    QVERIFY(isNear(read.littleMs, 2.0, 1e-6));
    QVERIFY(isNear(read.bigMs, 10.0, 1e-5));
    QVERIFY(isNear(read.bigPerRowMs, 0.5, 1e-6));
    QVERIFY(isNear(read.littleStartMs, 3.0, 1e-6));
    QVERIFY(isNear(read.bigStartMs, 7.0, 1e-6));
    QCOMPARE(measuredCosts({}).bigMs, 0.0);
}

void DecodeCostTest::badRatesAreRefused() {
    LATHE_VERIFY_THROWS(cycleModel({.fallback = 1.1}), InputError, "fallback rate");
    LATHE_VERIFY_THROWS(cycleModel({.rollback = -0.1}), InputError, "rollback rate");
    LATHE_VERIFY_THROWS(cycleModel({.maxRun = -1}), InputError, "below 0");
    LATHE_VERIFY_THROWS(cycleModel({.maxRun = kUnlimitedRun}), InputError, "100000");
    LATHE_VERIFY_THROWS(losslessTokensPerCall(kNotKnown, 4), InputError, "acceptance");
    LATHE_VERIFY_THROWS(losslessTokensPerCall(0.5, -1), InputError, "below 0");
}

LATHE_TEST(DecodeCostTest);

} // namespace lathe

#include "decode_cost_test.moc"
