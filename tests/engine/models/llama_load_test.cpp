// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "kernels/core/half.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using test::MemoryCheckpoint;

/// A checkpoint whose tensors do not fit its configuration.
class LlamaLoadTest : public QObject {
    Q_OBJECT
private slots:
    void aWholeModelLoads_data();
    void aWholeModelLoads();
    void aMissingTensorIsNamed();
    void aMisshapenTensorIsNamedWithItsNumbers();
    void aSurplusTensorIsNamed();
    void anotherElementTypeIsNamed();
    void allFaultsComeInOneMessage();
    void aLongListOfFaultsIsCutShort();
    void everyTensorIsNeeded_data();
    void everyTensorIsNeeded();
    void untiedModelsNeedTheirHead();
    void tiedModelsMayRepeatTheirHead();
    void rotaryBuffersAreIgnored();
    void namesAreSafeForATerminal();
    void modelsThatCannotFitAreRefused();
    void sizesAreCounted();

private:
    static std::unique_ptr<LlamaModel> load(const MemoryCheckpoint& checkpoint) {
        ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
        return LlamaModel::load(checkpoint, context);
    }
    static MemoryCheckpoint tied() {
        Json config = test::tinyConfig();
        config["tie_word_embeddings"] = true;
        return test::tinyCheckpoint(config);
    }
    Random m_random{5};
};

void LlamaLoadTest::aWholeModelLoads_data() {
    QTest::addColumn<QString>("type");
    for (const char* type : {"llama", "mistral", "qwen2"}) {
        QTest::newRow(type) << type;
    }
}

void LlamaLoadTest::aWholeModelLoads() {
    QFETCH(QString, type);
    const auto model = load(test::tinyCheckpoint(test::tinyConfig(type.toStdString())));
    QCOMPARE(model->config().architecture, type.toStdString());
    QCOMPARE(model->vocabularySize(), 40);
    QCOMPARE(model->maxPositions(), 64);
    QCOMPARE(model->modules().size(), 14U);
    QCOMPARE(model->modules().at(0).name, "model.layers.0.self_attn.q_proj");
    QCOMPARE(model->modules().at(13).name, "model.layers.1.mlp.down_proj");
    QCOMPARE(model->modules().at(0).linear->bias.has_value(), type == "qwen2");
}

void LlamaLoadTest::aMissingTensorIsNamed() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.tensors.erase("model.layers.1.mlp.up_proj.weight");
    checkpoint.seal();
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "tiny: 1 fault: tensor 'model.layers.1.mlp.up_proj.weight' is missing, config.json implies "
        "[24, 16]");
}

void LlamaLoadTest::aMisshapenTensorIsNamedWithItsNumbers() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.put("model.layers.0.self_attn.k_proj.weight", {16, 16}, m_random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "tensor 'model.layers.0.self_attn.k_proj.weight' is [16, 16], config.json implies [8, 16]");

    checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.put("model.norm.weight", {16, 1}, m_random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "tensor 'model.norm.weight' is [16, 1], config.json implies [16]");

    checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.json["vocab_size"] = 41;
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "tensor 'model.embed_tokens.weight' is [40, 16], config.json implies [41, 16]");
}

void LlamaLoadTest::aSurplusTensorIsNamed() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.put("model.layers.2.mlp.up_proj.weight", {24, 16}, m_random);
    checkpoint.put("model.layers.0.self_attn.q_proj.bias", {16}, m_random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, "2 faults");
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "tensor 'model.layers.2.mlp.up_proj.weight' [24, 16] is not part of this llama model");
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, "q_proj.bias' [16] is not part");
}

void LlamaLoadTest::anotherElementTypeIsNamed() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.tensors.insert_or_assign(
        "lm_head.weight", Tensor::empty({40, 16}, DType::I32, Device{}));
    checkpoint.seal();
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError, "tensor 'lm_head.weight' is I32, must be F32, F16 or BF16");
}

void LlamaLoadTest::allFaultsComeInOneMessage() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.tensors.erase("model.norm.weight");
    checkpoint.put("model.embed_tokens.weight", {40, 12}, m_random);
    checkpoint.put("transformer.wte.weight", {40, 16}, m_random);
    checkpoint.tensors.insert_or_assign(
        "model.layers.0.input_layernorm.weight", Tensor::empty({16}, DType::U8, Device{}));
    checkpoint.seal();
    for (const char* part :
         {"4 faults", "'model.norm.weight' is missing", "is [40, 12], config.json implies [40, 16]",
          "'transformer.wte.weight'", "input_layernorm.weight' is U8"}) {
        LATHE_VERIFY_THROWS(load(checkpoint), FormatError, part);
    }
}

void LlamaLoadTest::aLongListOfFaultsIsCutShort() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    for (int i = 0; i < 150; ++i) {
        checkpoint.put("surplus." + std::to_string(i), {1}, m_random);
    }
    checkpoint.seal();
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, "150 faults");
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, "and 50 more");
}

void LlamaLoadTest::everyTensorIsNeeded_data() {
    QTest::addColumn<QString>("name");
    const MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig("qwen2"));
    QCOMPARE(checkpoint.tensors.size(), 3U + 2U * 12U);
    for (const auto& [name, tensor] : checkpoint.tensors) {
        QTest::newRow(name.c_str()) << QString::fromStdString(name);
    }
}

void LlamaLoadTest::everyTensorIsNeeded() {
    QFETCH(QString, name);
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig("qwen2"));
    checkpoint.tensors.erase(name.toStdString());
    checkpoint.seal();
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "1 fault: tensor '" + name.toStdString() + "' is missing, config.json implies [");
}

void LlamaLoadTest::untiedModelsNeedTheirHead() {
    MemoryCheckpoint checkpoint = tied();
    QVERIFY(!checkpoint.contains("lm_head.weight"));
    QVERIFY(load(checkpoint) != nullptr);
    checkpoint.json["tie_word_embeddings"] = false;
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError, "'lm_head.weight' is missing, config.json implies [40, 16]");
}

void LlamaLoadTest::tiedModelsMayRepeatTheirHead() {
    MemoryCheckpoint checkpoint = tied();
    ExecContext context(Device{}, {.target = Target::Scalar, .threads = 1});
    Tensor head = checkpoint.tensors.at("model.embed_tokens.weight").clone(context);
    checkpoint.tensors.insert_or_assign("lm_head.weight", std::move(head));
    checkpoint.seal();
    QVERIFY(load(checkpoint) != nullptr);
    checkpoint.tensors.at("lm_head.weight").view().as<float>()[639] += 1.0F;
    LATHE_VERIFY_THROWS(
        load(checkpoint), FormatError,
        "'lm_head.weight' differs from 'model.embed_tokens.weight', although config.json ties");
    checkpoint.put("lm_head.weight", {40, 17}, m_random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, "'lm_head.weight' is [40, 17]");
}

void LlamaLoadTest::rotaryBuffersAreIgnored() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.put("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, m_random);
    checkpoint.seal();
    QVERIFY(load(checkpoint) != nullptr);
}

void LlamaLoadTest::namesAreSafeForATerminal() {
    MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    checkpoint.put("evil\x1b[2J\nname\x7f", {1}, m_random);
    checkpoint.seal();
    LATHE_VERIFY_THROWS(load(checkpoint), FormatError, R"('evil\x1B[2J\x0Aname\x7F')");
}

void LlamaLoadTest::modelsThatCannotFitAreRefused() {
    Json config = test::tinyConfig();
    config["num_hidden_layers"] = 1024;
    config["num_attention_heads"] = 1024;
    config["num_key_value_heads"] = 1024;
    config["head_dim"] = 1024;
    config["max_position_embeddings"] = 1 << 24;
    MemoryCheckpoint checkpoint;
    checkpoint.json = config;
    checkpoint.seal();
    // 1024 positions of 1024 layers x 1024 heads x 1024 elements, keys and values, 4 bytes each.
    LATHE_VERIFY_THROWS(
        load(checkpoint), DeviceError, "tiny needs about 8192.00 GiB (8796093022208 bytes) on cpu");
    QCOMPARE(estimateBytes(checkpoint, 1), std::int64_t{1} << 33);
    QCOMPARE(estimateBytes(checkpoint, 0), 0);
    LATHE_VERIFY_THROWS(
        estimateBytes(checkpoint, (1 << 24) + 1), InputError, "the model has 16777216");
    LATHE_VERIFY_THROWS(estimateBytes(checkpoint, -1), InputError, "-1 positions");
}

void LlamaLoadTest::sizesAreCounted() {
    const MemoryCheckpoint untied = test::tinyCheckpoint(test::tinyConfig("qwen2"));
    std::int64_t elements = 0;
    for (const auto& [name, entry] : untied.entries()) {
        elements += entry.shape.elementCount();
    }
    const auto model = load(untied);
    QCOMPARE(model->parameterCount(), elements);
    QCOMPARE(model->weightBytes(), elements * 4);
    QCOMPARE(model->averageQuantizedBits(), 0.0);
    // Keys and values of 2 layers, 10 positions, 2 heads of 4.
    QCOMPARE(estimateBytes(untied, 10), elements * 4 + 2 * 2 * 10 * 2 * 4 * 4);
    QCOMPARE(
        load(tied())->parameterCount(),
        load(test::tinyCheckpoint(test::tinyConfig()))->parameterCount() - 40 * 16);
}

LATHE_TEST(LlamaLoadTest);

} // namespace lathe

#include "llama_load_test.moc"
