// SPDX-License-Identifier: Apache-2.0
#include "engine/io/gguf.h"
#include "engine/io/mapped_file.h"
#include "engine/text/gguf_tokenizer.h"
#include "tests/support/lathe_test.h"

#include <cstdlib>
#include <sstream>

namespace lathe {

/// Two published vocabularies with texts and the ids that llama.cpp gives them. They are not part
/// of the sources: LATHE_VOCAB_DATA names the folder that holds them.
class VocabularyParityTest : public QObject {
    Q_OBJECT
private slots:
    void idsAreThePublishedOnes_data() {
        QTest::addColumn<QString>("name");
        QTest::newRow("SentencePiece") << "llama-spm.gguf";
        QTest::newRow("GPT-2") << "gpt-2.gguf";
    }
    void idsAreThePublishedOnes() {
        QFETCH(const QString, name);
        const char* folder = std::getenv("LATHE_VOCAB_DATA");
        if (folder == nullptr) {
            QSKIP("LATHE_VOCAB_DATA is not set: the published vocabularies are not at hand");
        }
        const std::string path = std::string(folder) + "/" + name.toStdString();
        const auto tokenizer = loadGgufTokenizer(GgufFile::open(path));
        QVERIFY(tokenizer != nullptr);
        const std::vector<std::string> texts = readTexts(path + ".inp");
        const std::vector<std::vector<TokenId>> expected = readIds(path + ".out");
        QVERIFY(texts.size() > 40);
        QCOMPARE(texts.size(), expected.size());
        for (std::size_t i = 0; i < texts.size(); ++i) {
            QVERIFY2(
                tokenizer->encode(texts[i]) == expected[i],
                ("text " + std::to_string(i) + ": '" + texts[i] + "'").c_str());
            QCOMPARE(tokenizer->decode(expected[i]), texts[i]);
        }
    }

private:
    static constexpr std::size_t kLimit = std::size_t{1} << 20U;

    /// Texts are separated by a line of their own.
    static std::vector<std::string> readTexts(const std::string& path) {
        const std::string all = readTextFile(path, kLimit);
        const std::string separator = "\n__ggml_vocab_test__\n";
        std::vector<std::string> texts;
        std::size_t start = 0;
        for (std::size_t end = 0; (end = all.find(separator, start)) != std::string::npos;) {
            texts.push_back(all.substr(start, end - start));
            start = end + separator.size();
        }
        if (start < all.size()) {
            texts.push_back(all.substr(start));
        }
        return texts;
    }
    static std::vector<std::vector<TokenId>> readIds(const std::string& path) {
        std::vector<std::vector<TokenId>> all;
        std::istringstream lines(readTextFile(path, kLimit));
        for (std::string line; std::getline(lines, line);) {
            std::istringstream numbers(line);
            std::vector<TokenId>& ids = all.emplace_back();
            for (TokenId id = 0; numbers >> id;) {
                ids.push_back(id);
            }
        }
        return all;
    }
};

LATHE_TEST(VocabularyParityTest);

} // namespace lathe

#include "vocabulary_parity_test.moc"
