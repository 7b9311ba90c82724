// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/text_table.h"
#include "tests/support/lathe_test.h"

#include <limits>

namespace lathe {

class TextTableTest : public QObject {
    Q_OBJECT
private slots:
    void numbersStandRightAndTextsLeft();
    void widthsAreCodePoints();
    void readableValues();
    void shortenedTexts();
    void csvIsQuotedWhereNeeded();
};

void TextTableTest::numbersStandRightAndTextsLeft() {
    TextTable table({"Name", "Bits", "Note"});
    QVERIFY(table.empty());
    QCOMPARE(table.text(), "Name  Bits  Note\n");
    table.add({"rtn", "3", "-"});
    table.add({"kmeans", "12.25", "nan"});
    QVERIFY(!table.empty());
    QCOMPARE(
        table.text(), "Name     Bits  Note\n"
                      "rtn         3     -\n"
                      "kmeans  12.25   nan\n");
    TextTable texts({"A", "B"});
    texts.add({"long entry", "x"});
    texts.add({"y", "second"});
    QCOMPARE(texts.text(), "A           B\nlong entry  x\ny           second\n");
}

void TextTableTest::widthsAreCodePoints() {
    TextTable table({"Größe", "x"});
    table.add({"日本語", "y"});
    table.add({"plain", "z"});
    QCOMPARE(table.text(), "Größe  x\n日本語    y\nplain  z\n");
}

void TextTableTest::readableValues() {
    QCOMPARE(readable(Json()), "-");
    QCOMPARE(readable(Json(std::numeric_limits<double>::quiet_NaN())), "nan");
    QCOMPARE(readable(Json(1234567)), "1234567");
    QCOMPARE(readable(Json(1234567.0)), "1.23457e+06");
    QCOMPARE(readable(Json(0.1)), "0.1");
    QCOMPARE(readable(Json("text")), "text");
    QCOMPARE(readable(Json({1, 2})), "[1,2]");
}

void TextTableTest::shortenedTexts() {
    QCOMPARE(shortened("short", 5), "short");
    QCOMPARE(shortened("shorter", 5), "short...");
    QCOMPARE(shortened("äöü€", 3), "äöü...");
    QCOMPARE(shortened("two\nlines\x1b[2J", 40), "two lines [2J");
    QCOMPARE(shortened("", 0), "");
}

void TextTableTest::csvIsQuotedWhereNeeded() {
    QCOMPARE(csvLine({"a", "1.5", ""}), "a,1.5,\r\n");
    QCOMPARE(
        csvLine({"a,b", "say \"x\"", "two\nlines"}),
        "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n");
}

LATHE_TEST(TextTableTest);

} // namespace lathe

#include "text_table_test.moc"
