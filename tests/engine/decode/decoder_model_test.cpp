// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decoder_model.h"
#include "engine/decode/early_exit.h"
#include "engine/decode/generate.h"
#include "tests/engine/decode/table_model.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using namespace test;

namespace {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

/// A state whose length alone matters.
class PlainState : public DecoderState {
public:
    explicit PlainState(std::int64_t capacity) : m_cache(1, capacity, 1, 2, Device{}) {}
    KvCache& cache() override { return m_cache; }

private:
    KvCache m_cache;
};

/// A decoder whose every row is the given one. It exits early by halving its logits.
class RowDecoder : public EarlyExitDecoder {
public:
    explicit RowDecoder(std::vector<float> row) : m_row(std::move(row)) {}
    std::int64_t vocabularySize() const override { return static_cast<std::int64_t>(m_row.size()); }
    std::int64_t maxPositions() const override { return 100; }
    std::unique_ptr<DecoderState>
    begin(ExecContext&, std::int64_t capacity, const EncoderOutput*) const override {
        return std::make_unique<PlainState>(capacity);
    }
    ConstView forward(ExecContext&, std::span<const DecodeSlot> batch) const override {
        m_logits.clear();
        std::int64_t rows = 0;
        for (const DecodeSlot& slot : batch) {
            slot.state.cache().commit(static_cast<std::int64_t>(slot.tokens.size()));
            for (std::size_t i = 0; i < slot.tokens.size(); ++i, ++rows) {
                m_logits.insert(m_logits.end(), m_row.begin(), m_row.end());
            }
        }
        return constViewOf(std::span<const float>(m_logits), {rows, vocabularySize()});
    }
    int layers() const override { return 4; }
    std::unique_ptr<Decoder> firstLayers(int count) const override {
        checkFirstLayers(count);
        std::vector<float> row = m_row;
        for (float& logit : row) {
            logit /= 2.0F;
        }
        return std::make_unique<RowDecoder>(row);
    }

private:
    std::vector<float> m_row;
    mutable std::vector<float> m_logits;
};

} // namespace

class DecoderModelTest : public QObject {
    Q_OBJECT
private slots:
    void statisticsOfRows();
    void paddingIsNeverChosen();
    void damagedLogitsAreRefused();
    void anyFeedWidthsAndRollbacksGiveTheSameRows();
    void bigAloneIsGenerate();
    void strategiesOfNeuralNetworks();
    void earlyExitIsALittleModel();
    void vocabulariesHaveToAgree();

private:
    std::vector<TokenRow> feed(
        TokenModel& model, TokenSequence& sequence, std::vector<TokenId> tokens,
        std::vector<TokenId> targets = {}, RowDetail detail = {}) {
        const TokenFeed one{sequence, tokens, targets};
        return model.feed(std::span(&one, 1), detail);
    }

    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};
};

void DecoderModelTest::statisticsOfRows() {
    const RowDecoder decoder({0.0F, std::log(3.0F), std::log(3.0F), std::log(3.0F)});
    DecoderModel model(m_context, decoder);
    const auto sequence = model.begin(10, nullptr);
    const auto rows = feed(model, *sequence, {1, 2, 3}, {0, 3}, {.probabilities = true, .top = 2});
    QCOMPARE(rows.size(), 3U);
    QCOMPARE(sequence->length(), 3);
    for (const TokenRow& row : rows) {
        QCOMPARE(row.argmax, 1); // the lowest of three
        QVERIFY(std::abs(row.confidence - 0.3) < 1e-6);
        QCOMPARE(row.probabilities.size(), 4U);
        QVERIFY(std::abs(row.probabilities[0] - 0.1) < 1e-6);
        QCOMPARE(row.top.size(), 2U);
        QCOMPARE(row.top[1].id, 2);
        QVERIFY(std::abs(row.top[1].probability - 0.3) < 1e-6);
    }
    QVERIFY(std::abs(rows[0].distance - std::log(10.0)) < 1e-6);
    QVERIFY(std::abs(rows[1].distance + std::log(0.3)) < 1e-6);
    QVERIFY(std::isnan(rows[2].distance));
    QVERIFY(feed(model, *sequence, {1}, {}, {.nothing = true}).empty());
    QCOMPARE(sequence->length(), 4);
    sequence->truncate(1);
    QCOMPARE(sequence->length(), 1);
    LATHE_VERIFY_THROWS(sequence->truncate(2), InputError, "cannot be cut");
}

void DecoderModelTest::paddingIsNeverChosen() {
    const RowDecoder decoder({0.0F, 0.0F, 100.0F});
    DecoderModel model(m_context, decoder, 2);
    QCOMPARE(model.vocabularySize(), 2);
    const auto sequence = model.begin(4, nullptr);
    const TokenRow row = feed(model, *sequence, {1}, {1}, {.probabilities = true}).front();
    QCOMPARE(row.argmax, 0);
    QVERIFY(std::abs(row.confidence - 0.5) < 1e-6);
    QVERIFY(std::abs(row.distance - std::log(2.0)) < 1e-6);
    QCOMPARE(row.probabilities.size(), 2U);
    LATHE_VERIFY_THROWS(DecoderModel(m_context, decoder, 4), InputError, "the model has 3");
    LATHE_VERIFY_THROWS(DecoderModel(m_context, decoder, 0), InputError, "of 0 ids");
}

void DecoderModelTest::damagedLogitsAreRefused() {
    const float inf = std::numeric_limits<float>::infinity();
    for (const std::vector<float>& row :
         {std::vector<float>{1.0F, std::nanf("")}, {inf, 0.0F}, {-inf, -inf}}) {
        const RowDecoder decoder(row);
        DecoderModel model(m_context, decoder);
        const auto sequence = model.begin(4, nullptr);
        LATHE_VERIFY_THROWS(feed(model, *sequence, {0}), InputError, "not finite");
    }
    const RowDecoder impossible({0.0F, -inf}); // infinitely far away, and no fault
    DecoderModel model(m_context, impossible);
    const auto sequence = model.begin(4, nullptr);
    QVERIFY(std::isinf(feed(model, *sequence, {0}, {1}).front().distance));
}

void DecoderModelTest::anyFeedWidthsAndRollbacksGiveTheSameRows() { // O9: the caches' part
    const auto llama = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_context);
    DecoderModel model(m_context, *llama);
    const std::vector<TokenId> text{7, 1, 30, 12, 5, 9, 22};
    const auto straight = model.begin(16, nullptr);
    const std::vector<TokenRow> expected = feed(model, *straight, text, {1, 30, 12, 5, 9, 22, 3});
    const auto cut = model.begin(16, nullptr);
    feed(model, *cut, {7, 1, 30, 39, 38, 37}); // drafts that are undone
    cut->truncate(3);
    std::vector<TokenRow> rows = feed(model, *cut, {12, 5}, {5, 9});
    cut->truncate(4);
    for (const TokenRow& row : feed(model, *cut, {5, 9, 22}, {9, 22, 3})) {
        rows.push_back(row);
    }
    const std::array<std::size_t, 5> places{3, 4, 4, 5, 6};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const TokenRow& wanted = expected[places[i]];
        QCOMPARE(rows[i].argmax, wanted.argmax);
        QVERIFY(std::abs(rows[i].confidence - wanted.confidence) < 1e-5);
        QVERIFY(std::abs(rows[i].distance - wanted.distance) < 1e-4);
    }
}

void DecoderModelTest::bigAloneIsGenerate() {
    const auto llama = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_context);
    DecoderModel model(m_context, *llama);
    const std::vector<TokenId> prompt{7, 1, 30};
    SilentSink sink;
    RunControl run(1, sink, {});
    Random random(1);
    const auto expected =
        generate(run, m_context, *llama, prompt, std::nullopt, {.maxNew = 24}, random, {});
    const DecodeRequest request{.prompt = prompt, .maxNew = 24};
    const auto text =
        decodeMany(nullptr, &model, std::span(&request, 1), {.options = bigAlone()}).front();
    QCOMPARE(text.tokens, expected);
}

void DecoderModelTest::strategiesOfNeuralNetworks() {
    const auto bigLlama = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_context);
    MemoryCheckpoint near = tinyCheckpoint(tinyConfig());
    Random random(3);
    near.put("model.layers.1.mlp.down_proj.weight", {16, 24}, random);
    const auto littleLlama = LlamaModel::load(near, m_context);
    DecoderModel big(m_context, *bigLlama);
    DecoderModel little(m_context, *littleLlama);
    std::vector<DecodeRequest> requests;
    for (TokenId i = 0; i < 6; ++i) {
        requests.push_back({.prompt = {i, 20 - i}, .maxNew = 5 + 4 * i});
    }
    requests[3].prompt = std::vector<TokenId>(40, 4);
    const auto own = decodeMany(nullptr, &big, requests, {.options = bigAlone()});
    for (const DraftOptions& options :
         {bild({.fallback = 0.02, .rollback = 0.0}), lossless(3), promptLookup(4)}) {
        const auto texts = decodeMany(&little, &big, requests, {.options = options});
        for (std::size_t i = 0; i < texts.size(); ++i) {
            QCOMPARE(texts[i].tokens, own[i].tokens);
            QCOMPARE(replay(texts[i].log).tokens, own[i].tokens);
        }
        const auto alone =
            decodeMany(&little, &big, std::span(requests).first(1), {.options = options});
        QCOMPARE(alone.front().tokens, own.front().tokens);
    }
    const DraftOptions self =
        bild({.fallback = 0.0, .rollback = 0.0}); // the model as its own draft
    DecoderModel twin(m_context, *bigLlama);
    const auto texts = decodeMany(&twin, &big, requests, {.options = self});
    QCOMPARE(texts.back().tokens, own.back().tokens);
    QCOMPARE(replay(texts.back().log).counts.rollbacks, 0);
}

void DecoderModelTest::earlyExitIsALittleModel() {
    const RowDecoder decoder({0.0F, 2.0F, 1.0F});
    const std::unique_ptr<Decoder> exit = decoder.firstLayers(1);
    DecoderModel big(m_context, decoder);
    DecoderModel little(m_context, *exit);
    const DecodeRequest request{.prompt = {0}, .maxNew = 8};
    const auto text = decodeMany(
                          &little, &big, std::span(&request, 1),
                          {.options = bild({.fallback = 0.4, .maxRun = 3})})
                          .front();
    QCOMPARE(replay(text.log).counts.agreed, 6);
    QCOMPARE(replay(text.log).counts.bigCalls, 2);
    LATHE_VERIFY_THROWS(decoder.firstLayers(0), InputError, "1 to 3");
    LATHE_VERIFY_THROWS(decoder.firstLayers(4), InputError, "1 to 3");
}

void DecoderModelTest::vocabulariesHaveToAgree() {
    const std::filesystem::path folder = sourceFolder() / "tests" / "data" / "tokenizers";
    const auto one = loadTokenizer(folder / "tiny-gpt2");
    const auto other = loadTokenizer(bundledModel("lm-little"));
    requireSameVocabulary(*one, "a", *one, "b");
    LATHE_VERIFY_THROWS(
        requireSameVocabulary(*one, "lm-big", *other, "lm-little"), InputError,
        "the vocabularies of lm-big (");
}

LATHE_TEST(DecoderModelTest);

} // namespace lathe

#include "decoder_model_test.moc"
