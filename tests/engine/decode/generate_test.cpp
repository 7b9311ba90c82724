// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/generate.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

class CountingState : public DecoderState {
public:
    explicit CountingState(std::int64_t capacity) : m_cache(1, capacity, 1, 2, Device{}) {}
    KvCache& cache() override { return m_cache; }

private:
    KvCache m_cache;
};

/// Continues every token by the next higher one, and keeps what it was asked.
class CountingDecoder : public Decoder {
public:
    std::int64_t vocabularySize() const override { return 100; }
    std::int64_t maxPositions() const override { return positions; }
    std::unique_ptr<DecoderState>
    begin(ExecContext&, std::int64_t capacity, const EncoderOutput*) const override {
        capacities.push_back(capacity);
        return std::make_unique<CountingState>(capacity);
    }
    ConstView forward(ExecContext&, std::span<const DecodeSlot> batch) const override {
        const std::span<const TokenId> tokens = batch.front().tokens;
        fed.emplace_back(tokens.begin(), tokens.end());
        m_logits.assign(tokens.size() * 100, 0.0F);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            m_logits[i * 100 + static_cast<std::size_t>(tokens[i] + 1) % 100] = 50.0F;
        }
        batch.front().state.cache().commit(static_cast<std::int64_t>(tokens.size()));
        return constViewOf(
            std::span<const float>(m_logits), {static_cast<std::int64_t>(tokens.size()), 100});
    }

    std::int64_t positions = 64;
    mutable std::vector<std::int64_t> capacities;
    mutable std::vector<std::vector<TokenId>> fed;

private:
    mutable std::vector<float> m_logits;
};

std::vector<TokenId> counting(TokenId from, TokenId to) {
    std::vector<TokenId> ids;
    for (TokenId id = from; id <= to; ++id) {
        ids.push_back(id);
    }
    return ids;
}

} // namespace

class GenerateTest : public QObject {
    Q_OBJECT
private slots:
    void init() {
        m_stop = std::stop_source{};
        m_decoder = CountingDecoder{};
    }
    void stopsAtEndOfText();
    void ignoresEndOfTextWhenAsked();
    void endOfTextInThePromptStopsNothing();
    void makesAsManyAsAsked_data();
    void makesAsManyAsAsked();
    void feedsThePromptOnceAndThenSingleTokens();
    void stopsWhenThePositionsAreUsedUp();
    void everyTokenIsHandedOutInOrder();
    void cancelStopsBetweenTokens();
    void cancelledBeforeItBegins();
    void anErrorOfTheCallbackComesThrough();
    void badInputIsRefused();
    void greedyEqualsTheWholeTextFedAgain();
    void sameSeedSameText();

private:
    std::vector<TokenId>
    run(const std::vector<TokenId>& prompt, std::optional<TokenId> eos,
        const GenerateOptions& options,
        const std::function<void(const GeneratedToken&)>& onToken = {}) {
        RunControl control(1, m_sink, m_stop.get_token());
        Random random(1);
        return generate(control, m_context, m_decoder, prompt, eos, options, random, onToken);
    }

    SilentSink m_sink;
    std::stop_source m_stop;
    CountingDecoder m_decoder;
    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};
};

void GenerateTest::stopsAtEndOfText() {
    QCOMPARE(run({5, 6}, 9, {.maxNew = 20}), counting(5, 9)); // it is among the ids
    QCOMPARE(m_decoder.fed.size(), 3U);
    QCOMPARE(run({8}, 9, {.maxNew = 20}), counting(8, 9));
    // Some models end a text, a turn and a message each with an id of its own.
    QCOMPARE(run({5, 6}, 40, {.maxNew = 20, .ends = {30, 9}}), counting(5, 9));
    QCOMPARE(run({5, 6}, std::nullopt, {.maxNew = 20, .ends = {9}}), counting(5, 9));
    QCOMPARE(run({5, 6}, 8, {.maxNew = 20, .ends = {9}}), counting(5, 8));
}

void GenerateTest::ignoresEndOfTextWhenAsked() {
    QCOMPARE(run({5, 6}, 9, {.maxNew = 8, .stopAtEos = false, .ends = {8}}), counting(5, 14));
    QCOMPARE(run({5, 6}, std::nullopt, {.maxNew = 8}), counting(5, 14));
}

void GenerateTest::endOfTextInThePromptStopsNothing() {
    QCOMPARE(run({9, 20}, 9, {.maxNew = 3}), (std::vector<TokenId>{9, 20, 21, 22, 23}));
    QCOMPARE(run({9}, 9, {.maxNew = 2}), counting(9, 11));
}

void GenerateTest::makesAsManyAsAsked_data() {
    QTest::addColumn<int>("count");
    for (const int count : {0, 1, 2, 17}) {
        QTest::addRow("%d", count) << count;
    }
}

void GenerateTest::makesAsManyAsAsked() {
    QFETCH(int, count);
    QCOMPARE(run({3, 4}, std::nullopt, {.maxNew = count}), counting(3, 4 + count));
    QCOMPARE(m_decoder.fed.size(), static_cast<std::size_t>(count));
}

void GenerateTest::feedsThePromptOnceAndThenSingleTokens() {
    run({3, 4, 5}, std::nullopt, {.maxNew = 4});
    QCOMPARE(m_decoder.fed, (std::vector<std::vector<TokenId>>{{3, 4, 5}, {6}, {7}, {8}}));
    QCOMPARE(m_decoder.capacities, std::vector<std::int64_t>{6}); // the last one is never fed
}

void GenerateTest::stopsWhenThePositionsAreUsedUp() {
    m_decoder.positions = 8;
    QCOMPARE(run({1, 2, 3, 4, 5}, std::nullopt, {.maxNew = 100}), counting(1, 9));
    QCOMPARE(m_decoder.capacities.back(), 8);
    QCOMPARE(run(counting(1, 8), std::nullopt, {.maxNew = 100}), counting(1, 9));
    QCOMPARE(run({1}, std::nullopt, {.maxNew = std::numeric_limits<int>::max()}), counting(1, 9));
}

void GenerateTest::everyTokenIsHandedOutInOrder() {
    std::vector<GeneratedToken> seen;
    const std::vector<TokenId> ids =
        run({5, 6}, 12, {.maxNew = 20}, [&](const GeneratedToken& token) {
            // Handed out before the next one is computed.
            QCOMPARE(m_decoder.fed.size(), seen.size() + 1);
            seen.push_back(token);
        });
    QCOMPARE(seen.size(), 6U);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        QCOMPARE(seen[i].position, static_cast<int>(i) + 2);
        QCOMPARE(seen[i].id, ids.at(i + 2));
        QVERIFY(seen[i].probability > 0.99 && seen[i].probability <= 1.0);
        QVERIFY(seen[i].microseconds >= 0.0);
    }
}

void GenerateTest::cancelStopsBetweenTokens() {
    int seen = 0;
    QVERIFY_THROWS_EXCEPTION(
        Cancelled, run({5, 6}, std::nullopt, {.maxNew = 20}, [&](const GeneratedToken&) {
            if (++seen == 3) {
                m_stop.request_stop();
            }
        }));
    QCOMPARE(seen, 3);
    QCOMPARE(m_decoder.fed.size(), 3U);
}

void GenerateTest::cancelledBeforeItBegins() {
    m_stop.request_stop();
    QVERIFY_THROWS_EXCEPTION(Cancelled, run({5, 6}, std::nullopt, {.maxNew = 20}));
    QVERIFY(m_decoder.fed.empty());
}

void GenerateTest::anErrorOfTheCallbackComesThrough() {
    LATHE_VERIFY_THROWS(
        run({5}, std::nullopt, {.maxNew = 4},
            [](const GeneratedToken&) { throw InputError("enough"); }),
        InputError, "enough");
    QCOMPARE(m_decoder.fed.size(), 1U);
}

void GenerateTest::badInputIsRefused() {
    m_decoder.positions = 8;
    LATHE_VERIFY_THROWS(run({}, std::nullopt, {.maxNew = 1}), InputError, "no tokens");
    LATHE_VERIFY_THROWS(run({1}, std::nullopt, {.maxNew = -1}), InputError, "-1, below 0");
    LATHE_VERIFY_THROWS(
        run(counting(1, 9), std::nullopt, {.maxNew = 1}), InputError,
        "9 tokens, the model has 8 positions");
    LATHE_VERIFY_THROWS(
        run({1}, std::nullopt, {.maxNew = 1, .sampling = {.greedy = false, .topP = 0.0}}),
        InputError, "top-p");
}

void GenerateTest::greedyEqualsTheWholeTextFedAgain() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_context);
    RunControl control(1, m_sink, {});
    Random random(1);
    const std::vector<TokenId> prompt{7, 1, 30};
    const std::vector<TokenId> ids =
        generate(control, m_context, *model, prompt, std::nullopt, {.maxNew = 24}, random, {});
    QCOMPARE(ids.size(), 27U);
    const std::vector<float> logits = test::logitsOf(m_context, *model, ids);
    for (std::size_t i = prompt.size(); i < ids.size(); ++i) {
        const auto row = logits.begin() + static_cast<std::ptrdiff_t>((i - 1) * 40);
        QCOMPARE(ids[i], static_cast<TokenId>(std::max_element(row, row + 40) - row));
    }
}

void GenerateTest::sameSeedSameText() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_context);
    const auto sampled = [&](std::uint64_t seed) {
        RunControl control(1, m_sink, {});
        Random random(seed);
        return generate(
            control, m_context, *model, std::vector<TokenId>{1, 2}, std::nullopt,
            {.maxNew = 40, .sampling = {.greedy = false, .temperature = 1.5}}, random, {});
    };
    QCOMPARE(sampled(4), sampled(4));
    QVERIFY(sampled(4) != sampled(5));
}

LATHE_TEST(GenerateTest);

} // namespace lathe

#include "generate_test.moc"
