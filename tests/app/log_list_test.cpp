// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/log_list.h"

#include "app/log_dock.h"
#include "tests/support/lathe_test.h"

#include <QAbstractItemModelTester>
#include <QComboBox>
#include <QLineEdit>
#include <QTreeView>

namespace lathe {

class LogListTest : public QObject {
    Q_OBJECT
private slots:
    void staysBounded();
    void dockFiltersByLevelAndText();
};

void LogListTest::staysBounded() {
    LogList log;
    const auto addLine = [&log](int i) {
        log.add(LogLevel::Info, QStringLiteral("engine"), QString::number(i));
    };
    for (int i = 0; i < LogList::kMaxLines - 1; ++i) {
        addLine(i);
    }
    // It looks at every row after every change: only where old lines leave.
    const QAbstractItemModelTester tester(
        &log, QAbstractItemModelTester::FailureReportingMode::QtTest);
    for (int i = LogList::kMaxLines - 1; i < LogList::kMaxLines + 3; ++i) {
        addLine(i);
    }
    QVERIFY(log.rowCount() <= LogList::kMaxLines);
    const int last = log.rowCount() - 1;
    QCOMPARE(
        log.index(last, LogList::TextColumn).data().toString(),
        QString::number(LogList::kMaxLines + 2));
    log.add(LogLevel::Error, QStringLiteral("engine"), QString(100000, QLatin1Char('x')));
    QVERIFY(log.index(log.rowCount() - 1, LogList::TextColumn).data().toString().size() < 5000);
}

void LogListTest::dockFiltersByLevelAndText() {
    LogList log;
    LogDock dock(log);
    log.add(LogLevel::Info, QStringLiteral("engine"), QStringLiteral("ready"));
    log.add(LogLevel::Error, QStringLiteral("run 3"), QStringLiteral("no such model"));
    log.add(LogLevel::Warning, QStringLiteral("settings"), QStringLiteral("damaged"));
    const QAbstractItemModel* shown = dock.findChild<QTreeView*>()->model();
    QCOMPARE(shown->rowCount(), 3);
    auto* level = dock.findChild<QComboBox*>();
    level->setCurrentIndex(level->findData(static_cast<int>(LogLevel::Warning)));
    QCOMPARE(shown->rowCount(), 2);
    dock.findChild<QLineEdit*>()->setText(QStringLiteral("RUN 3"));
    QCOMPARE(shown->rowCount(), 1);
    QCOMPARE(
        shown->index(0, LogList::TextColumn).data().toString(), QStringLiteral("no such model"));
}

LATHE_TEST(LogListTest);

} // namespace lathe

#include "log_list_test.moc"
