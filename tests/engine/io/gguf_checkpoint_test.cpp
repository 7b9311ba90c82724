// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/gguf_checkpoint.h"
#include "engine/io/mapped_file.h"
#include "kernels/core/half.h"
#include "tests/engine/io/gguf_builder.h"
#include "tests/support/lathe_test.h"

#include <array>
#include <cmath>

namespace lathe {

using test::GgufBuilder;

namespace {

/// Elements as floats, whatever float type the tensor has.
std::vector<float> floatsOf(const Tensor& tensor) {
    std::vector<float> values;
    if (tensor.dtype() == DType::F32) {
        const auto elements = tensor.view().as<float>();
        values.assign(elements.begin(), elements.end());
    } else {
        for (const Half element : tensor.view().as<Half>()) {
            values.push_back(toFloat(element));
        }
    }
    return values;
}

/// FNV-1a over the little-endian bytes, -0.0 taken as 0.0, as the fixtures' list was made.
std::string fnv1a(const std::vector<float>& values) {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const float value : values) {
        const auto bits = std::bit_cast<std::uint32_t>(value == 0.0F ? 0.0F : value);
        for (unsigned shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ ((bits >> shift) & 0xFFU)) * 0x100000001B3ULL;
        }
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

std::unique_ptr<GgufCheckpoint> checkpointOf(const GgufBuilder& builder) {
    return std::make_unique<GgufCheckpoint>(
        "m.gguf", GgufFile::parse(test::storageOf(builder.bytes()), "m.gguf"));
}

} // namespace

class GgufCheckpointTest : public QObject {
    Q_OBJECT
private slots:
    void fixturesDequantizeToTheBit_data() {
        QTest::addColumn<QString>("name");
        for (const char* name : {"lm-little-f16", "lm-little-q8_0", "qwen2-f16"}) {
            QTest::newRow(name) << name;
        }
    }
    void fixturesDequantizeToTheBit() {
        QFETCH(QString, name);
        const auto folder = test::fixture("gguf");
        const Json all =
            parseJson(readTextFile(folder / "dequantized.json", 10'000'000), "dequantized.json");
        const Json& expected = all.at(name.toStdString());
        const GgufFile file = GgufFile::open(folder / (name.toStdString() + ".gguf"));
        QCOMPARE(file.entries().size(), expected.size());
        for (const auto& [tensorName, entry] : file.entries()) {
            const Json& want = expected.at(tensorName);
            QCOMPARE(std::string(entry.type->name), want.at("type").get<std::string>());
            const auto extents = entry.shape.extents();
            QCOMPARE(
                std::vector<std::int64_t>(extents.begin(), extents.end()),
                want.at("shape").get<std::vector<std::int64_t>>());
            QCOMPARE(
                fnv1a(floatsOf(file.tensor(tensorName))), want.at("fnv1a64").get<std::string>());
        }
    }

    /// Single blocks as llama.cpp's quantizer wrote them; the hashes are of what an independent
    /// reading of them gives, which agrees with llama.cpp's own on all tensors they are from.
    void blocksOfLlamaCppDequantizeToTheBit_data() {
        QTest::addColumn<unsigned>("type");
        QTest::addColumn<QByteArray>("hash");
        QTest::addColumn<QByteArray>("block");
        const auto add = [](unsigned type, const char* hash, const char* block) {
            QTest::newRow(findGgufType(type)->name.data())
                << type << QByteArray(hash) << QByteArray::fromHex(block);
        };
        add(2, "3dc3545eb7fd8737", "7929b86234bbd59c88f97a962dcc9b9a0684");
        add(3, "dcb709b6bc10fd1b", "42282fb4758777e995695ab98785ab666950bf65");
        add(6, "c92cdd15b7a75a7a", "2f24e8549a47eb0deec239d3b4730e1a47ddc3a06fda");
        add(7, "523f76b78593c7d7", "1f242fb4e8549a47eb0deec239d3b4730e1a47ddc3a06fda");
        add(12, "27b90b606efefbd8",
            "4b11d81cb7f9efeeb6f8ade46efff7d885e09ba8089a875bb2df397c77a67a48715585c3"
            "b8a747285649c948a392f5ad65a58c5c9cc4053f664a527716f020965c5b8158389e1834"
            "2699e8d9369a6db9a97c9577ce97464777646382aa737789829585635a987666e988b447"
            "008560a37838965654bcc5d876b5659477b558970821a0aea5a7ac72513177a545aa36f8");
        add(13, "e42491a0e5dbe2c3",
            "8e19522abfefb3ec76acade6f5f0bcf9b999975bada92ef0ffbf0faea174f2f5c4c63abd"
            "fed8d0f4dbe4c7bdb6d0b8f2e1d126169a88ffdb11093578e30b75b52ad62f1e8bd6c7df"
            "0f50c06067b8cf2d5a7eb2def34e711b0501657ec086f4d2cee38914704c523c1e89e215"
            "4b4faf0d7ea069dd38350b2779d89211aa1f7df7a07d1bb5f1fd212d00b7ec6b35925919"
            "edfe6ff57fb09716405caecb7f048f2179539b3f9b0984f24636ab1b5cc69524");
        add(14, "10acb80289b62ece",
            "888ef2eddba592105630391d32b6b55ca1c6c6acb5019104487ad9564b27448c1b117824"
            "4faa3caaef4622b20013d16c11298c3bbe541d96ea4e1d5cb44810b66659151be10e817c"
            "3d778dcea15b5cb49d6b9c0145faaf004f59c653500b11a051c2d62220d6660470f9aaad"
            "7cf520aa13a6828b77778dc93ee4d0701163c9dba66345854d25e6896390bd68ea36b969"
            "888975909246dabea95a121aa454811795d866e9e0052e1da92aaa66912ad9551839b985"
            "a79a85767e3a5da6609924d9749d72786d577b6a6bb1538054795282cf84");
    }
    void blocksOfLlamaCppDequantizeToTheBit() {
        QFETCH(unsigned, type);
        QFETCH(QByteArray, hash);
        QFETCH(QByteArray, block);
        GgufBuilder builder;
        const auto elements = static_cast<std::uint64_t>(findGgufType(type)->blockElements);
        builder.tensor("w", {elements}, type, 0);
        builder.data = block.toStdString();
        const GgufFile file = GgufFile::parse(test::storageOf(builder.bytes()), "m.gguf");
        QCOMPARE(fnv1a(floatsOf(file.tensor("w"))), hash.toStdString());
    }

    void storedSizesAreThoseOfTheFile() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.data = std::string(4 * 18 + 24, 'x'); // to the next multiple of 32
        builder.tensor("blk.0.attn_q.weight", {32, 4}, 2, 0);
        builder.floatsTensor("blk.0.attn_norm.weight", {8}, std::vector<float>(8));
        builder.floatsTensor("blk.0.ffn_up.weight", {8, 2}, std::vector<float>(16));
        builder.floatsTensor("blk.0.ffn_up.bias", {2}, {1, 2});
        builder.floatsTensor("output.weight", {8, 10}, std::vector<float>(80));
        const auto checkpoint = checkpointOf(builder);
        const std::string q = "model.layers.0.self_attn.q_proj.weight";
        QCOMPARE(checkpoint->storedBytes(q), std::int64_t{4 * 18});
        QCOMPARE(checkpoint->storedType(q), std::string("Q4_0"));
        QCOMPARE(checkpoint->tensor(q).bytes(), std::size_t{4 * 32 * 4});
        QCOMPARE(checkpoint->storedBytes("lm_head.weight"), std::int64_t{320});
        QCOMPARE(checkpoint->storedType("lm_head.weight"), std::string("F32"));
        QCOMPARE(storedBlockMatrixBytes(*checkpoint), std::int64_t{4 * 18 + 64});
        LATHE_VERIFY_THROWS(checkpoint->storedBytes("x"), FormatError, "no tensor 'x'");
        LATHE_VERIFY_THROWS(checkpoint->storedType("x"), FormatError, "no tensor 'x'");
    }

    void configEqualsTheSource() {
        compareConfig("lm-little-f16", test::bundledModel("lm-little"));
        compareConfig("lm-little-q8_0", test::bundledModel("lm-little"));
        compareConfig("qwen2-f16", test::fixture("qwen2"));
    }

    /// The F16 file holds the weights of the folder it was made from, rows put back in order.
    void f16WeightsEqualTheSource() {
        const auto gguf = openFixture("lm-little-f16");
        const auto folder = Checkpoint::open(test::bundledModel("lm-little"));
        QCOMPARE(gguf->entries().size(), folder->entries().size());
        for (const auto& [name, entry] : folder->entries()) {
            QVERIFY2(gguf->contains(name), name.c_str());
            const std::vector<float> a = floatsOf(gguf->tensor(name));
            const std::vector<float> b = floatsOf(folder->tensor(name));
            QVERIFY2(a == b, name.c_str());
        }
    }
    void q8WeightsAreNearTheSource() {
        const auto gguf = openFixture("lm-little-q8_0");
        const auto folder = Checkpoint::open(test::bundledModel("lm-little"));
        for (const auto& [name, entry] : gguf->entries()) {
            const std::vector<float> a = floatsOf(gguf->tensor(name));
            const std::vector<float> b = floatsOf(folder->tensor(name));
            double difference = 0;
            double size = 0;
            for (std::size_t i = 0; i < a.size(); ++i) {
                const double gap = static_cast<double>(a[i]) - static_cast<double>(b[i]);
                difference += gap * gap;
                size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
            }
            // The fixture's README measures 0.0055; rows in another order would give over 1.
            QVERIFY2(std::sqrt(difference / size) < 0.01, name.c_str());
        }
    }
    void vocabularyEqualsTheSource() {
        const auto gguf = openFixture("lm-little-f16")->tokenizer();
        const auto folder = Checkpoint::open(test::bundledModel("lm-little"))->tokenizer();
        QCOMPARE(gguf->fingerprint(), folder->fingerprint());
        const std::string text = "The ship was old; 3 captains knew it.\nÄ \xF0\x9F\x9A\xA2";
        QCOMPARE(gguf->encode(text), folder->encode(text));
        QCOMPARE(gguf->decode(gguf->encode(text)), text);
        QCOMPARE(*gguf->bos(), 1);
        QCOMPARE(*gguf->eos(), 2);
    }

    void rowsOfQueryAndKeyArePutBack() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.u32("llama.attention.head_count_kv", 1);
        builder.floatsTensor("blk.0.attn_q.weight", {1, 8}, {0, 1, 2, 3, 4, 5, 6, 7});
        builder.floatsTensor("blk.0.attn_k.weight", {1, 4}, {0, 1, 2, 3});
        builder.floatsTensor("blk.0.attn_v.weight", {1, 4}, {0, 1, 2, 3});
        builder.floatsTensor("blk.0.attn_q.bias", {8}, {0, 1, 2, 3, 4, 5, 6, 7});
        const auto checkpoint = checkpointOf(builder);
        const std::string attention = "model.layers.0.self_attn.";
        const std::vector<float> q{0, 2, 1, 3, 4, 6, 5, 7};
        QCOMPARE(floatsOf(checkpoint->tensor(attention + "q_proj.weight")), q);
        QCOMPARE(floatsOf(checkpoint->tensor(attention + "q_proj.bias")), q);
        const std::vector<float> k{0, 2, 1, 3};
        QCOMPARE(floatsOf(checkpoint->tensor(attention + "k_proj.weight")), k);
        const std::vector<float> v{0, 1, 2, 3};
        QCOMPARE(floatsOf(checkpoint->tensor(attention + "v_proj.weight")), v);
    }
    void rowsThatAreNoHeadsAreRefused() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.floatsTensor("blk.0.attn_q.weight", {1, 6}, {0, 1, 2, 3, 4, 5});
        LATHE_VERIFY_THROWS(checkpointOf(builder), FormatError, "no pairs of 2 heads");
    }
    void namesAreTranslated() {
        GgufBuilder builder = GgufBuilder::llama();
        for (const char* name :
             {"token_embd.weight", "output_norm.weight", "output.weight", "blk.11.ffn_down.weight",
              "blk.0.attn_norm.weight", "odd.weight", "blk.0.odd.weight", "plain"}) {
            builder.floatsTensor(name, {2}, {1, 2});
        }
        builder.floatsTensor("rope_freqs.weight", {2}, {1, 1});
        std::vector<std::string> names;
        const auto checkpoint = checkpointOf(builder);
        for (const auto& [name, entry] : checkpoint->entries()) {
            names.push_back(name);
        }
        const std::vector<std::string> expected{
            "blk.0.odd.weight",
            "lm_head.weight",
            "model.embed_tokens.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.11.mlp.down_proj.weight",
            "model.norm.weight",
            "odd.weight",
            "plain"};
        QCOMPARE(names, expected);
    }
    void twoNamesForOneTensorAreRefused() {
        GgufBuilder builder = GgufBuilder::llama();
        builder.floatsTensor("output.weight", {2}, {1, 2});
        builder.floatsTensor("lm_head.weight", {2}, {1, 2});
        LATHE_VERIFY_THROWS(checkpointOf(builder), FormatError, "stand for 'lm_head.weight'");
    }

private:
    static std::unique_ptr<Checkpoint> openFixture(const std::string& name) {
        return Checkpoint::open(test::fixture("gguf") / (name + ".gguf"));
    }
    static void compareConfig(const std::string& name, const std::filesystem::path& source) {
        const auto gguf = openFixture(name);
        QCOMPARE(gguf->container(), std::string("gguf"));
        const Json made = gguf->config();
        const Json given = Checkpoint::open(source)->config();
        for (const char* key :
             {"model_type", "hidden_size", "intermediate_size", "num_hidden_layers",
              "num_attention_heads", "num_key_value_heads", "max_position_embeddings", "vocab_size",
              "tie_word_embeddings", "hidden_act"}) {
            QVERIFY2(made.at(key) == given.at(key), (name + ": " + key).c_str());
        }
        QCOMPARE(
            static_cast<float>(numberOrNan(made, "rms_norm_eps")),
            static_cast<float>(numberOrNan(given, "rms_norm_eps")));
    }
};

LATHE_TEST(GgufCheckpointTest);

} // namespace lathe

#include "gguf_checkpoint_test.moc"
