// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decoder_model.h"
#include "engine/decode/encoder.h"
#include "engine/models/t5.h"
#include "tests/engine/decode/table_model.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cstring>

namespace lathe {

using namespace test;

namespace {

/// A decoder whose last state can be looked into while it decodes.
class Watched : public Decoder {
public:
    explicit Watched(const EarlyExitDecoder& inner) : m_inner(inner) {}
    std::int64_t vocabularySize() const override { return m_inner.vocabularySize(); }
    std::int64_t maxPositions() const override { return m_inner.maxPositions(); }
    std::unique_ptr<DecoderState> begin(
        ExecContext& context, std::int64_t capacity, const EncoderOutput* encoder) const override {
        auto state = m_inner.begin(context, capacity, encoder);
        m_state = state.get();
        m_encoder = encoder;
        return state;
    }
    ConstView forward(ExecContext& context, std::span<const DecodeSlot> batch) const override {
        return m_inner.forward(context, batch);
    }
    /// Whether the cache begins with what the tokens make in one call, to the bit.
    bool holds(ExecContext& context, std::span<const TokenId> tokens) const {
        if (tokens.empty()) {
            return true;
        }
        const auto count = static_cast<std::int64_t>(tokens.size());
        if (m_state->length() < count) {
            return false;
        }
        const auto fresh = m_inner.begin(context, count, m_encoder);
        const DecodeSlot slot{*fresh, tokens};
        m_inner.forward(context, std::span(&slot, 1));
        for (int layer = 0; layer < m_inner.layers(); ++layer) {
            const auto same = [count](const TensorView& a, const TensorView& b) {
                const TensorView rows = a.slice(0, count);
                return std::memcmp(rows.data, b.data, rows.bytes()) == 0;
            };
            if (!same(m_state->cache().keys(layer), fresh->cache().keys(layer)) ||
                !same(m_state->cache().values(layer), fresh->cache().values(layer))) {
                return false;
            }
        }
        return true;
    }

private:
    const EarlyExitDecoder& m_inner;
    mutable DecoderState* m_state = nullptr;
    mutable const EncoderOutput* m_encoder = nullptr;
};

} // namespace

/// Oracle O9: after every event, what a cache is said to hold is what the text makes from scratch.
class CacheOracleTest : public QObject {
    Q_OBJECT
private slots:
    void translators_data() { addPairs({"another model", "first layer"}); }
    void translators();
    void modelsThatContinueText_data() { addPairs({"another model", "first layer"}); }
    void modelsThatContinueText();

private:
    static void addPairs(std::initializer_list<const char*> names) {
        QTest::addColumn<bool>("exits");
        for (const char* name : names) {
            QTest::newRow(name) << (std::string(name) == "first layer");
        }
    }
    /// Decodes under many thresholds and looks into both caches after each event.
    void check(
        const EarlyExitDecoder& littleDecoder, const EarlyExitDecoder& bigDecoder,
        const DecodeRequest& request);

    ExecContext m_context{Device{}, {.threads = 1}};
};

void CacheOracleTest::check(
    const EarlyExitDecoder& littleDecoder, const EarlyExitDecoder& bigDecoder,
    const DecodeRequest& request) {
    const Watched watchedLittle(littleDecoder), watchedBig(bigDecoder);
    DecoderModel little(m_context, watchedLittle), big(m_context, watchedBig);
    DecodeCounts counts;
    std::vector<BildOptions> all;
    for (const char* preset : {"strict", "reference"}) {
        for (const double fallback : {0.0, 0.04, 0.2}) {
            for (const double rollback : {0.0, 2.0, 4.0, 8.0}) {
                all.push_back(bildPreset(preset));
                all.back().fallback = fallback;
                all.back().rollback = rollback;
                all.back().maxRun = 4;
            }
        }
    }
    for (const BildOptions& options : all) {
        DecodeLog seen{.prompt = request.prompt};
        DecodeSettings settings{.options = bild(options)};
        settings.onEvent = [&](std::size_t, const DecodeEvent& event) {
            seen.events.push_back(event);
            const std::vector<TokenId> text = replay(seen).tokens;
            const auto held = [&text](std::int64_t count) {
                return std::span(text).first(static_cast<std::size_t>(count));
            };
            const std::string at = std::string(nameOf(event.kind)) + " " +
                                   std::to_string(event.seq) + " at " + std::to_string(event.pos);
            QVERIFY2(watchedLittle.holds(m_context, held(event.kvS)), ("little: " + at).c_str());
            QVERIFY2(watchedBig.holds(m_context, held(event.kvL)), ("big: " + at).c_str());
        };
        counts +=
            replay(decodeMany(&little, &big, std::span(&request, 1), settings).front().log).counts;
        if (QTest::currentTestFailed()) {
            return;
        }
    }
    for (const std::int64_t seenOnce :
         {counts.rollbacks, counts.flushed, counts.fallbacks, counts.caps, counts.tolerated}) {
        QVERIFY(seenOnce > 0); // or this would test little
    }
}

void CacheOracleTest::translators() {
    QFETCH(bool, exits);
    const auto load = [this](const char* name) {
        return T5Model::load(*Checkpoint::open(fixture(name)), m_context);
    };
    const auto big = load("t5-relu-tied");
    const std::unique_ptr<Decoder> first = big->firstLayers(1);
    const auto other = load("t5-gated-tied-unscaled");
    const std::vector<TokenId> source{17, 42, 5, 88, 3, 61, 9, 30, 77, 1};
    const EncoderOutput bigRead = big->encode(m_context, source);
    const EncoderOutput otherRead = other->encode(m_context, source);
    const DecodeRequest request{
        .prompt = {0},
        .maxNew = 16,
        .littleEncoder = exits ? &bigRead : &otherRead,
        .bigEncoder = &bigRead};
    check(exits ? dynamic_cast<const EarlyExitDecoder&>(*first) : *other, *big, request);
}

void CacheOracleTest::modelsThatContinueText() {
    QFETCH(bool, exits);
    const auto big = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_context);
    const std::unique_ptr<Decoder> first = big->firstLayers(1);
    MemoryCheckpoint near = tinyCheckpoint(tinyConfig());
    Random random(3);
    near.put("model.layers.1.mlp.down_proj.weight", {16, 24}, random);
    const auto other = LlamaModel::load(near, m_context);
    const DecodeRequest request{.prompt = {7, 1, 30}, .maxNew = 16};
    check(exits ? dynamic_cast<const EarlyExitDecoder&>(*first) : *other, *big, request);
}

LATHE_TEST(CacheOracleTest);

} // namespace lathe

#include "cache_oracle_test.moc"
