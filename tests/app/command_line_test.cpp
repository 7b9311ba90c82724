// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/command_line.h"

#include "tests/support/lathe_test.h"

#include <QProcess>

#include <array>

namespace lathe {

class CommandLineTest : public QObject {
    Q_OBJECT
private slots:
    void readsEveryOption();
    void tellsWhatIsWrong_data();
    void tellsWhatIsWrong();
    void helpNamesEveryOption();
    void aPlatformOnTheCommandLineCountsAsDisplay();
};

void CommandLineTest::readsEveryOption() {
    const CommandLine line = readCommandLine(
        {QStringLiteral("lathe"), QStringLiteral("--store"), QStringLiteral("/tmp/a b.db"),
         QStringLiteral("--safe-mode"), QStringLiteral("--heartbeat=h.json")});
    QCOMPARE(line.problem, QString());
    QCOMPARE(line.store, QStringLiteral("/tmp/a b.db"));
    QCOMPARE(line.heartbeat, QStringLiteral("h.json"));
    QVERIFY(line.safeMode && !line.fresh && !line.resetSettings);
    const CommandLine other = readCommandLine(
        {QStringLiteral("lathe"), QStringLiteral("--fresh"), QStringLiteral("--reset-settings")});
    QVERIFY(!other.safeMode && other.fresh && other.resetSettings);
    QVERIFY(other.store.isEmpty());
}

void CommandLineTest::tellsWhatIsWrong_data() {
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("part");
    QTest::newRow("unknown") << QStringList{"--sotre"} << "sotre";
    QTest::newRow("study") << QStringList{"quant.sweep"} << "lathe-run";
    QTest::newRow("no value") << QStringList{"--store"} << "store";
    QTest::newRow("empty value") << QStringList{"--store="} << "store";
}

void CommandLineTest::tellsWhatIsWrong() {
    QFETCH(QStringList, arguments);
    QFETCH(const QString, part);
    arguments.prepend(QStringLiteral("lathe"));
    const CommandLine line = readCommandLine(arguments);
    QVERIFY2(line.problem.contains(part), qPrintable(line.problem));
}

void CommandLineTest::helpNamesEveryOption() {
    const QString help = commandLineHelp(QStringLiteral("lathe"));
    for (const char* option :
         {"--store FILE", "--safe-mode", "--fresh", "--reset-settings", "--heartbeat FILE",
          "--help", "--version", "lathe-run"}) {
        QVERIFY2(help.contains(QLatin1String(option)), qPrintable(help));
    }
}

void CommandLineTest::aPlatformOnTheCommandLineCountsAsDisplay() {
    std::array<char, 6> name{"lathe"};
    std::array<char, 10> platform{"-platform"};
    std::array<char*, 2> arguments{name.data(), platform.data()};
    QVERIFY(namesDisplay(2, arguments.data()));
    QVERIFY(!asksForText(2, arguments.data()));
    QVERIFY(!asksForText(0, arguments.data()));
}

LATHE_TEST(CommandLineTest);

} // namespace lathe

#include "command_line_test.moc"
