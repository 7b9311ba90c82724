// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/parallel_text.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <fstream>
#include <set>

namespace lathe {

class ParallelTextTest : public QObject {
    Q_OBJECT
private slots:
    void plainFiles();
    void columnsAndObjects();
    void sourcesAlone();
    void badFilesAreRefused_data();
    void badFilesAreRefused();
    void lineCountsHaveToAgree();
    void longSentencesAreRefused();
    void captionsAreBundled();

private:
    std::filesystem::path write(const std::string& name, const std::string& content) {
        const std::filesystem::path path = m_folder.path() / name;
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    test::TemporaryFolder m_folder;
};

void ParallelTextTest::plainFiles() {
    const ParallelText text = readParallelText(
        write(
            "a.de", "\xEF\xBB\xBF"
                    "Ein Hund.\r\nZwei K\xC3\xBChe.\r\n"),
        write("a.en", "A dog.\nTwo cows.")); // no line end behind the last one
    QCOMPARE(text.sources, (std::vector<std::string>{"Ein Hund.", "Zwei K\xC3\xBChe."}));
    QCOMPARE(text.references, (std::vector<std::string>{"A dog.", "Two cows."}));
    QVERIFY(text.hasReferences());
}

void ParallelTextTest::columnsAndObjects() {
    const std::vector<std::string> sources{"Ein Hund.", "Rot"};
    const std::vector<std::string> references{"A dog.", "Red"};
    const ParallelText columns = readParallelText(write("a.tsv", "Ein Hund.\tA dog.\nRot\tRed\n"));
    QCOMPARE(columns.sources, sources);
    QCOMPARE(columns.references, references);
    const ParallelText objects = readParallelText(write(
        "a.jsonl", "{\"src\": \"Ein Hund.\", \"tgt\": \"A dog.\"}\n"
                   "{\"tgt\": \"Red\", \"src\": \"Rot\", \"id\": 2}\n"));
    QCOMPARE(objects.sources, sources);
    QCOMPARE(objects.references, references);
}

void ParallelTextTest::sourcesAlone() {
    const ParallelText text = readParallelText(write("only.de", "Ein Hund.\nRot\n"));
    QCOMPARE(text.sources.size(), 2U);
    QVERIFY(!text.hasReferences());
}

void ParallelTextTest::badFilesAreRefused_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QByteArray>("content");
    QTest::addColumn<QString>("message");
    QTest::addRow("empty") << "a.de" << QByteArray() << "a.de: the file is empty";
    QTest::addRow("empty line") << "a.de" << QByteArray("x\n\ny\n") << "a.de, line 2: the sentence";
    QTest::addRow("blank line") << "a.de" << QByteArray("x\n \t\n") << "line 2: the sentence";
    QTest::addRow("not UTF-8") << "a.de"
                               << QByteArray("x\nK\xFC"
                                             "he\n")
                               << "line 2: bytes";
    QTest::addRow("one column") << "a.tsv" << QByteArray("x\ty\nz\n") << "line 2: two columns";
    QTest::addRow("three columns") << "a.tsv" << QByteArray("x\ty\tz\n") << "line 1: two columns";
    QTest::addRow("empty column") << "a.tsv" << QByteArray("x\t\n") << "line 1: the sentence";
    QTest::addRow("no JSON") << "a.jsonl" << QByteArray("{\n") << "a.jsonl, line 1";
    QTest::addRow("no object") << "a.jsonl" << QByteArray("[1]\n") << "'src' and 'tgt'";
    QTest::addRow("no target") << "a.jsonl" << QByteArray("{\"src\": \"x\"}\n") << "'src' and";
    QTest::addRow("number") << "a.jsonl" << QByteArray("{\"src\": 1, \"tgt\": \"x\"}") << "'src'";
    QTest::addRow("empty text") << "a.jsonl" << QByteArray("{\"src\": \"\", \"tgt\": \"x\"}")
                                << "is empty";
}

void ParallelTextTest::badFilesAreRefused() {
    QFETCH(QString, name);
    QFETCH(QByteArray, content);
    QFETCH(QString, message);
    const auto path = write(name.toStdString(), content.toStdString());
    LATHE_VERIFY_THROWS(readParallelText(path), Error, message.toStdString().c_str());
}

void ParallelTextTest::lineCountsHaveToAgree() {
    LATHE_VERIFY_THROWS(
        readParallelText(write("three.de", "a\nb\nc\n"), write("two.en", "a\nb\n")), InputError,
        "three.de has 3 lines, ");
    LATHE_VERIFY_THROWS(
        readParallelText(write("three.de", "a\nb\nc\n"), m_folder.path() / "none.en"), InputError,
        "none.en");
}

void ParallelTextTest::longSentencesAreRefused() {
    const std::string longest(kMaxSentenceBytes, 'a');
    QCOMPARE(readParallelText(write("l.de", longest)).sources.front().size(), kMaxSentenceBytes);
    LATHE_VERIFY_THROWS(
        readParallelText(write("l.de", "x\n" + longest + "a\n")), InputError,
        "line 2: the sentence has 16385 bytes");
}

void ParallelTextTest::captionsAreBundled() {
    const ParallelText captions = bundledCaptions();
    QVERIFY(captions.sources.size() >= 220);
    QCOMPARE(captions.references.size(), captions.sources.size());
    const std::set<std::string> different(captions.sources.begin(), captions.sources.end());
    QCOMPARE(different.size(), captions.sources.size());
    for (std::size_t i = 0; i < captions.sources.size(); ++i) {
        QVERIFY(captions.sources[i].ends_with('.') && captions.references[i].ends_with('.'));
        // Neither half is missing words: translations are about as long.
        const double ratio = static_cast<double>(captions.sources[i].size()) /
                             static_cast<double>(captions.references[i].size());
        QVERIFY2(ratio > 0.6 && ratio < 1.8, captions.references[i].c_str());
    }
}

LATHE_TEST(ParallelTextTest);

} // namespace lathe

#include "parallel_text_test.moc"
