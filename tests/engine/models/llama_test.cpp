// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "kernels/core/half.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <array>

namespace lathe {

using test::copied;
using test::largestDifference;
using test::logitsOf;
using test::MemoryCheckpoint;

/// What forward promises, on random models: no reference but the model itself.
class LlamaTest : public QObject {
    Q_OBJECT
private slots:
    void chunkedPrefillEqualsOnePrefill_data();
    void chunkedPrefillEqualsOnePrefill();
    void raggedBatchesEqualSingleSequences_data() { addTargets(); }
    void raggedBatchesEqualSingleSequences();
    void earlierTokensDoNotSeeLaterOnes();
    void zeroBiasesChangeNothing();
    void biasesAreAdded();
    void aTiedHeadIsTheEmbedding();
    void groupedHeadsEqualRepeatedOnes();
    void halfWeightsEqualTheirWidenedValues_data();
    void halfWeightsEqualTheirWidenedValues();
    void observersSeeEveryLayer();
    void sharedModelsKeepTheOriginal();
    void badCallsAreRefused();

private:
    static void addTargets() {
        QTest::addColumn<int>("target");
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                QTest::newRow(std::string(nameOf(target)).c_str()) << static_cast<int>(target);
            }
        }
    }
    std::vector<float> logits(const MemoryCheckpoint& checkpoint) {
        return logitsOf(m_scalar, *LlamaModel::load(checkpoint, m_scalar), m_ids);
    }
    static std::vector<TokenId> someIds(std::size_t count) {
        Random random(9);
        return test::randomIds(count, 40, random);
    }

    ExecContext m_scalar{Device{}, {.target = Target::Scalar, .threads = 1}};
    std::vector<TokenId> m_ids = someIds(21);
};

void LlamaTest::chunkedPrefillEqualsOnePrefill_data() {
    QTest::addColumn<QString>("type");
    QTest::addColumn<int>("target");
    for (const char* type : {"llama", "mistral", "qwen2"}) {
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                QTest::addRow("%s %s", type, std::string(nameOf(target)).c_str())
                    << type << static_cast<int>(target);
            }
        }
    }
}

void LlamaTest::chunkedPrefillEqualsOnePrefill() {
    QFETCH(QString, type);
    QFETCH(int, target);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto model =
        LlamaModel::load(test::tinyCheckpoint(test::tinyConfig(type.toStdString())), context);
    const std::vector<float> whole = logitsOf(context, *model, m_ids);
    QCOMPARE(whole.size(), 21U * 40U);
    for (const std::size_t chunk : {1U, 2U, 4U, 7U, 20U}) {
        QCOMPARE_LE(largestDifference(logitsOf(context, *model, m_ids, chunk), whole), 5e-5);
    }
}

void LlamaTest::raggedBatchesEqualSingleSequences() {
    QFETCH(int, target);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), context);
    const auto ids = std::span<const TokenId>(m_ids);
    const std::array<std::span<const TokenId>, 3> texts{
        ids.first(5), ids.subspan(5, 9), ids.subspan(14)};
    std::array<std::unique_ptr<DecoderState>, 3> states;
    std::vector<DecodeSlot> begins;
    std::vector<DecodeSlot> ends;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        states[i] = model->begin(context, 16);
        begins.push_back({*states[i], texts[i].first(i + 2)}); // 2, 3 and 4 tokens
        ends.push_back({*states[i], texts[i].subspan(i + 2)});
    }
    const std::vector<float> first = copied(model->forward(context, begins));
    const std::vector<float> second = copied(model->forward(context, ends));
    auto from = first.begin();
    auto then = second.begin();
    for (std::size_t i = 0; i < texts.size(); ++i) {
        QCOMPARE(states[i]->length(), static_cast<std::int64_t>(texts[i].size()));
        const auto head = static_cast<std::ptrdiff_t>((i + 2) * 40);
        const auto tail = static_cast<std::ptrdiff_t>((texts[i].size() - i - 2) * 40);
        std::vector<float> rows(from, from + head);
        rows.insert(rows.end(), then, then + tail);
        from += head;
        then += tail;
        QCOMPARE_LE(largestDifference(rows, logitsOf(context, *model, texts[i])), 5e-5);
    }
    QVERIFY(from == first.end() && then == second.end());
}

void LlamaTest::earlierTokensDoNotSeeLaterOnes() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_scalar);
    const std::vector<float> before = logitsOf(m_scalar, *model, m_ids);
    std::vector<TokenId> changed = m_ids;
    changed[10] = (changed[10] + 1) % 40;
    const std::vector<float> after = logitsOf(m_scalar, *model, changed);
    const auto same = std::ranges::mismatch(before, after).in1 - before.begin();
    QVERIFY(same / 40 == 10); // the first row that differs is that of the token itself
    const std::vector<float> lastBefore(before.end() - 40, before.end());
    const std::vector<float> lastAfter(after.end() - 40, after.end());
    QVERIFY(largestDifference(lastBefore, lastAfter) > 1e-3);
}

void LlamaTest::zeroBiasesChangeNothing() {
    Json config = test::tinyConfig();
    const MemoryCheckpoint plain = test::tinyCheckpoint(config);
    config["attention_bias"] = true;
    config["mlp_bias"] = true;
    MemoryCheckpoint biased = test::tinyCheckpoint(config);
    for (auto& [name, tensor] : biased.tensors) {
        if (name.ends_with(".bias")) {
            std::ranges::fill(tensor.view().as<float>(), 0.0F);
        } else {
            tensor = plain.tensors.at(name).share();
        }
    }
    QCOMPARE(biased.tensors.size(), plain.tensors.size() + 14);
    QVERIFY(logits(biased) == logits(plain));
}

void LlamaTest::biasesAreAdded() {
    Json config = test::tinyConfig();
    config["attention_bias"] = true;
    config["mlp_bias"] = true;
    const std::vector<float> before = logits(test::tinyCheckpoint(config));
    for (const char* module :
         {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
          "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
        MemoryCheckpoint changed = test::tinyCheckpoint(config);
        const std::string name = std::string("model.layers.0.") + module + ".bias";
        changed.tensors.at(name).view().as<float>()[1] += 1.0F;
        QVERIFY2(largestDifference(logits(changed), before) > 1e-4, module);
    }
}

void LlamaTest::aTiedHeadIsTheEmbedding() {
    Json config = test::tinyConfig();
    config["tie_word_embeddings"] = true;
    MemoryCheckpoint tied = test::tinyCheckpoint(config);
    MemoryCheckpoint untied = test::tinyCheckpoint(config);
    untied.json["tie_word_embeddings"] = false;
    untied.tensors.insert_or_assign(
        "lm_head.weight", untied.tensors.at("model.embed_tokens.weight").share());
    untied.seal();
    QVERIFY(logits(tied) == logits(untied));
}

void LlamaTest::groupedHeadsEqualRepeatedOnes() {
    MemoryCheckpoint grouped = test::tinyCheckpoint(test::tinyConfig());
    MemoryCheckpoint full = test::tinyCheckpoint(test::tinyConfig());
    full.json["num_key_value_heads"] = 4;
    for (int layer = 0; layer < 2; ++layer) {
        for (const char* part : {"k_proj", "v_proj"}) {
            const std::string name =
                "model.layers." + std::to_string(layer) + ".self_attn." + part + ".weight";
            const Tensor& few = grouped.tensors.at(name); // [2 heads of 4, 16]
            Tensor many = Tensor::empty({16, 16}, DType::F32, Device{});
            for (std::int64_t head = 0; head < 4; ++head) {
                copy(
                    m_scalar, few.view().slice(head / 2 * 4, head / 2 * 4 + 4),
                    many.view().slice(head * 4, head * 4 + 4));
            }
            full.tensors.insert_or_assign(name, std::move(many));
        }
    }
    full.seal();
    QVERIFY(logits(full) == logits(grouped));
}

void LlamaTest::halfWeightsEqualTheirWidenedValues_data() {
    QTest::addColumn<int>("target");
    QTest::addColumn<bool>("brain");
    for (const Target target : availableTargets()) {
        if (target != Target::Cuda) {
            for (const bool brain : {false, true}) {
                QTest::addRow("%s %s", brain ? "BF16" : "F16", std::string(nameOf(target)).c_str())
                    << static_cast<int>(target) << brain;
            }
        }
    }
}

void LlamaTest::halfWeightsEqualTheirWidenedValues() {
    QFETCH(int, target);
    QFETCH(bool, brain);
    MemoryCheckpoint narrow = test::tinyCheckpoint(test::tinyConfig("qwen2"));
    MemoryCheckpoint wide = test::tinyCheckpoint(test::tinyConfig("qwen2"));
    for (auto& [name, tensor] : wide.tensors) {
        const std::span<float> values = tensor.view().as<float>();
        Tensor half = Tensor::empty(tensor.shape(), brain ? DType::BF16 : DType::F16, Device{});
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (brain) {
                const BFloat16 rounded = toBFloat16(values[i]);
                half.view().as<BFloat16>()[i] = rounded;
                values[i] = toFloat(rounded);
            } else {
                const Half rounded = toHalf(values[i]);
                half.view().as<Half>()[i] = rounded;
                values[i] = toFloat(rounded);
            }
        }
        narrow.tensors.insert_or_assign(name, std::move(half));
    }
    narrow.seal();
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    const auto half = LlamaModel::load(narrow, context);
    const auto full = LlamaModel::load(wide, context);
    QCOMPARE_LE(
        largestDifference(logitsOf(context, *half, m_ids), logitsOf(context, *full, m_ids)), 5e-5);
    // One token at a time takes the kernels for single rows.
    QCOMPARE_LE(
        largestDifference(logitsOf(context, *half, m_ids, 1), logitsOf(context, *full, m_ids)),
        5e-5);
    QVERIFY(half->weightBytes() < full->weightBytes());
}

void LlamaTest::observersSeeEveryLayer() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_scalar);
    const auto state = model->begin(m_scalar, 21);
    const DecodeSlot slot{*state, m_ids};
    std::vector<int> layers;
    std::vector<float> first;
    const std::vector<float> observed = copied(
        model->forwardObserved(m_scalar, std::span(&slot, 1), [&](int layer, ConstView hidden) {
            layers.push_back(layer);
            QVERIFY(hidden.shape == Shape({21, 16}));
            if (layer == 0) {
                first = copied(hidden);
            } else {
                QVERIFY(largestDifference(first, hidden.as<float>()) > 1e-3);
            }
        }));
    QCOMPARE(layers, (std::vector<int>{0, 1}));
    QVERIFY(observed == logitsOf(m_scalar, *model, m_ids));
}

void LlamaTest::sharedModelsKeepTheOriginal() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_scalar);
    const std::vector<float> before = logitsOf(m_scalar, *model, m_ids);
    const auto other = model->share();
    QVERIFY(logitsOf(m_scalar, *other, m_ids) == before);
    Random random(1);
    other->modules().at(6).linear->weight = test::randomLut(16, 24, 3, random);
    QVERIFY(largestDifference(logitsOf(m_scalar, *other, m_ids), before) > 1e-3);
    QVERIFY(logitsOf(m_scalar, *model, m_ids) == before);
    QVERIFY(other->weightBytes() < model->weightBytes());
    QCOMPARE(other->parameterCount(), model->parameterCount());
    QVERIFY(other->averageQuantizedBits() > 3.0);
    QCOMPARE(model->averageQuantizedBits(), 0.0);
}

void LlamaTest::badCallsAreRefused() {
    const auto model = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_scalar);
    LATHE_VERIFY_THROWS(
        model->begin(m_scalar, 65), InputError, "65 positions was asked for, the model has 64");
    LATHE_VERIFY_THROWS(model->begin(m_scalar, 0), InputError, "0 positions");
    LATHE_VERIFY_THROWS(model->begin(m_scalar, -1), InputError, "-1 positions");
    LATHE_VERIFY_THROWS(model->forward(m_scalar, {}), InputError, "no slots");

    const auto state = model->begin(m_scalar, 8);
    const DecodeSlot slot{*state, std::span<const TokenId>(m_ids).first(2)};
    const std::array<DecodeSlot, 2> twice{slot, slot};
    LATHE_VERIFY_THROWS(model->forward(m_scalar, twice), InputError, "a state is in two slots");

    Json wide = test::tinyConfig();
    wide["head_dim"] = 6;
    const auto other = LlamaModel::load(test::tinyCheckpoint(wide), m_scalar);
    LATHE_VERIFY_THROWS(
        other->forward(m_scalar, std::span(&slot, 1)), InputError, "begun by another model");
    QCOMPARE(state->length(), 0);
}

LATHE_TEST(LlamaTest);

} // namespace lathe

#include "llama_test.moc"
