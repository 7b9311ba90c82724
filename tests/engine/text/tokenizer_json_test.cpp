// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/tokenizer_json.h"
#include "tests/engine/text/golden_texts.h"

#include <functional>

namespace lathe {

namespace {

Json tinyJson() {
    const auto path = test::tokenizerFolder("tiny-gpt2") / "tokenizer.json";
    return parseJson(readTextFile(path, std::size_t{1} << 20U), "tokenizer.json");
}

/// Reads the tiny vocabulary after a change to it.
std::shared_ptr<const Tokenizer> changed(const std::function<void(Json&)>& change) {
    Json json = tinyJson();
    change(json);
    return makeTokenizerFromJson(json, {});
}

/// ... after one value of it has been replaced; both are texts of a test's row.
std::shared_ptr<const Tokenizer> changedAt(const QString& path, const QString& value) {
    return changed([&](Json& json) {
        json[Json::json_pointer(path.toStdString())] = Json::parse(value.toStdString());
    });
}

Json sequence(const char* key, std::initializer_list<Json> steps) {
    Json list = Json::array();
    for (const Json& step : steps) {
        list.push_back(step);
    }
    return {{"type", "Sequence"}, {key, list}};
}

const Json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}};

using Ids = std::vector<TokenId>;

} // namespace

class TokenizerJsonTest : public QObject {
    Q_OBJECT
private slots:
    void idsAreThoseOfTheReference_data() {
        QTest::addColumn<QString>("name");
        QTest::newRow("GPT-2") << "tiny-gpt2";
        QTest::newRow("LLaMA-3") << "tiny-llama3";
        QTest::newRow("Qwen2") << "tiny-qwen2";
    }
    void idsAreThoseOfTheReference() {
        QFETCH(const QString, name);
        const auto tokenizer = loadTokenizer(test::tokenizerFolder(name.toStdString()));
        const auto golden = test::goldenTexts(name.toStdString());
        QVERIFY(golden.size() > 15);
        for (const auto& [text, ids] : golden) {
            QVERIFY2(tokenizer->encode(text) == ids, text.c_str());
            if (name != "tiny-qwen2") { // which composes characters first
                QCOMPARE(tokenizer->decode(ids), text);
            }
        }
    }
    void vocabAndMergesGiveTheSameIds() {
        const auto tokenizer = loadTokenizer(test::tokenizerFolder("tiny-gpt2-merges"));
        for (const auto& [text, ids] : test::goldenTexts("tiny-gpt2")) {
            if (text.find("<tool>") == std::string::npos) {
                QVERIFY2(tokenizer->encode(text) == ids, text.c_str());
                QCOMPARE(tokenizer->decode(ids), text);
            }
        }
    }
    void marksAreFoundByName() {
        SpecialPieces special;
        special.bosPiece = "<|pad|>";
        special.eos = 3;
        special.addBos = true;
        const auto tokenizer = makeTokenizerFromJson(tinyJson(), special);
        QCOMPARE(tokenizer->piece(tokenizer->bos().value()), std::string("<|pad|>"));
        QCOMPARE(tokenizer->eos(), std::optional<TokenId>(3));
        special.eos = 1'000'000;
        QCOMPARE(makeTokenizerFromJson(tinyJson(), special)->eos(), std::nullopt);
        // Special tokens are marks: never found in text, never printed.
        QVERIFY(tokenizer->encode("<|pad|>").size() > 1);
        QCOMPARE(tokenizer->decode(Ids{*tokenizer->bos()}), std::string());
    }
    void mergesMayBePairs() {
        const auto tokenizer = changed([](Json& json) {
            for (Json& merge : json["model"]["merges"]) {
                const auto text = merge.get<std::string>();
                const std::size_t space = text.find(' ');
                merge = Json::array({text.substr(0, space), text.substr(space + 1)});
            }
        });
        const auto golden = test::goldenTexts("tiny-gpt2");
        QCOMPARE(tokenizer->encode(golden[2].text), golden[2].ids);
    }
    void prefixSpaceAndDigitsAreRead() {
        const auto prefixed =
            changed([](Json& json) { json["pre_tokenizer"]["add_prefix_space"] = true; });
        QCOMPARE(prefixed->encode("The"), prefixed->encode(" The"));
        const auto digits = changed([](Json& json) {
            json["pre_tokenizer"] = sequence(
                "pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, kByteLevel});
        });
        QCOMPARE(digits->encode("2024").size(), 4U);
        const auto split = changed([](Json& json) {
            json["pre_tokenizer"] = sequence(
                "pretokenizers", {{{"type", "Split"},
                                   {"pattern", {{"String", "(*"}}},
                                   {"behavior", "Removed"},
                                   {"invert", false}},
                                  kByteLevel});
        });
        QCOMPARE(split->decode(split->encode("a(*b")), std::string("ab"));
    }

    void variantsAreRefusedByName_data() {
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* path, const char* value, const char* part) {
            QTest::addRow("%s %s", path, value) << path << value << part;
        };
        row("/model/type", R"("WordPiece")", "model type 'WordPiece'");
        row("/model/type", R"("Unigram")", "model type 'Unigram'");
        row("/model/byte_fallback", "true", "'BPE' with byte_fallback");
        row("/model/dropout", "0.1", "dropout");
        row("/model/continuing_subword_prefix", "\"##\"", "continuing_subword_prefix");
        row("/model/end_of_word_suffix", "\"</w>\"", "end_of_word_suffix");
        row("/normalizer", R"({"type": "Lowercase"})", "normalizer 'Lowercase'");
        row("/normalizer",
            R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFD"}]})",
            "more than one normalizer");
        row("/pre_tokenizer", R"({"type": "Metaspace"})", "pre-tokenizer 'Metaspace'");
        row("/pre_tokenizer", "null", "without a ByteLevel");
        row("/pre_tokenizer",
            R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]})",
            "'Digits' behind ByteLevel");
        row("/pre_tokenizer",
            R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "MergedWithNext"})",
            "'MergedWithNext'");
        row("/added_tokens/2/lstrip", "true", "asks for lstrip");
    }
    void variantsAreRefusedByName() {
        QFETCH(const QString, path);
        QFETCH(const QString, value);
        QFETCH(const QString, part);
        LATHE_VERIFY_THROWS(changedAt(path, value), Unsupported, part.toStdString());
    }

    void damageIsNamed_data() {
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* path, const char* value, const char* part) {
            QTest::addRow("%s %s", path, value) << path << value << part;
        };
        row("", "[]", "has no model");
        row("", "7", "has no model");
        row("/model", "3", "has no model");
        row("/model/vocab", "[]", "not an object with pieces");
        row("/model/vocab", "{}", "not an object with pieces");
        row("/model/vocab/a", "-1", "piece 'a' has the id -1");
        row("/model/vocab/a", "1.5", "piece 'a' has the id 1.5");
        row("/model/vocab/a", "4294967296", "piece 'a' has the id 4294967296");
        row("/model/vocab/a", "98", "have the same id 98");
        row("/model/merges", "{}", "merges is not a list");
        row("/model/merges/0", R"("ab")", "merge 'ab' is no pair");
        row("/model/merges/0", R"("a b c")", "merge 'a b c' is no pair");
        row("/model/merges/0", R"("a ")", "merge 'a ' is no pair");
        row("/model/merges/0", R"(["a"])", "is no pair of pieces");
        row("/model/merges/0", R"("\u0000 b")", R"(merge of '\x00' and 'b' needs '\x00b', which)");
        row("/added_tokens", "{}", "added_tokens is not a list");
        row("/added_tokens/0", "{}", "lacks id or content");
        row("/added_tokens/0/id", "99999999", "has the id 99999999");
        row("/pre_tokenizer", R"({"type": "Split"})", "a Split has no pattern");
        row("/pre_tokenizer", R"({"type": "Sequence"})", "Sequence has no pretokenizers");
        row("/pre_tokenizer", R"({"kind": 1})", "pre-tokenizer has no type");
        row("/pre_tokenizer",
            "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, "
            "\"behavior\": \"Isolated\"}",
            "regular expression is wrong");
        row("/normalizer", R"("NFC")", "normalizer has no type");
    }
    void damageIsNamed() {
        QFETCH(const QString, path);
        QFETCH(const QString, value);
        QFETCH(const QString, part);
        LATHE_VERIFY_THROWS(changedAt(path, value), FormatError, part.toStdString());
    }
    void mergesTextIsChecked() {
        const Json vocab = parseJson(R"({"a": 0, "b": 1, "ab": 2})", "vocab.json");
        const auto tokenizer = makeTokenizerFromMerges(vocab, "#version: 0.2\r\na b\r\n\r\n", {});
        QCOMPARE(tokenizer->encode("ab"), Ids{2});
        LATHE_VERIFY_THROWS(
            makeTokenizerFromMerges(vocab, "a b\n#version: 0.2 x", {}), FormatError,
            "merges.txt: the merge '#version: 0.2 x'");
        LATHE_VERIFY_THROWS(makeTokenizerFromMerges(Json(3), "", {}), FormatError, "vocab.json");
    }
};

LATHE_TEST(TokenizerJsonTest);

} // namespace lathe

#include "tokenizer_json_test.moc"
