// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/datasets.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <fstream>

namespace lathe {

class DatasetsTest : public QObject {
    Q_OBJECT
private slots:
    void cutsHeaderAndFooter();
    void worksWithoutMarkers();
    void joinsTheLinesOfAParagraph();
    void splitsAsPythonDoes();
    void dropsShortParagraphsByCodePoints();
    void knowsUnicodeWhiteSpace();
    void readsAnyLineEnd();
    void replacesWhatIsNoUtf8AndSaysSo();
    void refusesWhatCannotBeScored();
    void aBundledTextIsThere();
    void documentsOfJsonLines();
};

namespace {

std::filesystem::path write(const test::TemporaryFolder& folder, const std::string& content) {
    const std::filesystem::path path = folder.path() / "text.txt";
    std::ofstream(path, std::ios::binary) << content;
    return path;
}

} // namespace

void DatasetsTest::cutsHeaderAndFooter() {
    const std::string book = "\xEF\xBB\xBFTitle: A Kite\r\n\r\n"
                             "*** START OF THE PROJECT GUTENBERG EBOOK\r\nA KITE ***\r\n\r\n"
                             "The string ran out,\r\nand the kite went.\r\n\r\n"
                             "Nobody ran after it.\r\n\r\n"
                             "***END OF THIS PROJECT GUTENBERG EBOOK A KITE***\r\n\r\nLicence\r\n";
    QCOMPARE(
        cleanGutenberg(book),
        std::string("The string ran out, and the kite went.\nNobody ran after it."));
}

void DatasetsTest::worksWithoutMarkers() {
    QCOMPARE(
        cleanGutenberg("One line.\n\nAnother *** line."),
        std::string("One line.\nAnother *** line."));
    // A START that never closes its line is no header.
    QCOMPARE(
        cleanGutenberg("*** START OF THE PROJECT GUTENBERG EBOOK\n\nText."),
        std::string("*** START OF THE PROJECT GUTENBERG EBOOK\nText."));
}

void DatasetsTest::joinsTheLinesOfAParagraph() {
    QCOMPARE(cleanGutenberg("  a\tb \n  c  \n\n\n\n d e\n"), std::string("a b c\nd e"));
}

void DatasetsTest::splitsAsPythonDoes() {
    // "x\n\n\ny": the pieces are "x" and "\ny"; "x\n \ny" is one paragraph.
    QCOMPARE(cleanGutenberg("xx\n\n\nyy"), std::string("xx\nyy"));
    QCOMPARE(cleanGutenberg("xx\n \nyy"), std::string("xx yy"));
}

void DatasetsTest::dropsShortParagraphsByCodePoints() {
    // One code point of two bytes is too short, two are not.
    QCOMPARE(
        cleanGutenberg("\xC3\xA9\n\n\xC3\xA9\xC3\xA9\n\nI\n\nab"),
        std::string("\xC3\xA9\xC3\xA9\nab"));
}

void DatasetsTest::knowsUnicodeWhiteSpace() {
    // No-break space, ideographic space and a file separator collapse; a zero-width space does not.
    QCOMPARE(
        cleanGutenberg("a\xC2\xA0\xE3\x80\x80\x1C"
                       "b"),
        std::string("a b"));
    QCOMPARE(
        cleanGutenberg("a\xE2\x80\x8B"
                       "b"),
        std::string("a\xE2\x80\x8B"
                    "b"));
}

void DatasetsTest::readsAnyLineEnd() {
    QCOMPARE(cleanGutenberg("aa\rbb\r\rcc\r\n\r\ndd"), std::string("aa bb\ncc\ndd"));
}

void DatasetsTest::replacesWhatIsNoUtf8AndSaysSo() {
    const test::TemporaryFolder folder;
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    QCOMPARE(
        readText(write(folder, "caf\xE9 au lait"), Cleaning::None, run),
        std::string("caf\xEF\xBF\xBD au lait"));
    const auto lines = sink.all<LogLine>();
    QCOMPARE(lines.size(), 1U);
    QCOMPARE(lines[0].level, LogLevel::Warning);
    QVERIFY(lines[0].text.find("UTF-8") != std::string::npos);
    QCOMPARE(
        readText(write(folder, " as it is\r\n"), Cleaning::None, run),
        std::string(" as it is\r\n"));
    QCOMPARE(sink.all<LogLine>().size(), 1U);
}

void DatasetsTest::refusesWhatCannotBeScored() {
    const test::TemporaryFolder folder;
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    LATHE_VERIFY_THROWS(readText(write(folder, ""), Cleaning::None, run), InputError, "empty");
    LATHE_VERIFY_THROWS(
        readText(write(folder, "\n\n \n"), Cleaning::Gutenberg, run), InputError, "empty");
    LATHE_VERIFY_THROWS(
        readText(folder.path() / "absent.txt", Cleaning::None, run), InputError, "absent.txt");
    LATHE_VERIFY_THROWS(cleaningFromName("wash"), InputError, "wash");
}

void DatasetsTest::aBundledTextIsThere() {
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    QVERIFY(readText(defaultTextPath(), Cleaning::None, run).size() >= 40000);
    QVERIFY(sink.all<LogLine>().empty());
}

void DatasetsTest::documentsOfJsonLines() {
    const test::TemporaryFolder folder;
    test::RecordingSink sink;
    RunControl run(1, sink, {});
    const std::string lines = "{\"text\": \"one\\ntwo\", \"url\": \"x\"}\r\n\n"
                              "{\"text\": \"\"}\n{\"text\": \"last\"}";
    const std::vector<std::string> expected{"one\ntwo", "", "last"};
    QCOMPARE(readDocuments(write(folder, lines), run), expected);
    LATHE_VERIFY_THROWS(
        readDocuments(write(folder, "{\"text\": \"a\"}\n{\"body\": 1}\n"), run), FormatError,
        "line 2");
    LATHE_VERIFY_THROWS(readDocuments(write(folder, "[1]"), run), FormatError, "line 1");
    LATHE_VERIFY_THROWS(readDocuments(write(folder, "no json"), run), FormatError, "line 1");
    LATHE_VERIFY_THROWS(readDocuments(write(folder, "\n \n"), run), InputError, "no document");
}

LATHE_TEST(DatasetsTest);

} // namespace lathe

#include "datasets_test.moc"
