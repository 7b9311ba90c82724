// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/cli/command_line.h"

#include <fstream>

namespace lathe {

/// Model files that are cut, too large or not what they say: one message with tensor and numbers.
class CliDamagedModelTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
    void aTruncatedFile();
    void aTruncatedShard();
    void aMissingShard();
    void aTruncatedGguf();
    void aHeaderBeyondTheFile();
    void aConfigOfAnotherModel();
    void anAbsurdConfig();
    void aModelTooLargeForTheMachine();
    void anUnknownArchitecture();
    void noModelAtAll();

private:
    std::filesystem::path copyOf(const std::filesystem::path& original) const {
        const auto target = m_folder->path() / original.filename();
        std::filesystem::copy(original, target, std::filesystem::copy_options::recursive);
        return target;
    }
    std::filesystem::path little() const { return copyOf(test::bundledModel("lm-little")); }
    /// Verifies that a load is refused with these parts in the one message.
    void refuses(const std::filesystem::path& model, const std::vector<std::string>& parts) const;

    test::CommandLine m_cli;
    std::unique_ptr<test::TemporaryFolder> m_folder;
};

namespace {

void changeConfig(const std::filesystem::path& folder, const Json& changes) {
    const auto path = folder / "config.json";
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    file.close();
    Json config = parseJson(text, "config.json");
    config.update(changes);
    std::ofstream(path) << dumpJson(config);
}

} // namespace

void CliDamagedModelTest::refuses(
    const std::filesystem::path& model, const std::vector<std::string>& parts) const {
    for (const std::vector<std::string>& study :
         {std::vector<std::string>{"lm.generate", "--prompt", "x"},
          {"quant.sweep", "--max-windows", "1"}}) {
        std::vector<std::string> call = study;
        call.insert(call.end(), {"--model", model.string()});
        const test::Outcome outcome = m_cli.json(call);
        QCOMPARE(outcome.status, 2);
        const std::string message = outcome.message();
        QVERIFY2(!message.empty(), outcome.err.c_str());
        for (const std::string& part : parts) {
            QVERIFY2(message.find(part) != std::string::npos, (part + " in " + message).c_str());
        }
        const std::vector<Json> lines = outcome.lines();
        QVERIFY(!lines.empty());
        for (const Json& line : lines) {
            QCOMPARE(line.at("error").get<std::string>(), message);
        }
    }
}

void CliDamagedModelTest::aTruncatedFile() {
    const auto folder = little();
    std::filesystem::resize_file(folder / "model.safetensors", 1'000'000);
    refuses(
        folder, {"model.safetensors: tensor 'model.embed_tokens.weight' claims bytes 0..1048576",
                 "holds only 997864", "truncated"});
}

void CliDamagedModelTest::aTruncatedShard() {
    const auto folder = copyOf(test::fixture("qwen2"));
    std::filesystem::resize_file(folder / "model-00003-of-00004.safetensors", 100'000);
    refuses(folder, {"model-00003-of-00004.safetensors", "tensor 'model.layers.", "truncated"});
}

void CliDamagedModelTest::aMissingShard() {
    const auto folder = copyOf(test::fixture("qwen2"));
    std::filesystem::remove(folder / "model-00003-of-00004.safetensors");
    refuses(folder, {"model-00003-of-00004.safetensors"});
}

void CliDamagedModelTest::aTruncatedGguf() {
    const auto file = copyOf(test::fixture("gguf") / "lm-little-f16.gguf");
    std::filesystem::resize_file(file, 1'000'000);
    refuses(file, {"lm-little-f16.gguf: tensor 'token_embd.weight' claims 1048576 bytes", "only "});
}

void CliDamagedModelTest::aHeaderBeyondTheFile() {
    const auto folder = little();
    std::fstream file(
        folder / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
    file.write("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 8);
    file.close();
    refuses(folder, {"model.safetensors", "9223372036854775807"});
}

void CliDamagedModelTest::aConfigOfAnotherModel() {
    const auto folder = little();
    changeConfig(folder, {{"intermediate_size", 353}});
    refuses(
        folder, {"6 faults", "tensor 'model.layers.0.mlp.gate_proj.weight' is [352, 128], "
                             "config.json implies [353, 128]"});
}

void CliDamagedModelTest::anAbsurdConfig() {
    const auto folder = little();
    changeConfig(folder, {{"vocab_size", 4611686018427387904}});
    refuses(folder, {"'vocab_size' is 4611686018427387904", "from 1 to 16777216"});
}

void CliDamagedModelTest::aModelTooLargeForTheMachine() {
    const auto folder = little();
    changeConfig(
        folder, {{"num_hidden_layers", 1024},
                 {"num_attention_heads", 1024},
                 {"num_key_value_heads", 1024},
                 {"head_dim", 1024}});
    refuses(
        folder, {"lm-little needs about 8796.09 GB", "are free on cpu", "choose a smaller model"});
}

void CliDamagedModelTest::anUnknownArchitecture() {
    const auto folder = little();
    changeConfig(folder, {{"model_type", "mamba"}});
    refuses(folder, {"the model type 'mamba' is not known; known are llama, mistral, qwen2"});
}

void CliDamagedModelTest::noModelAtAll() {
    const auto folder = m_folder->path() / "empty";
    std::filesystem::create_directory(folder);
    refuses(folder, {"empty", "no config.json"});
    const auto file = m_folder->path() / "notes.gguf";
    std::ofstream(file) << "these are notes";
    refuses(file, {"notes.gguf"});
}

LATHE_TEST(CliDamagedModelTest);

} // namespace lathe

#include "damaged_model_test.moc"
