// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5.h"

#include "engine/core/error.h"
#include "engine/decode/generate.h"
#include "engine/io/safetensors.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <array>

namespace lathe {

using test::copied;
using test::largestDifference;

namespace {

constexpr std::array kFixtures{"t5-relu-tied", "t5-gated-tied-unscaled", "mt5-untied"};
constexpr std::array kBundled{"translate-big", "translate-little", "translate-little-aligned"};

std::vector<TokenId> idsOf(const SafetensorsFile& file, const std::string& name) {
    const Tensor tensor = file.tensor(name);
    const auto values = tensor.view().as<std::int32_t>();
    return {values.begin(), values.end()};
}

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

std::vector<TokenId> greedy(
    ExecContext& context, const T5Model& model, const EncoderOutput& encoded, std::size_t total) {
    SilentSink sink;
    RunControl control(1, sink, {});
    Random random(1);
    const GenerateOptions options{
        .maxNew = static_cast<int>(total) - 1, .stopAtEos = false, .encoder = &encoded};
    const std::array start{model.startToken()};
    return generate(control, context, model, start, std::nullopt, options, random, {});
}

/// Rows of logits of the ids, `chunk` of them a call.
std::vector<float>
fed(ExecContext& context, const T5Model& model, DecoderState& state, std::span<const TokenId> ids,
    std::size_t chunk) {
    std::vector<float> all;
    for (std::size_t from = 0; from < ids.size(); from += chunk) {
        const DecodeSlot slot{state, ids.subspan(from, std::min(chunk, ids.size() - from))};
        const std::vector<float> rows = copied(model.forward(context, std::span(&slot, 1)));
        all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
}

std::unique_ptr<T5Model> loaded(const std::string& fixture, ExecContext& context) {
    return T5Model::load(*Checkpoint::open(test::fixture(fixture)), context);
}

void addTargets() {
    QTest::addColumn<int>("target");
    for (const Target target : availableTargets()) {
        if (target != Target::Cuda) {
            QTest::newRow(std::string(nameOf(target)).c_str()) << static_cast<int>(target);
        }
    }
}

} // namespace

class T5Test : public QObject {
    Q_OBJECT
private slots:
    void matchesTransformers_data();
    void matchesTransformers();
    void fewRowsAreWhatEachIsAlone_data() { addTargets(); }
    void fewRowsAreWhatEachIsAlone();
    void longBlocksEqualSteps_data() { addTargets(); }
    void longBlocksEqualSteps();
    void replayAfterTruncationEqualsAStraightRun();
    void raggedBatchesEqualSingleSequences_data() { addTargets(); }
    void raggedBatchesEqualSingleSequences();
    void theSourceIsSeenAsAWhole();
    void weightsAreCountedOnce();
    void badCallsAreRefused();
    void faultsOfFilesAreListed();
    void anOldUnusedTableIsIgnored();
    void copiesOfTheEmbeddingMustEqualIt();

private:
    std::vector<TokenId> m_source{17, 42, 5, 88, 3, 61, 9, 30, 77, 1};
    std::vector<TokenId> m_ids = [] {
        Random random(4);
        return test::randomIds(24, 100, random);
    }();
};

void T5Test::matchesTransformers_data() {
    QTest::addColumn<QString>("path");
    QTest::addColumn<int>("target");
    const auto add = [](const char* name, const std::filesystem::path& folder) {
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                QTest::addRow("%s %s", name, std::string(nameOf(target)).c_str())
                    << QString::fromStdString(folder.string()) << static_cast<int>(target);
            }
        }
    };
    for (const char* name : kFixtures) {
        add(name, test::fixture(name));
    }
    for (const char* name : kBundled) {
        add(name, test::bundledModel(name));
    }
}

void T5Test::matchesTransformers() {
    QFETCH(QString, path);
    QFETCH(int, target);
    const std::filesystem::path folder = path.toStdString();
    if (!std::filesystem::exists(folder)) {
        QSKIP("the model is not bundled");
    }
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto model = T5Model::load(*Checkpoint::open(folder), context);
    const SafetensorsFile reference = SafetensorsFile::open(folder / "reference.safetensors");
    for (std::string at = "0."; reference.contains(at + "input_ids"); ++at[0]) {
        const EncoderOutput encoded = model->encode(context, idsOf(reference, at + "input_ids"));
        const Tensor wantedHidden = reference.tensor(at + "encoder_output");
        QCOMPARE_LE(
            largestDifference(copied(encoded.hidden.view()), wantedHidden.view().as<float>()),
            2e-4);
        const std::vector<TokenId> wanted = idsOf(reference, at + "greedy_ids");
        const auto inputs = std::span(wanted).first(wanted.size() - 1);
        const auto state =
            model->begin(context, static_cast<std::int64_t>(inputs.size()), &encoded);
        const Tensor wantedLogits = reference.tensor(at + "logits");
        QCOMPARE_LE(
            largestDifference(
                fed(context, *model, *state, inputs, inputs.size()),
                wantedLogits.view().as<float>()),
            2e-4);
        QCOMPARE(greedy(context, *model, encoded, wanted.size()), wanted);
    }
}

/// Bit for bit, so that a draft is judged by the same numbers that would have made it.
void T5Test::fewRowsAreWhatEachIsAlone() {
    QFETCH(int, target);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    for (const char* fixture : kFixtures) {
        const auto model = loaded(fixture, context);
        const EncoderOutput encoded = model->encode(context, m_source);
        const auto state = model->begin(context, 24, &encoded);
        const std::vector<float> steps = fed(context, *model, *state, m_ids, 1);
        for (const std::size_t chunk : {2U, 3U, 5U, 6U, 7U, 8U, 11U, 16U}) {
            state->truncate(0);
            QVERIFY2(
                fed(context, *model, *state, m_ids, chunk) == steps,
                (std::string(fixture) + ", " + std::to_string(chunk) + " rows").c_str());
        }
    }
}

void T5Test::longBlocksEqualSteps() {
    QFETCH(int, target);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto model = loaded("t5-relu-tied", context);
    const EncoderOutput encoded = model->encode(context, m_source);
    const auto state = model->begin(context, 24, &encoded);
    const std::vector<float> steps = fed(context, *model, *state, m_ids, 1);
    for (const std::size_t chunk : {17U, 24U}) {
        state->truncate(0);
        QCOMPARE_LE(largestDifference(fed(context, *model, *state, m_ids, chunk), steps), 5e-5);
    }
}

void T5Test::replayAfterTruncationEqualsAStraightRun() {
    ExecContext context(Device{}, {.threads = 2});
    const auto model = loaded("mt5-untied", context);
    const EncoderOutput encoded = model->encode(context, m_source);
    const auto straight = model->begin(context, 24, &encoded);
    const std::vector<float> wanted = fed(context, *model, *straight, m_ids, 1);
    const auto state = model->begin(context, 24, &encoded);
    const auto ids = std::span<const TokenId>(m_ids);
    std::vector<TokenId> others(ids.begin() + 9, ids.begin() + 20);
    std::ranges::reverse(others);
    fed(context, *model, *state, ids.first(9), 9);
    fed(context, *model, *state, others, 11); // drafts that are rolled back
    state->truncate(7);
    const std::vector<float> rest = fed(context, *model, *state, ids.subspan(7), 3);
    const std::vector<float> wantedRest(wanted.begin() + 7 * 100, wanted.end());
    QVERIFY(rest == wantedRest);
}

void T5Test::raggedBatchesEqualSingleSequences() {
    QFETCH(int, target);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto model = loaded("t5-gated-tied-unscaled", context);
    const auto ids = std::span<const TokenId>(m_ids);
    const std::size_t vocabulary = 212;
    const std::array<std::span<const TokenId>, 3> texts{
        ids.first(5), ids.subspan(5, 9), ids.subspan(14)};
    std::vector<EncoderOutput> encoded;
    std::vector<std::unique_ptr<DecoderState>> states;
    std::vector<DecodeSlot> begins;
    std::vector<DecodeSlot> ends;
    for (std::size_t i = 0; i < texts.size(); ++i) { // sources of 4, 7 and 10 tokens
        encoded.push_back(model->encode(context, std::span(m_source).last(4 + 3 * i)));
        states.push_back(model->begin(context, 16, &encoded[i]));
        begins.push_back({*states[i], texts[i].first(i + 1)}); // 1, 2 and 3 tokens
        ends.push_back({*states[i], texts[i].subspan(i + 1)});
    }
    const std::vector<float> first = copied(model->forward(context, begins));
    const std::vector<float> second = copied(model->forward(context, ends));
    auto from = first.begin();
    auto then = second.begin();
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto head = static_cast<std::ptrdiff_t>((i + 1) * vocabulary);
        const auto tail = static_cast<std::ptrdiff_t>((texts[i].size() - i - 1) * vocabulary);
        std::vector<float> rows(from, from + head);
        rows.insert(rows.end(), then, then + tail);
        from += head;
        then += tail;
        const auto alone = model->begin(context, 16, &encoded[i]);
        QCOMPARE_LE(largestDifference(rows, fed(context, *model, *alone, texts[i], 1)), 5e-5);
    }
    QVERIFY(from == first.end() && then == second.end());
}

/// Both directions: the first row of the encoder depends on the last token, and the decoder on all.
void T5Test::theSourceIsSeenAsAWhole() {
    ExecContext context(Device{}, {.threads = 2});
    const auto model = loaded("t5-relu-tied", context);
    std::vector<TokenId> changed = m_source;
    changed[8] = 12;
    const EncoderOutput before = model->encode(context, m_source);
    const EncoderOutput after = model->encode(context, changed);
    const auto firstRow = [](const EncoderOutput& output) {
        return copied(output.hidden.view().slice(0, 1));
    };
    QVERIFY(largestDifference(firstRow(before), firstRow(after)) > 1e-3);
    const auto a = model->begin(context, 1, &before);
    const auto b = model->begin(context, 1, &after);
    const std::array start{TokenId{0}};
    QVERIFY(
        largestDifference(fed(context, *model, *a, start, 1), fed(context, *model, *b, start, 1)) >
        1e-3);
}

void T5Test::weightsAreCountedOnce() {
    ExecContext context(Device{}, {.threads = 1});
    for (const char* fixture : kFixtures) {
        const auto checkpoint = Checkpoint::open(test::fixture(fixture));
        const auto model = T5Model::load(*checkpoint, context);
        std::int64_t stored = 0;
        for (const auto& [name, entry] : checkpoint->entries()) {
            stored += checkpoint->storedBytes(name);
        }
        // Biases are held by distance, not by bucket.
        const T5Config& config = model->config();
        const std::int64_t tables = 2 * 4 * std::int64_t{config.buckets} * config.heads;
        const std::int64_t biases = 4 * (3 * kT5Positions - 1) * std::int64_t{config.heads};
        QCOMPARE(model->weightBytes(), stored - tables + biases);
        QCOMPARE(parameterCount(config) * 4, stored);
        QVERIFY(model->stepBytes() > 0 && model->stepBytes() < stored);
        QVERIFY(estimateT5Bytes(*checkpoint, 100) > stored);
    }
}

void T5Test::badCallsAreRefused() {
    ExecContext context(Device{}, {.threads = 1});
    const auto model = loaded("t5-relu-tied", context);
    const auto other = loaded("mt5-untied", context);
    LATHE_VERIFY_THROWS(model->encode(context, {}), InputError, "0 tokens");
    const std::vector<TokenId> endless(kT5Positions + 1, 5);
    LATHE_VERIFY_THROWS(model->encode(context, endless), InputError, "4097 tokens");
    const std::array<TokenId, 2> outside{212, 1};
    LATHE_VERIFY_THROWS(model->encode(context, outside), InputError, "token 212");

    const EncoderOutput encoded = model->encode(context, m_source);
    LATHE_VERIFY_THROWS(model->begin(context, 8), InputError, "without an encoder output");
    LATHE_VERIFY_THROWS(model->begin(context, 0, &encoded), InputError, "0 positions");
    LATHE_VERIFY_THROWS(model->begin(context, 5000, &encoded), InputError, "5000 positions");
    LATHE_VERIFY_THROWS(other->begin(context, 8, &encoded), InputError, "[10, 64]");

    const auto state = model->begin(context, 4, &encoded);
    const auto forward = [&](const T5Model& with, std::span<const TokenId> ids) {
        const DecodeSlot slot{*state, ids};
        return with.forward(context, std::span(&slot, 1));
    };
    const auto ids = std::span<const TokenId>(m_ids);
    LATHE_VERIFY_THROWS(forward(*model, {}), InputError, "no tokens");
    LATHE_VERIFY_THROWS(forward(*model, outside), InputError, "token 212");
    LATHE_VERIFY_THROWS(forward(*model, ids.first(5)), InputError, "4 positions");
    LATHE_VERIFY_THROWS(forward(*other, ids.first(1)), InputError, "another model");
    const auto llama = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), context);
    const auto foreign = llama->begin(context, 4);
    const DecodeSlot slot{*foreign, ids.first(1)};
    LATHE_VERIFY_THROWS(
        model->forward(context, std::span(&slot, 1)), InputError, "another kind of model");
    QCOMPARE(state->length(), 0);
}

void T5Test::faultsOfFilesAreListed() {
    ExecContext context(Device{}, {.threads = 1});
    test::MemoryCheckpoint checkpoint = test::inMemory(test::fixture("mt5-untied"));
    Random random(1);
    checkpoint.tensors.erase("lm_head.weight");
    checkpoint.put("encoder.block.1.layer.1.DenseReluDense.wo.weight", {32, 41}, random);
    checkpoint.put("decoder.block.1.layer.0.layer_norm.weight", {32}, random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(T5Model::load(checkpoint, context), FormatError, "lm_head.weight");
    LATHE_VERIFY_THROWS(T5Model::load(checkpoint, context), FormatError, "[32, 41]");
    LATHE_VERIFY_THROWS(
        T5Model::load(checkpoint, context), FormatError, "decoder.block.1.layer.0.layer_norm");
}

void T5Test::anOldUnusedTableIsIgnored() {
    ExecContext context(Device{}, {.threads = 1});
    test::MemoryCheckpoint checkpoint = test::inMemory(test::fixture("mt5-untied"));
    Random random(1);
    checkpoint.put(
        "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", {8, 3}, random);
    checkpoint.seal();
    QVERIFY(T5Model::load(checkpoint, context) != nullptr);
}

void T5Test::copiesOfTheEmbeddingMustEqualIt() {
    ExecContext context(Device{}, {.threads = 1});
    test::MemoryCheckpoint checkpoint = test::inMemory(test::fixture("mt5-untied"));
    const std::string copy = "encoder.embed_tokens.weight";
    checkpoint.tensors.emplace(copy, checkpoint.tensors.at("shared.weight").clone(context));
    checkpoint.seal();
    QVERIFY(T5Model::load(checkpoint, context) != nullptr);
    checkpoint.tensors.at(copy).view().as<float>()[5] += 1.0F;
    LATHE_VERIFY_THROWS(T5Model::load(checkpoint, context), FormatError, copy);
}

LATHE_TEST(T5Test);

} // namespace lathe

#include "t5_test.moc"
