// SPDX-License-Identifier: Apache-2.0
#include "engine/text/utf8.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class Utf8Test : public QObject {
    Q_OBJECT
private slots:
    void wellFormedSequencesAreKnown() {
        QCOMPARE(utf8SequenceLength(""), 0U);
        QCOMPARE(utf8SequenceLength("a"), 1U);
        QCOMPARE(utf8SequenceLength("\xC2\x80"), 2U);
        QCOMPARE(utf8SequenceLength("\xE2\x82\xAC..."), 3U);
        QCOMPARE(utf8SequenceLength("\xF4\x8F\xBF\xBF"), 4U);
        QCOMPARE(utf8Decode("\xE2\x82\xAC"), U'\u20AC');
        QCOMPARE(utf8Decode("\xF4\x8F\xBF\xBF"), U'\U0010FFFF');
        QCOMPARE(utf8Decode("z"), U'z');
    }
    void illFormedSequencesAreNone_data() {
        QTest::addColumn<QByteArray>("bytes");
        QTest::newRow("continuation") << QByteArray("\x80");
        QTest::newRow("overlong 2") << QByteArray("\xC0\x80");
        QTest::newRow("overlong 3") << QByteArray("\xE0\x9F\xBF");
        QTest::newRow("overlong 4") << QByteArray("\xF0\x8F\xBF\xBF");
        QTest::newRow("surrogate") << QByteArray("\xED\xA0\x80");
        QTest::newRow("too high") << QByteArray("\xF4\x90\x80\x80");
        QTest::newRow("five bytes") << QByteArray("\xF8\x88\x80\x80\x80");
        QTest::newRow("cut off") << QByteArray("\xE2\x82");
        QTest::newRow("0xFF") << QByteArray("\xFF");
    }
    void illFormedSequencesAreNone() {
        QFETCH(const QByteArray, bytes);
        QCOMPARE(utf8SequenceLength(bytes.toStdString()), 0U);
        QCOMPARE(utf8Decode(bytes.toStdString()), U'\uFFFD');
    }
    /// The example of the Unicode standard, section 3.9: one mark per maximal prefix.
    void eachMaximalPrefixIsReplacedOnce() {
        QCOMPARE(
            replaceInvalidUtf8("a\xF1\x80\x80\xE1\x80\xC2"
                               "b\x80"
                               "c\x80\xBF"
                               "d"),
            std::string("a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd"));
        QCOMPARE(replaceInvalidUtf8("\xC0\xAF"), std::string("\uFFFD\uFFFD"));
        QCOMPARE(replaceInvalidUtf8("\u00E9t\u00E9"), std::string("\u00E9t\u00E9"));
    }
    void namesAreMadeFitForMessages() {
        QCOMPARE(printable("blk.0.\u00E9"), std::string("blk.0.\u00E9"));
        QCOMPARE(
            printable(std::string_view("a\0\n\x7F\xFF", 5)), std::string("a\\x00\\x0A\\x7F\uFFFD"));
        const std::string name(99, 'x');
        QCOMPARE(printable(name + "y"), name + "y");
        QCOMPARE(printable(name + "yz"), name + "y...");
        QCOMPARE(printable(name + "\u00E9"), name + "...");
    }
    void cutOffTailsAreKept_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("complete");
        QTest::newRow("empty") << QByteArray("") << 0;
        QTest::newRow("ascii") << QByteArray("ab") << 2;
        QTest::newRow("whole") << QByteArray("a\xE2\x82\xAC") << 4;
        QTest::newRow("2 of 3") << QByteArray("a\xE2\x82") << 1;
        QTest::newRow("1 of 2") << QByteArray("a\xC3") << 1;
        QTest::newRow("3 of 4") << QByteArray("a\xF0\x9F\x99") << 1;
        QTest::newRow("never complete") << QByteArray("a\xE0\x80") << 3;
        QTest::newRow("continuations alone") << QByteArray("\x80\x80\x80\x80") << 4;
        QTest::newRow("invalid lead") << QByteArray("a\xFF") << 2;
    }
    void cutOffTailsAreKept() {
        QFETCH(const QByteArray, text);
        QFETCH(const int, complete);
        QCOMPARE(static_cast<int>(completeUtf8Length(text.toStdString())), complete);
    }
};

LATHE_TEST(Utf8Test);

} // namespace lathe

#include "utf8_test.moc"
