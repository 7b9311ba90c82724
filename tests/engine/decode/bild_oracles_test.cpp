// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/decode/table_model.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using namespace test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kPairs = 600;

const DecodeRequest kRequest{.prompt = {0, 3}, .ends = {7}, .maxNew = 24};

/// Options that vary with the number of the pair.
BildOptions varied(int pair) {
    static constexpr std::array<int, 5> kRuns{1, 2, 5, 10, kUnlimitedRun};
    BildOptions options;
    options.fallback = 0.1 * (pair % 11);
    options.maxRun = kRuns.at(static_cast<std::size_t>(pair % 5));
    options.startWith = pair % 2 == 0 ? Mover::Little : Mover::Big;
    options.afterRollback = pair / 2 % 2 == 0 ? Mover::Little : Mover::Big;
    return options;
}

/// How many of the pairs decode to what `expected` says with the options that `make` gives.
template <class Make, class Expected>
int agreeing(const Make& make, const Expected& expected) {
    int count = 0;
    for (int pair = 0; pair < kPairs; ++pair) {
        ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
        const DecodedText text =
            decodeOne(toy.little, toy.big, kRequest, {.options = bild(make(pair))});
        count += text.tokens == expected(toy) ? 1 : 0;
    }
    return count;
}

std::vector<TokenId> ofLittle(ToyPair& toy) { return greedy(toy.little, kRequest); }
std::vector<TokenId> ofBig(ToyPair& toy) { return greedy(toy.big, kRequest); }

/// Tokens that equal the big model's own text at the same position.
double agreement(const std::vector<TokenId>& text, const std::vector<TokenId>& big) {
    double same = 0.0;
    for (std::size_t i = 2; i < std::min(text.size(), big.size()); ++i) {
        same += text[i] == big[i] ? 1.0 : 0.0;
    }
    return same / static_cast<double>(std::max(text.size(), big.size()) - 2);
}

} // namespace

/// What has to hold for every pair of models, over random ones.
class BildOraclesTest : public QObject {
    Q_OBJECT
private slots:
    void neverHandedOverIsTheLittleModel();
    void alwaysHandedOverIsTheBigModel();
    void rollbackOfEveryDifferenceIsTheBigModel();
    void sameModelsNeverRollBack();
    void agreementFallsWithTheRollbackThreshold();
    void maskedSearchRollsBackLessBelowOne();
    void logsReplay();
    void batchesEqualSingleTexts_data();
    void batchesEqualSingleTexts();
    void longPromptsAreFilledInParts();
    void badRequestsAreRefused();
};

void BildOraclesTest::neverHandedOverIsTheLittleModel() { // O1
    const auto options = [](int run, Mover start) {
        return [=](int) {
            return BildOptions{
                .fallback = 0.0, .rollback = kInfinity, .maxRun = run, .startWith = start};
        };
    };
    QCOMPARE(agreeing(options(kUnlimitedRun, Mover::Little), ofLittle), kPairs);
    // The big model's own tokens make it another text.
    QVERIFY(agreeing(options(10, Mover::Little), ofLittle) < kPairs);
    QVERIFY(agreeing(options(kUnlimitedRun, Mover::Big), ofLittle) < kPairs);
}

void BildOraclesTest::alwaysHandedOverIsTheBigModel() { // O2
    for (const char* preset : {"strict", "paper", "reference"}) {
        for (const double fallback : {1.0, 1.5, kInfinity}) {
            const auto options = [&](int) {
                BildOptions made = bildPreset(preset);
                made.fallback = fallback;
                return made;
            };
            QCOMPARE(agreeing(options, ofBig), kPairs);
        }
    }
}

void BildOraclesTest::rollbackOfEveryDifferenceIsTheBigModel() { // O3
    const auto strict = [](int pair) {
        BildOptions options = varied(pair);
        options.rollback = pair % 3 == 0 ? -1.0 : 0.0;
        options.metric = pair % 7 == 0 ? RollbackMetric::Relative : RollbackMetric::Absolute;
        return options;
    };
    QCOMPARE(agreeing(strict, ofBig), kPairs);
    const auto noTail = [&](int pair) {
        BildOptions options = strict(pair);
        options.verifyTail = false;
        return options;
    };
    const auto masked = [&](int pair) {
        BildOptions options = noTail(pair);
        options.maskedSearch = true;
        return options;
    };
    const int without = agreeing(noTail, ofBig);
    QVERIFY(without < kPairs);
    QVERIFY(agreeing(masked, ofBig) < without);
}

void BildOraclesTest::sameModelsNeverRollBack() { // O4
    for (int pair = 0; pair < kPairs; ++pair) {
        ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
        TableModel twin = toy.big;
        BildOptions options = varied(pair);
        options.rollback = pair % 4;
        const DecodedText text = decodeOne(twin, toy.big, kRequest, {.options = bild(options)});
        QCOMPARE(text.tokens, ofBig(toy));
        QCOMPARE(replay(text.log).counts.rollbacks, 0);
    }
}

void BildOraclesTest::agreementFallsWithTheRollbackThreshold() { // O5
    double lastAgreement = 1.0 + 1e-9;
    double lastRate = 1.0;
    for (const double rollback : {0.0, 0.5, 1.0, 2.0, 3.0, 5.0}) {
        double sum = 0.0;
        DecodeCounts counts;
        for (int pair = 0; pair < kPairs; ++pair) {
            ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
            const DecodedText text = decodeOne(
                toy.little, toy.big, kRequest,
                {.options = bild({.fallback = 0.5, .rollback = rollback})});
            sum += agreement(text.tokens, ofBig(toy));
            counts += replay(text.log).counts;
        }
        QVERIFY(sum / kPairs <= lastAgreement + 0.02);
        QVERIFY(counts.rollbackRate() <= lastRate);
        lastAgreement = sum / kPairs;
        lastRate = counts.rollbackRate();
    }
    QVERIFY(lastAgreement < 0.9);
    QVERIFY(lastRate < 0.05);
}

void BildOraclesTest::maskedSearchRollsBackLessBelowOne() {
    const auto rollbacks = [](double threshold, bool masked) {
        std::int64_t count = 0;
        for (int pair = 0; pair < kPairs; ++pair) {
            ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
            BildOptions options = bildPreset("reference");
            options.rollback = threshold;
            options.maskedSearch = masked;
            count +=
                replay(decodeOne(toy.little, toy.big, kRequest, {.options = bild(options)}).log)
                    .counts.rollbacks;
        }
        return count;
    };
    QVERIFY(rollbacks(0.05, true) < rollbacks(1.0, true));    // the dip
    QVERIFY(rollbacks(0.05, false) >= rollbacks(1.0, false)); // which is a fault, not a property
}

void BildOraclesTest::logsReplay() { // O9: the log's part
    for (int pair = 0; pair < kPairs; ++pair) {
        ToyPair toy = toyPair(static_cast<std::uint64_t>(pair));
        BildOptions options = varied(pair);
        options.rollback = pair % 6;
        options.verifyTail = pair % 5 != 0;
        const DecodedText text =
            decodeOne(toy.little, toy.big, kRequest, {.options = bild(options)});
        const ReplayedText replayed = replay(text.log);
        QCOMPARE(replayed.tokens, text.tokens);
        QCOMPARE(replayed.finalLength, text.finalLength);
        // One call of each model filled its cache with the prompt.
        const auto prefills = (toy.little.calls.empty() ? 0 : 1) + (toy.big.calls.empty() ? 0 : 1);
        QCOMPARE(
            replayed.counts.smallSteps + replayed.counts.bigCalls + prefills,
            static_cast<std::int64_t>(toy.little.calls.size() + toy.big.calls.size()));
        // The clock moves once at the end, behind the last call.
        QCOMPARE(replayed.callNs + kTick, text.wallNs);
    }
}

void BildOraclesTest::batchesEqualSingleTexts_data() {
    QTest::addColumn<int>("enough");
    QTest::addColumn<int>("patience");
    QTest::addColumn<QString>("strategy");
    for (const char* strategy : {"strict", "reference", "sampled", "lossless", "lookup"}) {
        QTest::addRow("%s, all wait", strategy) << 0 << 0 << strategy;
        QTest::addRow("%s, three wait", strategy) << 3 << 0 << strategy;
        QTest::addRow("%s, two steps", strategy) << 0 << 2 << strategy;
    }
}

void BildOraclesTest::batchesEqualSingleTexts() { // O10
    QFETCH(int, enough);
    QFETCH(int, patience);
    QFETCH(QString, strategy);
    ToyPair toy = toyPair(11);
    const SamplingOptions sampling{.greedy = false, .temperature = 1.2, .topP = 0.95};
    DecodeSettings settings;
    if (strategy == "sampled") {
        settings.options = bild({.rollback = 2.0}, sampling);
    } else if (strategy == "lossless") {
        settings.options = lossless(3, sampling);
    } else if (strategy == "lookup") {
        settings.options = promptLookup(4);
    } else {
        settings.options = bild(bildPreset(strategy.toStdString()));
        settings.options.bild.rollback = 1.0;
    }
    std::vector<DecodeRequest> requests;
    for (int i = 0; i < 16; ++i) {
        DecodeRequest request = kRequest;
        request.prompt.assign(static_cast<std::size_t>(1 + i % 5), 2);
        request.prompt.back() = i % 7;
        request.maxNew = 1 + 3 * i;
        request.seed = static_cast<std::uint64_t>(i);
        requests.push_back(request);
    }
    DecodeSettings batched = settings;
    batched.policy = {.enough = static_cast<std::size_t>(enough), .patience = patience};
    const auto together = decodeMany(&toy.little, &toy.big, requests, batched);
    const std::size_t bigCalls = toy.big.calls.size();
    toy.big.calls.clear();
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const DecodedText alone = decodeOne(toy.little, toy.big, requests[i], settings);
        QCOMPARE(together[i].tokens, alone.tokens);
        QCOMPARE(together[i].finalLength, alone.finalLength);
        QCOMPARE(together[i].log.events.size(), alone.log.events.size());
        QCOMPARE(replay(together[i].log).tokens, alone.tokens);
    }
    QVERIFY(bigCalls < toy.big.calls.size()); // shared by several texts
}

void BildOraclesTest::longPromptsAreFilledInParts() {
    ToyPair toy = toyPair(2);
    DecodeRequest request = kRequest;
    request.prompt.assign(150, 4);
    const DecodedText text = decodeOne(toy.little, toy.big, request, {});
    QCOMPARE(toy.little.calls[0].front().size(), 64U);
    QCOMPARE(toy.little.calls[2].front().size(), 21U); // all but the last one
    QCOMPARE(text.log.events[0].rows, 149);
    QCOMPARE(text.log.events[1].kvL, 149);
    QCOMPARE(replay(text.log).tokens, text.tokens);
}

void BildOraclesTest::badRequestsAreRefused() {
    ToyPair toy = toyPair(1);
    const auto decode = [&](DecodeRequest request, DraftOptions options = bild({})) {
        return decodeOne(toy.little, toy.big, request, {.options = options});
    };
    LATHE_VERIFY_THROWS(decode({.prompt = {}}), InputError, "no tokens");
    LATHE_VERIFY_THROWS(decode({.prompt = {1}, .maxNew = -1}), InputError, "-1, below 0");
    LATHE_VERIFY_THROWS(decode({.prompt = {1}}, bild({.maxRun = -1})), InputError, "below 0");
    LATHE_VERIFY_THROWS(
        decode({.prompt = {1}}, bild({.rollback = kNotKnown})), InputError, "not a number");
    LATHE_VERIFY_THROWS(
        decode({.prompt = {1}}, lossless(4, {.greedy = false, .temperature = 0.0})), InputError,
        "temperature");
    toy.little.positions = 3;
    LATHE_VERIFY_THROWS(decode({.prompt = {1, 2, 3, 4}}), InputError, "4 tokens, a model has 3");
    TableModel other(9, [](std::span<const TokenId>) { return std::vector<double>(9, 1.0 / 9); });
    LATHE_VERIFY_THROWS(
        decodeOne(other, toy.big, kRequest, {}), InputError, "has 8 ids, the little one 9");
    const std::vector<DecodeRequest> one{kRequest};
    LATHE_VERIFY_THROWS(decodeMany(nullptr, &toy.big, one, {}), InputError, "little model");
    LATHE_VERIFY_THROWS(decodeMany(&toy.little, nullptr, one, {}), InputError, "big model");
    QCOMPARE(decodeMany(nullptr, &toy.big, one, {.options = bigAlone()}).size(), 1U);
    QCOMPARE(decodeMany(&toy.little, nullptr, one, {.options = littleAlone()}).size(), 1U);
    QVERIFY(decodeMany(nullptr, nullptr, {}, {}).empty());
}

LATHE_TEST(BildOraclesTest);

} // namespace lathe

#include "bild_oracles_test.moc"
