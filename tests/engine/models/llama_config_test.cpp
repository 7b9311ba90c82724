// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/models/llama_config.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>

namespace lathe {

class LlamaConfigTest : public QObject {
    Q_OBJECT
private slots:
    void variantsAreRefusedByName_data();
    void variantsAreRefusedByName();
    void longNamesAreCutOff();
    void damagedValuesAreRefusedByKey_data();
    void damagedValuesAreRefusedByKey();
    void harmlessVariantsAreTaken_data();
    void harmlessVariantsAreTaken();
    void bothSpellingsOfRopeAgree();
    void bothSpellingsOfTheTypeAreRead();
    void fixturesInTheOtherSpellingAreTheSame_data();
    void fixturesInTheOtherSpellingAreTheSame();
    void absentKeysTakeTheFamilysDefaults();
    void headSizeFollowsOrIsGiven();
    void biasesFollowTheFamily();
    void specialTokensMayBeLists();
    void llama3ScalingBendsTheLongWaves();
};

namespace {

Json readConfig(const std::filesystem::path& path) {
    std::ifstream file(path);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    return parseJson(text, path.string());
}

/// The tiny configuration with the keys of `patch`; null stays null.
Json patched(const char* patch) {
    const Json changes = parseJson(patch, "patch");
    Json config = test::tinyConfig();
    for (const auto& [key, value] : changes.items()) {
        config[key] = value;
    }
    return config;
}

void addPatches() {
    QTest::addColumn<QByteArray>("patch");
    QTest::addColumn<QString>("part");
}

void addRow(const char* name, const char* patch, const char* part = "") {
    QTest::newRow(name) << QByteArray(patch) << QString(part);
}

/// Everything that a model is built from, for comparisons.
Json essence(const LlamaConfig& c) {
    Json all = {c.architecture, c.hiddenSize, c.intermediateSize, c.vocabularySize,
                c.layers,       c.heads,      c.kvHeads,          c.headDim,
                c.maxPositions, c.ropeTheta,  c.rmsEpsilon,       c.tiedHead,
                c.qkvBias,      c.outputBias, c.mlpBias,          c.dtype};
    all.push_back(c.bos ? Json(*c.bos) : Json());
    all.push_back(c.eos ? Json(*c.eos) : Json());
    all.push_back(ropeFrequencies(c));
    return all;
}

/// Between "rope_parameters" and "dtype", and "rope_theta", "rope_scaling" and "torch_dtype".
Json inTheOtherSpelling(Json config) {
    if (config.contains("rope_parameters")) {
        Json rope = config.at("rope_parameters");
        config.erase("rope_parameters");
        config["rope_theta"] = rope.at("rope_theta");
        rope.erase("rope_theta");
        config["rope_scaling"] = rope.at("rope_type") == "default" ? Json() : rope;
        config["torch_dtype"] = config.at("dtype");
        config.erase("dtype");
    } else {
        config["rope_parameters"] = {
            {"rope_type", "default"}, {"rope_theta", config.at("rope_theta")}};
        config.erase("rope_theta");
        config["dtype"] = config.at("torch_dtype");
        config.erase("torch_dtype");
    }
    return config;
}

} // namespace

void LlamaConfigTest::variantsAreRefusedByName_data() {
    addPatches();
    addRow(
        "model type", R"({"model_type": "gpt_neox"})",
        "'gpt_neox' is not known; known are "
        "llama, mistral, qwen2");
    addRow("newer model type", R"({"model_type": "qwen3"})", "'qwen3'");
    addRow("activation", R"({"hidden_act": "gelu"})", "'gelu'");
    addRow(
        "active window", R"({"model_type": "mistral", "sliding_window": 32})",
        "sliding_window 32 below 64 positions");
    addRow(
        "window of the family", R"({"model_type": "mistral", "max_position_embeddings": 32768})",
        "sliding_window 4096 below 32768");
    addRow("window of llama", R"({"sliding_window": 16})", "sliding_window 16");
    addRow(
        "window of qwen2", R"({"model_type": "qwen2", "use_sliding_window": true})",
        "use_sliding_window");
    addRow(
        "layer types", R"({"layer_types": ["full_attention", "sliding_attention"]})",
        "layer_types");
    addRow("damaged layer types", R"({"layer_types": [3]})", "layer_types");
    addRow("yarn", R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}})", "'yarn'");
    addRow("linear", R"({"rope_scaling": {"type": "linear", "factor": 2.0}})", "'linear'");
    addRow(
        "new spelling", R"({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4}})",
        "rope_parameters: the rope type 'dynamic'");
    addRow("partial rotation", R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor");
    addRow(
        "partial rotation in rope", R"({"rope_parameters": {"rope_type": "default",
        "rope_theta": 1e4, "partial_rotary_factor": 0.25}})",
        "partial_rotary_factor");
    addRow(
        "biases of mistral",
        R"({"model_type": "mistral", "sliding_window": null, "attention_bias": true})",
        "attention_bias in a mistral model");
    addRow(
        "MLP biases of qwen2", R"({"model_type": "qwen2", "mlp_bias": true})",
        "mlp_bias in a qwen2 model");
    addRow(
        "quantized elsewhere", R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})",
        "quantized by 'gptq'");
    addRow("raw model type", R"({"model_type": "a\u001b[2J"})", R"('a\x1B[2J' is not known)");
    addRow("raw activation", R"({"hidden_act": "a\u0007"})", R"('a\x07')");
    addRow("raw rope type", R"({"rope_scaling": {"type": "a\n"}})", R"('a\x0A')");
    addRow(
        "raw method", R"({"quantization_config": {"quant_method": "\u001bc"}})",
        R"(quantized by '\x1Bc')");
}

void LlamaConfigTest::longNamesAreCutOff() {
    Json config = test::tinyConfig();
    config["model_type"] = std::string(100'000, 'x');
    LATHE_VERIFY_THROWS(
        llamaConfigFrom(config), Unsupported, "'" + std::string(100, 'x') + "...' is not known");
}

void LlamaConfigTest::variantsAreRefusedByName() {
    QFETCH(QByteArray, patch);
    QFETCH(QString, part);
    const Json config = patched(patch.constData());
    LATHE_VERIFY_THROWS(llamaConfigFrom(config), Unsupported, "config.json");
    LATHE_VERIFY_THROWS(llamaConfigFrom(config), Unsupported, part.toStdString());
}

void LlamaConfigTest::damagedValuesAreRefusedByKey_data() {
    addPatches();
    addRow("no model type", R"({"model_type": null})", "'model_type' is missing");
    addRow("model type is a number", R"({"model_type": 7})", "'model_type' is 7, must be a text");
    addRow("no size", R"({"hidden_size": null})", "'hidden_size' is missing");
    addRow("size of nothing", R"({"hidden_size": 0})", "'hidden_size' is 0");
    addRow("size below nothing", R"({"vocab_size": -40})", "'vocab_size' is -40");
    addRow(
        "absurd size", R"({"hidden_size": 9223372036854775807})",
        "'hidden_size' is 9223372036854775807, must be a whole number from 1 to 262144");
    addRow(
        "size beyond 64 bits", R"({"vocab_size": 18446744073709551615})",
        "'vocab_size' is 18446744073709551615");
    addRow("absurd layers", R"({"num_hidden_layers": 1000000})", "'num_hidden_layers' is 1000000");
    addRow(
        "absurd positions", R"({"max_position_embeddings": 99999999999})",
        "'max_position_embeddings' is 99999999999");
    addRow("fraction", R"({"intermediate_size": 24.5})", "'intermediate_size' is 24.5");
    addRow(
        "text for a number", R"({"num_attention_heads": "4"})", "'num_attention_heads' is \"4\"");
    addRow("head size", R"({"head_dim": 4096})", "'head_dim' is 4096");
    addRow("odd head size", R"({"head_dim": 5})", "a head size of 5");
    addRow(
        "heads that share unevenly", R"({"num_key_value_heads": 3})",
        "num_attention_heads 4 is not a multiple of num_key_value_heads 3");
    addRow(
        "heads that do not fill the width", R"({"hidden_size": 18})",
        "hidden_size 18 is not a multiple of num_attention_heads 4");
    addRow("epsilon", R"({"rms_norm_eps": 0})", "'rms_norm_eps' is 0");
    addRow("theta", R"({"rope_theta": -1})", "'rope_theta' is -1");
    addRow("rope is a list", R"({"rope_scaling": [8]})", "rope_scaling is not a JSON object");
    addRow("rope without a type", R"({"rope_scaling": {"factor": 8}})", "'rope_type' is missing");
    addRow(
        "llama3 without a factor", R"({"rope_scaling": {"rope_type": "llama3"}})",
        "rope_scaling: 'factor' is missing");
    addRow(
        "llama3 with crossed factors",
        R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0,
        "high_freq_factor": 1.0, "original_max_position_embeddings": 32}})",
        "high_freq_factor 1.0 is not above low_freq_factor 4.0");
    addRow("tied is a number", R"({"tie_word_embeddings": 1})", "'tie_word_embeddings' is 1");
    addRow("token beyond the vocabulary", R"({"eos_token_id": 40})", "'eos_token_id' is 40");
    addRow("token in a list", R"({"eos_token_id": [-2, 1]})", "'eos_token_id' is -2");
}

void LlamaConfigTest::damagedValuesAreRefusedByKey() {
    QFETCH(QByteArray, patch);
    QFETCH(QString, part);
    const Json config = patched(patch.constData());
    LATHE_VERIFY_THROWS(llamaConfigFrom(config), FormatError, part.toStdString());
    LATHE_VERIFY_THROWS(llamaConfigFrom(config), FormatError, "config.json");
}

void LlamaConfigTest::harmlessVariantsAreTaken_data() {
    addPatches();
    addRow("no window", R"({"model_type": "mistral", "sliding_window": null})");
    addRow("window over all positions", R"({"model_type": "mistral", "sliding_window": 64})");
    addRow("window of a short mistral", R"({"model_type": "mistral"})");
    addRow("window not used", R"({"model_type": "qwen2", "sliding_window": 16,
        "use_sliding_window": false})");
    addRow("full attention", R"({"layer_types": ["full_attention", "full_attention"]})");
    addRow("full rotation", R"({"partial_rotary_factor": 1.0})");
    addRow("no scaling", R"({"rope_scaling": null})");
    addRow("empty scaling", R"({"rope_scaling": {}})");
    addRow("default scaling", R"({"rope_scaling": {"type": "default"}})");
    addRow("own quantization", R"({"quantization_config": {"quant_method": "lathe"}})");
    addRow("keys of other programs", R"({"use_cache": true, "pretraining_tp": 1, "x": [1]})");
}

void LlamaConfigTest::harmlessVariantsAreTaken() {
    QFETCH(QByteArray, patch);
    const Json config = patched(patch.constData());
    const LlamaConfig read = llamaConfigFrom(config);
    QCOMPARE(read.architecture, config.at("model_type").get<std::string>());
    Json plain = test::tinyConfig();
    plain["model_type"] = read.architecture;
    plain["sliding_window"] = nullptr;
    QCOMPARE(essence(read), essence(llamaConfigFrom(plain)));
}

void LlamaConfigTest::bothSpellingsOfRopeAgree() {
    const Json older = patched(R"({"rope_theta": 500000.0, "rope_scaling": {"type": "llama3",
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}})");
    const Json newer = patched(R"({"rope_parameters": {"rope_theta": 500000.0,
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}})");
    QCOMPARE(essence(llamaConfigFrom(older)), essence(llamaConfigFrom(newer)));
    QCOMPARE(llamaConfigFrom(newer).ropeTheta, 500000.0);
    QCOMPARE(llamaConfigFrom(newer).ropeScaling.factor, 8.0);

    const Json plainOlder = patched(R"({"rope_theta": 20000})");
    const Json plainNewer = patched(R"({"rope_parameters": {"rope_theta": 20000}})");
    QCOMPARE(essence(llamaConfigFrom(plainOlder)), essence(llamaConfigFrom(plainNewer)));
    QVERIFY(essence(llamaConfigFrom(plainOlder)) != essence(llamaConfigFrom(newer)));
}

void LlamaConfigTest::bothSpellingsOfTheTypeAreRead() {
    QCOMPARE(llamaConfigFrom(patched(R"({"torch_dtype": "float16"})")).dtype, "float16");
    QCOMPARE(llamaConfigFrom(patched(R"({"dtype": "bfloat16"})")).dtype, "bfloat16");
    QCOMPARE(llamaConfigFrom(test::tinyConfig()).dtype, "");
}

void LlamaConfigTest::fixturesInTheOtherSpellingAreTheSame_data() {
    QTest::addColumn<QString>("folder");
    for (const char* name :
         {"llama-gqa-untied", "llama3-rope-scaling", "mistral-head-dim", "qwen2"}) {
        QTest::newRow(name) << QString::fromStdString(test::fixture(name).string());
    }
    QTest::newRow("lm-little") << QString::fromStdString(test::bundledModel("lm-little").string());
}

void LlamaConfigTest::fixturesInTheOtherSpellingAreTheSame() {
    QFETCH(QString, folder);
    const Json config = readConfig(std::filesystem::path(folder.toStdString()) / "config.json");
    const Json other = inTheOtherSpelling(config);
    QVERIFY(other != config);
    QCOMPARE(essence(llamaConfigFrom(other)), essence(llamaConfigFrom(config)));
    QVERIFY(!llamaConfigFrom(config).dtype.empty());
}

void LlamaConfigTest::absentKeysTakeTheFamilysDefaults() {
    Json config = test::tinyConfig();
    for (const char* key : {"num_key_value_heads", "max_position_embeddings", "rms_norm_eps"}) {
        config.erase(key);
    }
    const LlamaConfig llama = llamaConfigFrom(config);
    QCOMPARE(llama.kvHeads, 4);
    QCOMPARE(llama.maxPositions, 2048);
    QCOMPARE(llama.rmsEpsilon, 1e-6F);
    QCOMPARE(llama.ropeTheta, 10000.0);
    QVERIFY(!llama.tiedHead && !llama.bos && !llama.eos);
    config["model_type"] = "qwen2";
    QCOMPARE(llamaConfigFrom(config).maxPositions, 32768);
    config["model_type"] = "mistral";
    config["sliding_window"] = nullptr;
    QCOMPARE(llamaConfigFrom(config).maxPositions, 131072);
}

void LlamaConfigTest::headSizeFollowsOrIsGiven() {
    QCOMPARE(llamaConfigFrom(test::tinyConfig()).headDim, 4);
    QCOMPARE(llamaConfigFrom(patched(R"({"head_dim": 12})")).headDim, 12);
    QCOMPARE(llamaConfigFrom(patched(R"({"head_dim": null})")).headDim, 4);
    QCOMPARE(llamaConfigFrom(patched(R"({"head_dim": 6, "hidden_size": 18})")).headDim, 6);
}

void LlamaConfigTest::biasesFollowTheFamily() {
    const LlamaConfig plain = llamaConfigFrom(test::tinyConfig());
    QVERIFY(!plain.qkvBias && !plain.outputBias && !plain.mlpBias);
    const LlamaConfig attention = llamaConfigFrom(patched(R"({"attention_bias": true})"));
    QVERIFY(attention.qkvBias && attention.outputBias && !attention.mlpBias);
    const LlamaConfig mlp = llamaConfigFrom(patched(R"({"mlp_bias": true})"));
    QVERIFY(!mlp.qkvBias && !mlp.outputBias && mlp.mlpBias);
    const LlamaConfig qwen = llamaConfigFrom(test::tinyConfig("qwen2"));
    QVERIFY(qwen.qkvBias && !qwen.outputBias && !qwen.mlpBias);
}

void LlamaConfigTest::specialTokensMayBeLists() {
    const LlamaConfig config =
        llamaConfigFrom(patched(R"({"bos_token_id": 1, "eos_token_id": [2, 39]})"));
    QCOMPARE(*config.bos, 1);
    QCOMPARE(*config.eos, 2);
    QVERIFY(!llamaConfigFrom(patched(R"({"eos_token_id": []})")).eos.has_value());
}

void LlamaConfigTest::llama3ScalingBendsTheLongWaves() {
    LlamaConfig config;
    config.headDim = 128;
    config.ropeTheta = 500000.0;
    const std::vector<float> plain = ropeFrequencies(config);
    config.ropeScaling = {8.0, 1.0, 4.0, 8192};
    const std::vector<float> scaled = ropeFrequencies(config);
    QCOMPARE(scaled.size(), 64U);
    QCOMPARE(plain[0], 1.0F);
    for (std::size_t pair = 0; pair < scaled.size(); ++pair) {
        const double wave = 2.0 * 3.14159265358979323846 / static_cast<double>(plain[pair]);
        const float ratio = plain[pair] / scaled[pair];
        if (wave < 8192.0 / 4.0) {
            QCOMPARE(scaled[pair], plain[pair]); // short: kept
        } else if (wave > 8192.0 / 1.0) {
            QVERIFY(std::abs(ratio - 8.0F) < 1e-4F); // long: slowed by the factor
        } else {
            QVERIFY(ratio > 1.0F && ratio < 8.0F);
        }
    }
}

LATHE_TEST(LlamaConfigTest);

} // namespace lathe

#include "llama_config_test.moc"
