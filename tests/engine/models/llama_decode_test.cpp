// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/models/llama_random.h"
#include "engine/nn/fused_rows.h"
#include "tests/engine/models/each_target.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <array>
#include <memory>

namespace lathe {

using test::addTargets;
using test::contextOf;
using test::hostCopy;
using test::largestDifference;

/// A step of one token a sequence against the general forward, on every target there is.
class LlamaDecodeTest : public QObject {
    Q_OBJECT
private slots:
    void stepsEqualForward_data();
    void stepsEqualForward();
    void sequencesMayStandAnywhere_data() { addTargets(); }
    void sequencesMayStandAnywhere();
    void manySequencesGoInPieces_data() { addTargets(); }
    void manySequencesGoInPieces();
    void newWeightsAreUsed_data() { addTargets(); }
    void newWeightsAreUsed();
    void otherSlotsAreNoticed_data() { addTargets(); }
    void otherSlotsAreNoticed();
    void rowsOfOneSequenceEqualForward_data() { addTargets(); }
    void rowsOfOneSequenceEqualForward();
    void draftsAreStepsOfTheLikeliest_data() { addTargets(); }
    void draftsAreStepsOfTheLikeliest();
    void badCallsAreRefused();
    void randomModelsRun_data();
    void randomModelsRun();
    void badRandomModelsAreRefused();

private:
    static std::vector<TokenId> someIds(std::size_t count) {
        Random random(9);
        return test::randomIds(count, 40, random);
    }
    /// Logits of all ids, by forwards of at least two tokens.
    static std::vector<float>
    wanted(ExecContext& context, const LlamaModel& model, std::span<const TokenId> ids) {
        const auto state = model.begin(context, static_cast<std::int64_t>(ids.size()));
        const DecodeSlot slot{*state, ids};
        return hostCopy(context, model.forwardObserved(context, {&slot, 1}, {}));
    }
    /// The same token by token.
    static std::vector<float>
    stepped(ExecContext& context, const LlamaModel& model, std::span<const TokenId> ids) {
        const auto state = model.begin(context, static_cast<std::int64_t>(ids.size()));
        std::vector<float> all;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const DecodeSlot slot{*state, ids.subspan(i, 1)};
            const auto row = hostCopy(context, model.forwardDecode(context, {&slot, 1}));
            all.insert(all.end(), row.begin(), row.end());
        }
        return all;
    }

    /// Two orders of summation; a GPU rounds activations of planes to 16 bits.
    static constexpr double kBound = 5e-5, kPlaneBound = 2e-3;
};

void LlamaDecodeTest::stepsEqualForward_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<QString>("weights");
    QTest::addColumn<int>("target");
    for (const char* type : {"llama", "mistral", "qwen2"}) {
        for (const char* weights : {"dense", "fused", "tables", "fused tables", "mixed"}) {
            for (const Target target : availableTargets()) {
                QTest::addRow("%s %s %s", type, weights, std::string(nameOf(target)).c_str())
                    << type << weights << static_cast<int>(target);
            }
        }
    }
}

void LlamaDecodeTest::stepsEqualForward() {
    QFETCH(QString, type);
    QFETCH(QString, weights);
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model =
        LlamaModel::load(test::tinyCheckpoint(test::tinyConfig(type.toStdString())), *context);
    Random random(3);
    if (!weights.endsWith("dense") && weights != "fused") {
        int index = 0;
        for (const auto& module : model->modules()) {
            const int bits = weights == "mixed" ? 2 + index++ % 5 : 4;
            const Weight table = test::randomLut(
                outFeatures(module.linear->weight), inFeatures(module.linear->weight), bits,
                random);
            module.linear->weight = toDevice(table, context->device(), *context);
        }
    }
    if (weights.startsWith("fused") || weights == "mixed") {
        model->fuseProducts(*context);
    }
    const std::vector<TokenId> ids = someIds(21);
    const double bound = context->device().isCuda() ? kPlaneBound : kBound;
    QCOMPARE_LE(
        largestDifference(stepped(*context, *model, ids), wanted(*context, *model, ids)), bound);
}

void LlamaDecodeTest::sequencesMayStandAnywhere() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    const std::vector<TokenId> all = someIds(21);
    const auto ids = std::span<const TokenId>(all);
    const std::array<std::span<const TokenId>, 3> texts{
        ids.first(5), ids.subspan(5, 9), ids.subspan(14)};
    std::array<std::unique_ptr<DecoderState>, 3> states;
    std::vector<std::vector<float>> expected;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        states[i] = model->begin(*context, 16);
        const DecodeSlot slot{*states[i], texts[i].first(texts[i].size() - 3)};
        model->forwardObserved(*context, {&slot, 1}, {});
        expected.push_back(wanted(*context, *model, texts[i]));
    }
    // Twice the last three tokens, so that the later steps are replayed ones.
    for (int round = 0; round < 2; ++round) {
        for (std::size_t step = 0; step < 3; ++step) {
            std::vector<DecodeSlot> batch;
            for (std::size_t i = 0; i < texts.size(); ++i) {
                batch.push_back({*states[i], texts[i].subspan(texts[i].size() - 3 + step, 1)});
            }
            const auto rows = hostCopy(*context, model->forward(*context, batch));
            for (std::size_t i = 0; i < texts.size(); ++i) {
                const auto at = (texts[i].size() - 3 + step) * 40;
                QCOMPARE_LE(
                    largestDifference(
                        std::span(rows).subspan(i * 40, 40),
                        std::span(expected[i]).subspan(at, 40)),
                    kBound);
            }
        }
        for (const auto& state : states) {
            state->truncate(state->length() - 3);
        }
    }
}

void LlamaDecodeTest::manySequencesGoInPieces() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    model->fuseProducts(*context);
    const std::vector<TokenId> ids = someIds(16);
    std::vector<std::unique_ptr<DecoderState>> states;
    std::vector<DecodeSlot> batch;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        states.push_back(model->begin(*context, 2));
        batch.push_back({*states.back(), std::span(ids).subspan(i, 1)});
    }
    const auto rows = hostCopy(*context, model->forwardDecode(*context, batch));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        QCOMPARE(states[i]->length(), 1);
        QCOMPARE_LE(
            largestDifference(
                std::span(rows).subspan(i * 40, 40),
                wanted(*context, *model, std::span(ids).subspan(i, 1))),
            kBound);
    }
}

void LlamaDecodeTest::newWeightsAreUsed() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    model->fuseProducts(*context);
    const std::vector<TokenId> ids = someIds(3);
    const auto state = model->begin(*context, 8);
    const auto step = [&] {
        state->truncate(0);
        std::vector<float> last;
        for (const TokenId& id : ids) {
            const DecodeSlot slot{*state, {&id, 1}};
            last = hostCopy(*context, model->forwardDecode(*context, {&slot, 1}));
        }
        return last;
    };
    step();
    const std::vector<float> before = step();
    Random random(4);
    for (const int module : {1, 5}) { // members of fused groups
        Linear& linear = *model->modules().at(static_cast<std::size_t>(module)).linear;
        linear.weight = toDevice(
            test::randomLut(outFeatures(linear.weight), inFeatures(linear.weight), 8, random),
            context->device(), *context);
    }
    const std::vector<float> after = step();
    const std::vector<float> expected = wanted(*context, *model, ids);
    QVERIFY(largestDifference(before, after) > 1e-3);
    QCOMPARE_LE(largestDifference(after, std::span(expected).last(40)), kBound);
}

void LlamaDecodeTest::otherSlotsAreNoticed() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    const std::vector<TokenId> ids = someIds(12);
    const std::vector<float> expected = wanted(*context, *model, ids);
    const auto first = model->begin(*context, 16);
    for (int turn = 0; turn < 3; ++turn) { // the second slot is another sequence each time
        const auto second = model->begin(*context, 16);
        const auto prefix = std::span(ids).first(static_cast<std::size_t>(2 + turn));
        const DecodeSlot begin{*second, prefix};
        model->forwardObserved(*context, {&begin, 1}, {});
        first->truncate(0);
        for (std::size_t i = 0; i < 3; ++i) {
            const std::array batch{
                DecodeSlot{*first, std::span(ids).subspan(i, 1)},
                DecodeSlot{*second, std::span(ids).subspan(prefix.size() + i, 1)}};
            const auto rows = hostCopy(*context, model->forwardDecode(*context, batch));
            QCOMPARE_LE(
                largestDifference(
                    std::span(rows).first(40), std::span(expected).subspan(i * 40, 40)),
                kBound);
            QCOMPARE_LE(
                largestDifference(
                    std::span(rows).last(40),
                    std::span(expected).subspan((prefix.size() + i) * 40, 40)),
                kBound);
        }
    }
}

void LlamaDecodeTest::rowsOfOneSequenceEqualForward() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    const std::vector<TokenId> ids = someIds(23);
    const std::vector<float> expected = wanted(*context, *model, ids);
    const auto state = model->begin(*context, 23);
    for (const std::size_t chunk : {1U, 2U, 3U, 5U, 8U, 11U, 12U}) {
        std::vector<float> all;
        state->truncate(0);
        for (std::size_t from = 0; from < ids.size(); from += chunk) {
            const DecodeSlot slot{
                *state, std::span(ids).subspan(from, std::min(chunk, ids.size() - from))};
            const auto rows = hostCopy(*context, model->forwardRows(*context, slot));
            all.insert(all.end(), rows.begin(), rows.end());
        }
        QCOMPARE_LE(largestDifference(all, expected), kBound);
    }
    state->truncate(0);
    const DecodeSlot wide{*state, std::span(ids).first(13)};
    LATHE_VERIFY_THROWS(model->forwardRows(*context, wide), InputError, "12 tokens");
}

void LlamaDecodeTest::draftsAreStepsOfTheLikeliest() {
    QFETCH(int, target);
    const auto context = contextOf(target);
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), *context);
    const std::vector<TokenId> begun = someIds(3);
    const auto state = model->begin(*context, 30);
    const std::int64_t vocabulary = model->vocabularySize();
    for (int repeat = 0; repeat < 3; ++repeat) { // as it is, recorded, replayed
        state->truncate(0);
        std::vector<TokenId> all = begun, next = begun;
        while (all.size() < 15) {
            const DraftLimits limits{.most = 15 - static_cast<std::int64_t>(all.size())};
            for (const DraftedRow& row :
                 model->makeDrafts(*context, *state, next, limits, vocabulary)) {
                all.push_back(row.argmax);
            }
            next = {all.back()};
            QCOMPARE(state->length(), static_cast<std::int64_t>(all.size()) - 1);
        }
        const std::vector<float> rows = wanted(*context, *model, all);
        for (std::size_t i = begun.size(); i < all.size(); ++i) {
            const auto row = rows.begin() + static_cast<std::ptrdiff_t>(i - 1) * vocabulary;
            QCOMPARE(all[i], static_cast<TokenId>(std::max_element(row, row + vocabulary) - row));
        }
    }
}

void LlamaDecodeTest::badCallsAreRefused() {
    ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), context);
    const auto state = model->begin(context, 1);
    const std::vector<TokenId> ids{3, 4, 40};
    const auto call = [&](std::size_t from, std::size_t count) {
        const DecodeSlot slot{*state, std::span(ids).subspan(from, count)};
        model->forwardDecode(context, {&slot, 1});
    };
    LATHE_VERIFY_THROWS(call(0, 2), InputError, "one token");
    LATHE_VERIFY_THROWS(call(2, 1), InputError, "token 40");
    call(0, 1);
    LATHE_VERIFY_THROWS(call(1, 1), InputError, "do not fit a cache of 1");
    QCOMPARE(state->length(), 1);
}

void LlamaDecodeTest::randomModelsRun_data() {
    QTest::addColumn<int>("bits");
    QTest::addColumn<double>("sparsity");
    QTest::newRow("1 bit") << 1 << 0.0;
    QTest::newRow("4 bit") << 4 << 0.0;
    QTest::newRow("3 bit, sparse") << 3 << 0.05;
    QTest::newRow("8 bit") << 8 << 0.0;
    QTest::newRow("dense") << kDenseBits << 0.0;
}

void LlamaDecodeTest::randomModelsRun() {
    QFETCH(int, bits);
    QFETCH(double, sparsity);
    ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
    const LlamaConfig config = llamaConfigFrom(test::tinyConfig());
    const RandomWeights weights{.bits = bits, .sparsity = sparsity, .seed = 5};
    const auto model = randomLlama(config, weights, context);
    QCOMPARE(randomLlamaBytes(config, weights, context) >= model->weightBytes(), true);
    const std::vector<TokenId> ids = someIds(9);
    const std::vector<float> logits = wanted(context, *model, ids);
    QVERIFY(std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); }));
    QCOMPARE_LE(largestDifference(stepped(context, *model, ids), logits), 5e-4);
    const auto again = randomLlama(config, weights, context);
    QCOMPARE(largestDifference(wanted(context, *again, ids), logits), 0.0);
    for (const auto& [name, linear] : std::as_const(*model).modules()) {
        const double share = sparsity * static_cast<double>(inFeatures(linear->weight));
        QVERIFY(
            std::abs(
                sparseShare(linear->weight) * static_cast<double>(inFeatures(linear->weight)) -
                share) <= 0.5);
    }
}

void LlamaDecodeTest::badRandomModelsAreRefused() {
    ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
    const LlamaConfig config = llamaConfigFrom(test::tinyConfig());
    LATHE_VERIFY_THROWS(
        randomLlama(config, {.bits = 9}, context), InputError, "1 to 8 bits, or 16");
    LATHE_VERIFY_THROWS(
        randomLlama(config, {.bits = 4, .sparsity = 0.6}, context), InputError, "sparse values");
    LATHE_VERIFY_THROWS(
        randomLlama(config, {.bits = kDenseBits, .sparsity = 0.1}, context), InputError,
        "sparse values");
}

LATHE_TEST(LlamaDecodeTest);

} // namespace lathe

#include "llama_decode_test.moc"
