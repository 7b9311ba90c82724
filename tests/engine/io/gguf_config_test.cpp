// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/gguf_config.h"
#include "engine/models/llama_config.h"
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
    void factorsArePassedOn() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.key_length", 128).f32("llama.rope.freq_base", 5e5F);
        const std::vector<float> factors = llama3Factors(64, 5e5, 32.0, 8192.0);
        builder.floatsTensor("rope_freqs.weight", {64}, factors);
        const Json config = configOf(builder);
        QCOMPARE(config.at("lathe_rope_factors").get<std::vector<float>>(), factors);
        QVERIFY(!config.contains("rope_scaling"));
    }
    void llama3FactorsGiveTheFrequenciesOfTheOriginal() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.key_length", 128).f32("llama.rope.freq_base", 5e5F);
        builder.floatsTensor("rope_freqs.weight", {64}, llama3Factors(64, 5e5, 32.0, 8192.0));
        Json original = configOf(builder);
        const std::vector<float> frequencies = ropeFrequencies(llamaConfigFrom(original));
        original.erase("lathe_rope_factors");
        const std::vector<float> plain = ropeFrequencies(llamaConfigFrom(original));
        original["rope_scaling"] = {
            {"rope_type", "llama3"},
            {"factor", 32.0},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 8192}};
        const std::vector<float> expected = ropeFrequencies(llamaConfigFrom(original));
        QCOMPARE(frequencies.size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            QVERIFY(std::abs(frequencies[i] - expected[i]) <= 1e-5F * expected[i]);
        }
        QVERIFY(plain.back() > 31.0F * expected.back());
    }
    void otherFactorsDivideTheFrequencies() {
        GgufBuilder builder = GgufBuilder::llama();
        const std::vector<float> plain = ropeFrequencies(llamaConfigFrom(configOf(builder)));
        builder.floatsTensor("rope_freqs.weight", {2}, {1.0F, 3.5F});
        const std::vector<float> divided = ropeFrequencies(llamaConfigFrom(configOf(builder)));
        QCOMPARE(divided.at(0), plain.at(0));
        QCOMPARE(divided.at(1), plain.at(1) / 3.5F);
    }
    void wrongFactorsAreRefused() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.floatsTensor("rope_freqs.weight", {3}, {1, 1, 1});
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "2 F32 elements are needed");
        builder = GgufBuilder::llama();
        builder.floatsTensor("rope_freqs.weight", {2}, {1, 0});
        LATHE_VERIFY_THROWS(configOf(builder), FormatError, "factor <= 0");
        builder = GgufBuilder::llama();
        builder.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4.0F);
        builder.floatsTensor("rope_freqs.weight", {2}, {1, 2});
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "m.gguf: gives both");
        LATHE_VERIFY_THROWS(configOf(builder), Unsupported, "type 'linear'");
        builder = GgufBuilder::llama();
        builder.text("llama.rope.scaling.type", "none");
        builder.floatsTensor("rope_freqs.weight", {2}, {1, 2});
        QVERIFY(configOf(builder).contains("lathe_rope_factors"));
    }
    void absentMarksAreNoIds() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("tokenizer.ggml.bos_token_id", 0xFFFFFFFF)
            .raw("tokenizer.ggml.eos_token_id", 5, "\xFF\xFF\xFF\xFF");
        const Json config = configOf(builder);
        QVERIFY(!config.contains("bos_token_id") && !config.contains("eos_token_id"));
        QVERIFY(!llamaConfigFrom(config).bos.has_value());
    }
    void messagesNameTheFile() {
        const test::TemporaryFolder folder;
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("tokenizer.ggml.bos_token_id", 99);
        test::writeFile(folder.path() / "lying.gguf", builder.bytes());
        const GgufCheckpoint checkpoint(folder.path() / "lying.gguf");
        LATHE_VERIFY_THROWS(
            llamaConfigFrom(checkpoint), FormatError, "lying.gguf metadata: 'bos_token_id' is 99");
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
