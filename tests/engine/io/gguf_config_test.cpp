// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/gguf_config.h"
#include "tests/engine/io/gguf_builder.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <numbers>

namespace lathe {

using test::GgufBuilder;

namespace {

Json configOf(const GgufBuilder& builder) {
    return ggufConfig(GgufFile::parse(test::storageOf(builder.bytes()), "m.gguf"));
}

/// The reference implementation's formula, for heads of size 2 * count.
std::vector<float> llama3Factors(std::size_t count, double theta, double factor, double length) {
    std::vector<float> factors;
    for (std::size_t i = 0; i < count; ++i) {
        const double frequency =
            1.0 / std::pow(theta, static_cast<double>(2 * i) / static_cast<double>(2 * count));
        const double wavelength = 2.0 * std::numbers::pi / frequency;
        double result = 1.0;
        if (wavelength > length) {
            result = factor;
        } else if (wavelength >= length / 4.0) {
            const double smooth = (length / wavelength - 1.0) / 3.0;
            result = 1.0 / ((1.0 - smooth) / factor + smooth);
        }
        factors.push_back(static_cast<float>(result));
    }
    return factors;
}

} // namespace

class GgufConfigTest : public QObject {
    Q_OBJECT
private slots:
    void defaultsAreFilledIn() {
        const Json config = configOf(GgufBuilder::llama());
        QCOMPARE(config.at("model_type").get<std::string>(), std::string("llama"));
        QCOMPARE(config.at("head_dim").get<int>(), 4);
        QCOMPARE(config.at("num_key_value_heads").get<int>(), 2);
        QCOMPARE(config.at("rope_theta").get<double>(), 10000.0);
        QCOMPARE(config.at("vocab_size").get<int>(), 10);
        QCOMPARE(config.at("tie_word_embeddings").get<bool>(), true);
        QVERIFY(!config.contains("rope_scaling") && !config.contains("bos_token_id"));
    }
    void keysOverrideDefaults() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.key_length", 16)
            .u32("llama.attention.value_length", 16)
            .u32("llama.rope.dimension_count", 16)
            .u32("llama.attention.head_count_kv", 1)
            .f32("llama.rope.freq_base", 5e5F)
            .u32("tokenizer.ggml.bos_token_id", 1)
            .u32("tokenizer.ggml.eos_token_id", 7);
        builder.floatsTensor("output.weight", {2, 1}, {1, 2});
        builder.floatsTensor("token_embd.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
        const Json config = configOf(builder);
        QCOMPARE(config.at("head_dim").get<int>(), 16);
        QCOMPARE(config.at("num_key_value_heads").get<int>(), 1);
        QCOMPARE(config.at("rope_theta").get<double>(), 5e5);
        QCOMPARE(config.at("tie_word_embeddings").get<bool>(), false);
        QCOMPARE(config.at("vocab_size").get<int>(), 3);
        QCOMPARE(config.at("bos_token_id").get<int>(), 1);
        QCOMPARE(config.at("eos_token_id").get<int>(), 7);
    }
    void llama3FactorsAreRecognised() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.key_length", 128).f32("llama.rope.freq_base", 5e5F);
        const std::vector<float> factors = llama3Factors(64, 5e5, 32.0, 8192.0);
        builder.floatsTensor("rope_freqs.weight", {64}, factors);
        const Json config = configOf(builder);
        const Json& scaling = config.at("rope_scaling");
        QCOMPARE(scaling.at("rope_type").get<std::string>(), std::string("llama3"));
        QCOMPARE(scaling.at("factor").get<double>(), 32.0);
        QCOMPARE(scaling.at("original_max_position_embeddings").get<int>(), 8192);
        QCOMPARE(config.at("lathe_rope_factors").get<std::vector<float>>(), factors);
    }
    void otherFactorsAreNotMistaken() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.floatsTensor("rope_freqs.weight", {2}, {1.0F, 3.5F});
        QCOMPARE(
            configOf(builder).at("rope_scaling").at("rope_type").get<std::string>(),
            std::string("lathe_factors"));
        builder = GgufBuilder::llama();
        builder.floatsTensor("rope_freqs.weight", {3}, {1, 1, 1});
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "2 F32 elements are needed");
        builder = GgufBuilder::llama();
        builder.floatsTensor("rope_freqs.weight", {2}, {1, 0});
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "factor <= 0");
    }
    void scalingIsPassedOn() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4.0F);
        const Json scaling = configOf(builder).at("rope_scaling");
        QCOMPARE(scaling.at("rope_type").get<std::string>(), std::string("yarn"));
        QCOMPARE(scaling.at("factor").get<double>(), 4.0);
        builder = GgufBuilder::llama();
        builder.text("llama.rope.scaling.type", "none");
        QVERIFY(!configOf(builder).contains("rope_scaling"));
    }
    void slidingWindowMakesMistral() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.sliding_window", 32);
        const Json config = configOf(builder);
        QCOMPARE(config.at("model_type").get<std::string>(), std::string("mistral"));
        QCOMPARE(config.at("sliding_window").get<int>(), 32);
    }
    void variantsAreRefusedByName() {
        GgufBuilder builder;
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "general.architecture");
        builder.text("general.architecture", "mamba");
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "architecture 'mamba'");
        (builder = GgufBuilder::llama()).u32("llama.expert_count", 8);
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "mixture of 8 experts");
        (builder = GgufBuilder::llama()).u32("llama.rope.dimension_count", 2);
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "rotates 2 of 4");
        (builder = GgufBuilder::llama()).u32("llama.attention.value_length", 2);
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "unequal sizes");
        (builder = GgufBuilder::llama()).u32("split.count", 3);
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "split model");
    }
    void missingAndWrongKeysAreNamed() {
        GgufBuilder builder;
        builder.text("general.architecture", "llama");
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "'llama.embedding_length' is missing");
        builder.u32("llama.embedding_length", 9).u32("llama.attention.head_count", 2);
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "do not divide");
        builder = {};
        builder.text("general.architecture", "llama")
            .u32("llama.embedding_length", 8)
            .u32("llama.attention.head_count", 0);
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "head_count' is 0");
        builder = {};
        builder.text("general.architecture", "llama").text("llama.embedding_length", "8");
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "not a whole number");
    }
};

LATHE_TEST(GgufConfigTest);

} // namespace lathe

#include "gguf_config_test.moc"
