// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/table_csv.h"

#include "tests/support/lathe_test.h"

#include <QFile>
#include <QStandardItemModel>

#include <limits>

namespace lathe {

class TableCsvTest : public QObject {
    Q_OBJECT
private slots:
    void fieldsAreQuotedWhereNeeded();
    void numbersAreBare();
    void filesAreWrittenWhole();
};

void TableCsvTest::fieldsAreQuotedWhereNeeded() {
    QCOMPARE(
        csvLine(
            {QStringLiteral("a"), QStringLiteral("b,c"), QStringLiteral("d\"e"),
             QStringLiteral("f\ng"), QString()}),
        QByteArray("a,\"b,c\",\"d\"\"e\",\"f\ng\",\r\n"));
}

void TableCsvTest::numbersAreBare() {
    QLocale::setDefault(QLocale(QLocale::German, QLocale::Germany));
    QStandardItemModel model(2, 2);
    model.setHorizontalHeaderLabels({QStringLiteral("x"), QStringLiteral("y, z")});
    model.setData(model.index(0, 0), 1234.5, Qt::EditRole);
    model.setData(model.index(0, 1), QStringLiteral("text"));
    model.setData(model.index(1, 0), std::numeric_limits<double>::quiet_NaN(), Qt::EditRole);
    QCOMPARE(tableCsv(model), QByteArray("x,\"y, z\"\r\n1234.5,text\r\n,\r\n"));
    QLocale::setDefault(QLocale::c());
}

void TableCsvTest::filesAreWrittenWhole() {
    const test::TemporaryFolder folder;
    const QString path = QString::fromStdString((folder.path() / "a.csv").string());
    QCOMPARE(writeFile(path, "a,b\r\n"), QString());
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), QByteArray("a,b\r\n"));
    const QString nowhere = QStringLiteral("/no/such/folder/a.csv");
    QVERIFY(writeFile(nowhere, "a").contains(nowhere));
}

LATHE_TEST(TableCsvTest);

} // namespace lathe

#include "table_csv_test.moc"
