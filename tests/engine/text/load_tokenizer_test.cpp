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
            folder.path() / "tokenizer_config.json",
            R"({"eos_token": {"content": "<|end|>"}, "add_bos_token": true})");
        test::writeFile(folder.path() / "config.json", R"({"bos_token_id": [577, 2]})");
        const auto tokenizer = loadTokenizer(folder.path());
        QCOMPARE(tokenizer->piece(tokenizer->eos().value()), std::string("<|end|>"));
        QCOMPARE(tokenizer->bos(), std::optional<TokenId>(577));
    }
    void beginningMarkIsAddedWhereTheFolderSaysSo_data() {
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<QByteArray>("processor");
        QTest::addColumn<bool>("added");
        const QByteArray begins = R"({"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A"}}]})";
        const QByteArray ends = R"({"type": "TemplateProcessing", "single": [
            {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<|end|>", "type_id": 0}}]})";
        const QByteArray nested = R"({"type": "Sequence", "processors": [
            {"type": "ByteLevel"}, )" +
                                  begins + "]}";
        QTest::newRow("nothing said") << QByteArray("{}") << QByteArray("null") << false;
        QTest::newRow("asked for")
            << QByteArray(R"({"add_bos_token": true})") << QByteArray("null") << true;
        QTest::newRow("declined") << QByteArray(R"({"add_bos_token": false})") << begins << false;
        QTest::newRow("template") << QByteArray(R"({"add_bos_token": null})") << begins << true;
        QTest::newRow("LLaMA-3's") << QByteArray("{}") << nested << true;
        QTest::newRow("template of the end") << QByteArray("{}") << ends << false;
        QTest::newRow("class of LLaMA")
            << QByteArray(R"({"tokenizer_class": "LlamaTokenizerFast"})") << QByteArray("null")
            << true;
        QTest::newRow("class of Qwen") << QByteArray(R"({"tokenizer_class": "Qwen2Tokenizer"})")
                                       << QByteArray("null") << false;
        for (const char* odd :
             {"7", "{}", R"({"single": []})", R"({"single": [3]})",
              R"({"processors": [1, null, "x"]})",
              R"({"single": [{"SpecialToken": "<|end|>"}]})"}) {
            QTest::newRow(odd) << QByteArray("{}") << QByteArray(odd) << false;
        }
    }
    void beginningMarkIsAddedWhereTheFolderSaysSo() {
        QFETCH(const QByteArray, config);
        QFETCH(const QByteArray, processor);
        QFETCH(const bool, added);
        const test::TemporaryFolder folder;
        Json json = parseJson(
            readTextFile(
                test::tokenizerFolder("tiny-llama3") / "tokenizer.json", std::size_t{1} << 20U),
            "tokenizer.json");
        json["post_processor"] = parseJson(processor.toStdString(), "processor");
        test::writeFile(folder.path() / "tokenizer.json", json.dump());
        Json settings = parseJson(config.toStdString(), "config");
        settings["bos_token"] = "<|end|>";
        test::writeFile(folder.path() / "tokenizer_config.json", settings.dump());
        const auto tokenizer = loadTokenizer(folder.path());
        QCOMPARE(tokenizer->bos(), added ? std::optional<TokenId>(577) : std::nullopt);
        QCOMPARE(tokenizer->decode(std::vector<TokenId>{577}), std::string());
    }
    void sentencePieceAddsItUnlessDeclined() {
        const test::TemporaryFolder folder;
        fs::copy_file(
            test::bundledModel("lm-little") / "tokenizer.model", folder.path() / "tokenizer.model");
        QCOMPARE(loadTokenizer(folder.path())->bos(), std::optional<TokenId>(1));
        test::writeFile(folder.path() / "tokenizer_config.json", R"({"add_bos_token": false})");
        QCOMPARE(loadTokenizer(folder.path())->bos(), std::nullopt);
        QCOMPARE(loadTokenizer(folder.path())->eos(), std::optional<TokenId>(2));
    }
    void everyEndIsKnown() {
        const test::TemporaryFolder folder;
        copy("tiny-gpt2", folder.path());
        test::writeFile(folder.path() / "tokenizer_config.json", R"({"eos_token": "<|end|>"})");
        test::writeFile(folder.path() / "config.json", R"({"eos_token_id": [9, 600, 577]})");
        test::writeFile(
            folder.path() / "generation_config.json", R"({"eos_token_id": [9, 7, -1, "x", null]})");
        const std::vector<TokenId> expected{577, 7, 9, 600};
        QCOMPARE(loadTokenizer(folder.path())->ends(), expected);
        fs::remove(folder.path() / "tokenizer.json");
        fs::copy_file(
            test::bundledModel("lm-little") / "tokenizer.model", folder.path() / "tokenizer.model");
        QCOMPARE(loadTokenizer(folder.path())->ends(), (std::vector<TokenId>{2, 7, 9, 577, 600}));
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
    void mergesAreCutAsTheClassSays() {
        const test::TemporaryFolder folder;
        copyMerges(folder.path());
        const auto ids = [&](std::string_view text) {
            return loadTokenizer(folder.path())->encode(text);
        };
        const auto piecesOf = [&](const char* config) {
            test::writeFile(folder.path() / "tokenizer_config.json", config);
            const auto tokenizer = loadTokenizer(folder.path());
            std::string text;
            for (const TokenId id : tokenizer->encode("e\u0301 \n\n12")) {
                text += tokenizer->decode(std::span(&id, 1)) + "|";
            }
            return text;
        };
        const std::string gpt2 = piecesOf(R"({"tokenizer_class": "GPT2TokenizerFast"})");
        QCOMPARE(piecesOf("{}"), gpt2);
        // Qwen2 composes characters first.
        const std::string qwen2 = piecesOf(R"({"tokenizer_class": "Qwen2Tokenizer"})");
        QVERIFY(qwen2 != gpt2);
        QCOMPARE(ids("e\u0301"), ids("\u00E9"));
        test::writeFile(folder.path() / "config.json", R"({"model_type": "qwen2"})");
        QCOMPARE(piecesOf("{}"), qwen2);
        test::writeFile(
            folder.path() / "tokenizer_config.json",
            R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true})");
        QCOMPARE(ids("the"), ids(" the"));
        LATHE_VERIFY_THROWS(
            piecesOf(R"({"tokenizer_class": "RobertaTokenizer"})"), Unsupported,
            "class 'RobertaTokenizer'");
    }
    void addedTokensStandBesideMerges() {
        const test::TemporaryFolder folder;
        copyMerges(folder.path());
        test::writeFile(
            folder.path() / "added_tokens.json", R"({"<tool>": 600, "<mark>": 601, "<x>": 602})");
        test::writeFile(
            folder.path() / "tokenizer_config.json",
            R"({"additional_special_tokens": ["<mark>"], "eos_token": "<stop>",
                "added_tokens_decoder": {"602": {"content": "<x>", "special": true},
                                         "603": {"content": "<stop>", "special": true},
                                         "604": {"content": "<call>", "special": false}}})");
        const auto tokenizer = loadTokenizer(folder.path());
        QCOMPARE(tokenizer->size(), std::int64_t{605});
        QCOMPARE(tokenizer->encode("<tool><call>"), (std::vector<TokenId>{600, 604}));
        QCOMPARE(
            tokenizer->decode(std::vector<TokenId>{600, 601, 602, 603}), std::string("<tool>"));
        QCOMPARE(tokenizer->eos(), std::optional<TokenId>(603));
        for (const char* list :
             {R"({"x": {"content": "a"}})", R"({"600": 7})", R"({"99999999": {"content": "a"}})",
              R"({"-1": {}})"}) {
            test::writeFile(
                folder.path() / "tokenizer_config.json",
                R"({"added_tokens_decoder": )" + std::string(list) + "}");
            LATHE_VERIFY_THROWS(loadTokenizer(folder.path()), FormatError, "");
        }
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
    static void copyMerges(const fs::path& to) {
        for (const char* name : {"vocab.json", "merges.txt"}) {
            fs::copy_file(test::tokenizerFolder("tiny-gpt2-merges") / name, to / name);
        }
    }
    static void copy(const std::string& name, const fs::path& to) {
        fs::copy_file(test::tokenizerFolder(name) / "tokenizer.json", to / "tokenizer.json");
    }
};

LATHE_TEST(LoadTokenizerTest);

} // namespace lathe

#include "load_tokenizer_test.moc"
