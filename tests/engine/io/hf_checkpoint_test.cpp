// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/checkpoint.h"
#include "tests/engine/io/file_bytes.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

std::string oneTensor(const std::string& name, const std::string& type, const std::string& data) {
    Json header;
    header[name] = {{"dtype", type}, {"shape", {data.size()}}, {"data_offsets", {0, data.size()}}};
    return test::safetensorsBytes(dumpJson(header), data);
}

} // namespace

class HfCheckpointTest : public QObject {
    Q_OBJECT
private slots:
    void init() {
        std::filesystem::remove_all(folder());
        std::filesystem::create_directory(folder());
        test::writeFile(folder() / "config.json", R"({"model_type":"llama"})");
    }

    void opensOneFile() {
        test::writeFile(folder() / "model.safetensors", oneTensor("a", "U8", "xyz"));
        const auto checkpoint = Checkpoint::open(folder());
        QCOMPARE(checkpoint->container(), std::string("safetensors"));
        QCOMPARE(checkpoint->config().at("model_type").get<std::string>(), std::string("llama"));
        QCOMPARE(checkpoint->entries().at("a").shape.text(), std::string("[3]"));
        QCOMPARE(checkpoint->tensor("a").view().as<std::uint8_t>()[2], std::uint8_t{'z'});
        QVERIFY(checkpoint->tokenizer() == nullptr);
        QVERIFY(checkpoint->contains("a"));
        QCOMPARE(
            checkpoint->fileBytes(),
            static_cast<std::int64_t>(std::filesystem::file_size(folder() / "model.safetensors")));
        LATHE_VERIFY_THROWS(checkpoint->tensor("b"), FormatError, "no tensor 'b'");
    }

    void opensShards() {
        writeShards(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
        const auto checkpoint = Checkpoint::open(folder());
        QCOMPARE(checkpoint->entries().size(), 2U);
        QCOMPARE(checkpoint->tensor("b").view().as<std::uint8_t>()[0], std::uint8_t{'2'});
    }

    void storedSizesAreThoseOfTheFile() {
        const auto tensor = [](const char* type, const Json& shape, int from, int to) {
            return Json{{"dtype", type}, {"shape", shape}, {"data_offsets", {from, to}}};
        };
        const std::string up = "model.layers.0.mlp.up_proj";
        Json header;
        header[up + ".packed"] = tensor("I32", {2, 1}, 0, 8);
        header[up + ".table"] = tensor("F16", {2, 4}, 8, 24);
        header[up + ".bias"] = tensor("F16", {2}, 24, 28);
        header["model.layers.0.input_layernorm.weight"] = tensor("F16", {2}, 28, 32);
        header["model.embed_tokens.weight"] = tensor("BF16", {3, 2}, 32, 44);
        test::writeFile(
            folder() / "model.safetensors",
            test::safetensorsBytes(dumpJson(header), std::string(44, 'x')));
        const auto checkpoint = Checkpoint::open(folder());
        QCOMPARE(checkpoint->storedBytes(up + ".table"), std::int64_t{16});
        QCOMPARE(checkpoint->storedType(up + ".table"), std::string("F16"));
        QCOMPARE(checkpoint->storedBytes("model.embed_tokens.weight"), std::int64_t{12});
        QCOMPARE(checkpoint->storedType("model.embed_tokens.weight"), std::string("BF16"));
        QCOMPARE(storedBlockMatrixBytes(*checkpoint), std::int64_t{8 + 16});
        LATHE_VERIFY_THROWS(checkpoint->storedBytes("x"), FormatError, "no tensor 'x'");
        LATHE_VERIFY_THROWS(checkpoint->storedType("x"), FormatError, "no tensor 'x'");
    }

    void brokenIndexIsNamed_data() {
        QTest::addColumn<QString>("index");
        QTest::addColumn<QString>("part");
        QTest::newRow("no map") << R"({"metadata":{}})"
                                << "has no weight_map";
        QTest::newRow("not text") << R"({"weight_map":{"a":1}})"
                                  << "'a' is not a name";
        QTest::newRow("escape")
            << R"({"weight_map":{"a":"../1.safetensors"}})"
            << "tensor 'a' must be a plain file name beside the index, not '../1.safetensors'";
        QTest::newRow("absolute") << R"({"weight_map":{"a":"/etc/passwd"}})"
                                  << "plain file name";
        QTest::newRow("dots") << R"({"weight_map":{"a":".."}})"
                              << "plain file name";
        QTest::newRow("zero") << R"({"weight_map":{"a":"1\u0000"}})"
                              << "plain file name";
        QTest::newRow("wrong shard")
            << R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})"
            << "tensor 'b' should be in 1.safetensors, but is not";
        QTest::newRow("JSON") << "{"
                              << "not valid JSON";
        QTest::newRow("list") << "[]"
                              << "not a JSON object";
    }
    void brokenIndexIsNamed() {
        QFETCH(QString, index);
        QFETCH(QString, part);
        writeShards(index.toStdString());
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), FormatError, part.toStdString());
    }

    void missingShardIsNamed() {
        writeShards(R"({"weight_map":{"a":"1.safetensors","b":"3.safetensors"}})");
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), InputError, "'3.safetensors' is missing");
    }
    void doubledTensorIsRefused() {
        writeShards(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
        test::writeFile(folder() / "2.safetensors", oneTensor("a", "U8", "2"));
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), FormatError, "is also in 1.safetensors");
    }

    void whatIsNoModelIsRefused() {
        LATHE_VERIFY_THROWS(
            Checkpoint::open(folder() / "none"), InputError, "no such file or folder");
        LATHE_VERIFY_THROWS(
            Checkpoint::open(folder() / "config.json"), InputError, "neither a model folder");
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), InputError, "holds neither");
        test::writeFile(folder() / "pytorch_model.bin", "x");
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), Unsupported, "convert it to safetensors");
        std::filesystem::remove(folder() / "config.json");
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), InputError, "holds no config.json");
    }
    void brokenConfigIsNamed() {
        test::writeFile(folder() / "config.json", "[1]");
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), FormatError, "config.json");
        test::writeFile(folder() / "config.json", std::string(100000, '['));
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), FormatError, "nested deeper");
    }
    void unknownElementTypeIsNamed() {
        test::writeFile(folder() / "model.safetensors", oneTensor("w", "F8_E5M2", "xyz"));
        LATHE_VERIFY_THROWS(Checkpoint::open(folder()), Unsupported, "'w' is stored as F8_E5M2");
    }

    void fixturesOpen() {
        for (const char* name :
             {"llama-gqa-untied", "llama3-rope-scaling", "mistral-head-dim", "qwen2"}) {
            const auto checkpoint = Checkpoint::open(test::fixture(name));
            QVERIFY(checkpoint->contains("model.embed_tokens.weight"));
            for (const auto& [tensor, entry] : checkpoint->entries()) {
                QVERIFY(checkpoint->tensor(tensor).shape() == entry.shape);
            }
        }
    }

private:
    std::filesystem::path folder() const { return m_folder.path() / "model"; }
    void writeShards(const std::string& index) const {
        test::writeFile(folder() / "1.safetensors", oneTensor("a", "U8", "1"));
        test::writeFile(folder() / "2.safetensors", oneTensor("b", "U8", "2"));
        test::writeFile(folder() / "model.safetensors.index.json", index);
    }

    test::TemporaryFolder m_folder;
};

LATHE_TEST(HfCheckpointTest);

} // namespace lathe

#include "hf_checkpoint_test.moc"
