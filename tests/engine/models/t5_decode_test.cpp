// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5.h"
#include "engine/models/t5_decode.h"
#include "tests/engine/models/each_target.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <array>

namespace lathe {

using test::addTargets;
using test::contextOf;
using test::hostCopy;
using test::largestDifference;

namespace {

constexpr std::array kFixtures{"t5-relu-tied", "t5-gated-tied-unscaled", "mt5-untied"};
/// Two orders of summation.
constexpr double kBound = 5e-5;

} // namespace

/// The launches of a decoding step against the general forward, on every target there is.
class T5DecodeTest : public QObject {
    Q_OBJECT
private slots:
    void stepsEqualForward_data() { addTargets(); }
    void stepsEqualForward();
    void rowsAreWhatEachIsAlone_data() { addTargets(); }
    void rowsAreWhatEachIsAlone();
    void batchesAreWhatEachTextIsAlone_data() { addTargets(); }
    void batchesAreWhatEachTextIsAlone();
    void memoryServesOneTextAfterAnother_data() { addTargets(); }
    void memoryServesOneTextAfterAnother();
    void draftsAreStepsOfTheLikeliest_data() { addTargets(); }
    void draftsAreStepsOfTheLikeliest();
    void badDraftsAreRefused();

private:
    static std::unique_ptr<T5Model> loaded(const char* fixture, ExecContext& context) {
        return T5Model::load(*Checkpoint::open(test::fixture(fixture)), context);
    }
    /// Rows of logits of the ids, `chunk` of them a call.
    static std::vector<float>
    fed(ExecContext& context, const T5Model& model, DecoderState& state,
        std::span<const TokenId> ids, std::size_t chunk) {
        std::vector<float> all;
        for (std::size_t from = 0; from < ids.size(); from += chunk) {
            const DecodeSlot slot{state, ids.subspan(from, std::min(chunk, ids.size() - from))};
            const auto rows = hostCopy(context, model.forwardDecode(context, {&slot, 1}));
            all.insert(all.end(), rows.begin(), rows.end());
        }
        return all;
    }

    std::vector<TokenId> m_source{17, 42, 5, 88, 3, 61, 9, 30, 77, 1};
    std::vector<TokenId> m_ids = [] {
        Random random(4);
        return test::randomIds(24, 100, random);
    }();
};

void T5DecodeTest::stepsEqualForward() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    ExecContext cpu(Device{}, {.threads = 2});
    for (const char* fixture : kFixtures) {
        const auto reference = loaded(fixture, cpu);
        const EncoderOutput source = reference->encode(cpu, m_source);
        const auto straight = reference->begin(cpu, 24, &source);
        const DecodeSlot slot{*straight, m_ids};
        const std::vector<float> wanted = hostCopy(cpu, reference->forward(cpu, {&slot, 1}));
        const auto model = loaded(fixture, *context);
        const EncoderOutput encoded = model->encode(*context, m_source);
        const auto state = model->begin(*context, 24, &encoded);
        QCOMPARE_LE(largestDifference(fed(*context, *model, *state, m_ids, 1), wanted), kBound);
    }
}

void T5DecodeTest::rowsAreWhatEachIsAlone() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    for (const char* fixture : kFixtures) {
        const auto model = loaded(fixture, *context);
        const EncoderOutput encoded = model->encode(*context, m_source);
        const auto state = model->begin(*context, 24, &encoded);
        const std::vector<float> steps = fed(*context, *model, *state, m_ids, 1);
        for (const std::size_t chunk : {2U, 3U, 5U, 7U, 8U, 11U, 12U, 13U, 24U}) {
            state->truncate(0);
            QVERIFY2(
                fed(*context, *model, *state, m_ids, chunk) == steps,
                (std::string(fixture) + ", " + std::to_string(chunk) + " rows").c_str());
        }
    }
}

void T5DecodeTest::batchesAreWhatEachTextIsAlone() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = loaded("t5-gated-tied-unscaled", *context);
    const auto ids = std::span<const TokenId>(m_ids);
    const std::array<std::span<const TokenId>, 3> texts{
        ids.first(5), ids.subspan(5, 9), ids.subspan(14)};
    std::vector<EncoderOutput> encoded;
    std::vector<std::unique_ptr<DecoderState>> states;
    std::vector<DecodeSlot> batch;
    std::vector<float> wanted;
    for (std::size_t i = 0; i < texts.size(); ++i) { // sources of 4, 7 and 10 tokens
        encoded.push_back(model->encode(*context, std::span(m_source).last(4 + 3 * i)));
        const auto alone = model->begin(*context, 16, &encoded[i]);
        const std::vector<float> rows = fed(*context, *model, *alone, texts[i], 1);
        wanted.insert(wanted.end(), rows.begin(), rows.end());
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
        states.push_back(model->begin(*context, 16, &encoded[i]));
        batch.push_back({*states[i], texts[i]});
    }
    QVERIFY(hostCopy(*context, model->forwardDecode(*context, batch)) == wanted);
}

void T5DecodeTest::memoryServesOneTextAfterAnother() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = loaded("t5-relu-tied", *context);
    const auto ids = std::span<const TokenId>(m_ids);
    const EncoderOutput longer = model->encode(*context, m_source);
    const EncoderOutput shorter = model->encode(*context, std::span(m_source).last(3));
    auto state = model->begin(*context, 5, &shorter);
    const std::vector<float> wanted = fed(*context, *model, *state, ids.first(5), 1);
    const void* memory = state->cache().keys(0).data;
    state.reset();
    state = model->begin(*context, 24, &longer);
    QCOMPARE(state->cache().keys(0).data, memory);
    fed(*context, *model, *state, ids, 2);
    state.reset();
    state = model->begin(*context, 5, &shorter);
    QCOMPARE(state->cache().keys(0).data, memory);
    QCOMPARE(state->length(), 0);
    QVERIFY(fed(*context, *model, *state, ids.first(5), 1) == wanted);
    const DecodeSlot full{*state, ids.first(1)};
    LATHE_VERIFY_THROWS(model->forwardDecode(*context, {&full, 1}), InputError, "5 positions");
    const auto other = model->begin(*context, 5, &shorter);
    QVERIFY(other->cache().keys(0).data != memory);
}

void T5DecodeTest::draftsAreStepsOfTheLikeliest() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = loaded("mt5-untied", *context);
    const EncoderOutput encoded = model->encode(*context, m_source);
    const auto state = model->begin(*context, 40, &encoded);
    const auto begun = std::span<const TokenId>(m_ids).first(3);
    const std::int64_t vocabulary = model->vocabularySize();
    // What steps of one token write.
    std::vector<TokenId> wanted;
    std::vector<TokenId> next(begun.begin(), begun.end());
    for (int step = 0; step < 12; ++step) {
        const auto rows = fed(*context, *model, *state, next, next.size());
        const auto last = rows.end() - vocabulary;
        const auto best = std::max_element(last, rows.end());
        wanted.push_back(static_cast<TokenId>(best - last));
        next = {wanted.back()};
    }
    for (int repeat = 0; repeat < 3; ++repeat) { // as it is, recorded, replayed
        state->truncate(0);
        std::vector<TokenId> made;
        next.assign(begun.begin(), begun.end());
        while (made.size() < 12) {
            const DraftLimits limits{.most = 12 - static_cast<std::int64_t>(made.size())};
            const auto rows = model->makeDrafts(*context, *state, next, limits, vocabulary);
            QVERIFY(!rows.empty());
            for (const DraftedRow& row : rows) {
                made.push_back(row.argmax);
            }
            next = {made.back()};
            QCOMPARE(state->length(), static_cast<std::int64_t>(begun.size() + made.size() - 1));
        }
        QCOMPARE(made, wanted);
    }
}

void T5DecodeTest::badDraftsAreRefused() {
    ExecContext context(Device{}, {.threads = 1});
    const auto model = loaded("t5-relu-tied", context);
    QVERIFY(!model->makesDrafts(context, {}));
    const EncoderOutput encoded = model->encode(context, m_source);
    const auto state = model->begin(context, 24, &encoded);
    const auto ids = std::span<const TokenId>(m_ids);
    const std::vector<TokenId> ends(kMostDraftEnds + 1, 7);
    LATHE_VERIFY_THROWS(
        model->makeDrafts(context, *state, ids.first(13), {}, 100), InputError, "12 tokens");
    LATHE_VERIFY_THROWS(
        model->makeDrafts(context, *state, ids.first(1), {.ends = ends}, 100), InputError,
        "8 ends");
    LATHE_VERIFY_THROWS(model->makeDrafts(context, *state, {}, {}, 100), InputError, "no tokens");
    QCOMPARE(state->length(), 0);
}

LATHE_TEST(T5DecodeTest);

} // namespace lathe

#include "t5_decode_test.moc"
