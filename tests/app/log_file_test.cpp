// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/log_file.h"

#include "tests/support/lathe_test.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>

namespace lathe {

class LogFileTest : public QObject {
    Q_OBJECT
private slots:
    void keepsOrder();
    void fullFilesMoveOn();
    void withoutAPathNothingIsWritten();
};

void LogFileTest::keepsOrder() {
    const test::TemporaryFolder folder;
    const QString path =
        QString::fromStdString((folder.path() / "made" / "here" / "lathe.log").string());
    {
        LogFile log(path);
        for (int i = 0; i < 200; ++i) {
            log.add(QString::number(i));
        }
    }
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QList<QByteArray> lines = file.readAll().trimmed().split('\n');
    QCOMPARE(lines.size(), 200);
    for (int i = 0; i < 200; ++i) {
        QCOMPARE(lines[i].toInt(), i);
    }
}

void LogFileTest::fullFilesMoveOn() {
    const test::TemporaryFolder folder;
    const QString path = QString::fromStdString((folder.path() / "lathe.log").string());
    const QString line(1 << 19, QLatin1Char('x')); // four fill a file less its line ends
    {
        LogFile log(path);
        for (int i = 0; i < 40; ++i) {
            log.add(line);
        }
        log.add(QStringLiteral("last"));
    }
    const QStringList names =
        QDir(QString::fromStdString(folder.path().string())).entryList(QDir::Files);
    QCOMPARE(names.size(), LogFile::kFiles);
    for (const QString& name : names) {
        const QFileInfo info(QString::fromStdString(folder.path().string()), name);
        QVERIFY(info.size() <= LogFile::kMaxBytes);
    }
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QVERIFY(file.readAll().endsWith("last\n"));
}

void LogFileTest::withoutAPathNothingIsWritten() {
    LogFile log({});
    log.add(QStringLiteral("nowhere"));
    LogFile refused(QStringLiteral("/proc/no/lathe.log"));
    refused.add(QStringLiteral("nowhere"));
    QVERIFY(!QFile::exists(QStringLiteral("/proc/no/lathe.log")));
}

LATHE_TEST(LogFileTest);

} // namespace lathe

#include "log_file_test.moc"
