// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "tests/engine/io/file_bytes.h"
#include "tests/engine/text/golden_texts.h"

namespace lathe {

namespace fs = std::filesystem;

class LoadTokenizerTest : public QObject {
    Q_OBJECT
private slots:
    void folderWithoutVocabularyHasNone() {
        const test::TemporaryFolder folder;
        QVERIFY(loadTokenizer(folder.path()) == nullptr);
        test::writeFile(folder.path() / "vocab.json", "{}"); // merges.txt is missing
        QVERIFY(loadTokenizer(folder.path()) == nullptr);
    }
    void marksComeFromTheFilesBeside() {
        const test::TemporaryFolder folder;
        copy("tiny-gpt2", folder.path());
        test::writeFile(
            folder.path() / "tokenizer_config.json", R"({"eos_token": {"content": "<|end|>"}})");
        test::writeFile(folder.path() / "config.json", R"({"bos_token_id": [577, 2]})");
        const auto tokenizer = loadTokenizer(folder.path());
        QCOMPARE(tokenizer->piece(tokenizer->eos().value()), std::string("<|end|>"));
        QCOMPARE(tokenizer->bos(), std::optional<TokenId>(577));
    }
    void oddMarksAreNoMarks() {
        const test::TemporaryFolder folder;
        copy("tiny-gpt2", folder.path());
        test::writeFile(
            folder.path() / "tokenizer_config.json", R"({"eos_token": 7, "bos_token": "absent"})");
        test::writeFile(
            folder.path() / "config.json",
            R"({"bos_token_id": 18446744073709551615, "eos_token_id": []})");
        const auto tokenizer = loadTokenizer(folder.path());
        QCOMPARE(tokenizer->bos(), std::nullopt);
        QCOMPARE(tokenizer->eos(), std::nullopt);
    }
    /// A tokenizer.json made from a SentencePiece model says the same less exactly.
    void sentencePieceModelGoesBeforeItsCopy() {
        const test::TemporaryFolder folder;
        fs::copy_file(
            test::bundledModel("lm-little") / "tokenizer.model", folder.path() / "tokenizer.model");
        test::writeFile(
            folder.path() / "tokenizer.json",
            R"({"model": {"type": "BPE", "byte_fallback": true}})");
        QVERIFY(loadTokenizer(folder.path()) != nullptr);
        fs::remove(folder.path() / "tokenizer.model");
        LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), Unsupported, "byte_fallback");
    }
    void damagedFilesAreNamed() {
        const test::TemporaryFolder folder;
        test::writeFile(folder.path() / "tokenizer.json", "{");
        LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), FormatError, "tokenizer.json");
        test::writeFile(folder.path() / "tokenizer.json", std::string(100'000, '['));
        LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), FormatError, "nested deeper");
        fs::remove(folder.path() / "tokenizer.json");
        copy("tiny-gpt2", folder.path());
        test::writeFile(folder.path() / "tokenizer_config.json", "[]");
        LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), FormatError, "tokenizer_config.json");
        fs::remove(folder.path() / "tokenizer.json");
        fs::create_directory(folder.path() / "tokenizer.json");
        LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), InputError, "is a folder");
    }

private:
    static void copy(const std::string& name, const fs::path& to) {
        fs::copy_file(test::tokenizerFolder(name) / "tokenizer.json", to / "tokenizer.json");
    }
};

LATHE_TEST(LoadTokenizerTest);

} // namespace lathe

#include "load_tokenizer_test.moc"
