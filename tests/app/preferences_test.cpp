// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/preferences.h"

#include "tests/support/lathe_test.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QSettings>

#include <memory>

namespace lathe {

/// The file of the settings, whole, wrong and broken.
class PreferencesTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
    void absentFileGivesDefaults();
    void everythingComesBack();
    void wrongValuesAreReplaced_data();
    void wrongValuesAreReplaced();
    void valuesOutOfRangeAreClamped();
    void garbageGivesDefaults();
    void aNewerFileIsReadAsFarAsItFits();
    void unwritableFileIsTold();

private:
    QString file() const {
        return QString::fromStdString((m_folder->path() / "lathe" / "lathe.ini").string());
    }
    void write(const QString& key, const QVariant& value) const {
        QSettings settings(file(), QSettings::IniFormat);
        settings.setValue(key, value);
    }
    std::unique_ptr<test::TemporaryFolder> m_folder;
};

void PreferencesTest::absentFileGivesDefaults() {
    QStringList problems;
    QVERIFY(readPreferences(file(), problems) == Preferences());
    QVERIFY(problems.isEmpty());
}

void PreferencesTest::everythingComesBack() {
    Preferences p;
    p.theme = Theme::Choice::Dark;
    p.fontScale = 1.3;
    p.engineNice = 0;
    p.firstStartDone = true;
    p.seenInterrupted = 12345678901LL;
    p.recentModels = {QStringLiteral("/models/a b"), QStringLiteral("/models/ü,;.gguf")};
    p.geometry = QByteArray("\0\1\2", 3);
    p.windowState = QByteArray(500, '\xff');
    p.currentPanel = QStringLiteral("runs");
    p.panels = {{QStringLiteral("quant"), QJsonObject{{QStringLiteral("draft"), 3}}}};
    QCOMPARE(writePreferences(p, file()), QString());
    QStringList problems;
    QVERIFY(readPreferences(file(), problems) == p);
    QVERIFY(problems.isEmpty());
}

void PreferencesTest::wrongValuesAreReplaced_data() {
    QTest::addColumn<QString>("key");
    QTest::addColumn<QString>("value");
    QTest::newRow("theme") << "theme"
                           << "pink";
    QTest::newRow("scale is text") << "font_scale"
                                   << "huge";
    QTest::newRow("scale is nan") << "font_scale"
                                  << "nan";
    QTest::newRow("nice is text") << "engine_nice"
                                  << "x";
    QTest::newRow("flag is a number") << "first_start_done"
                                      << "7";
    QTest::newRow("geometry") << "geometry"
                              << "%%%";
    QTest::newRow("state") << "window_state" << QString(3 << 20, QLatin1Char('A'));
    QTest::newRow("panel") << "current_panel" << QString(500, QLatin1Char('q'));
    QTest::newRow("panels no base64") << "panels"
                                      << "{}";
    QTest::newRow("panels no object")
        << "panels" << QString::fromLatin1(QByteArray("[1]").toBase64());
}

void PreferencesTest::wrongValuesAreReplaced() {
    QFETCH(const QString, key);
    QFETCH(const QString, value);
    write(key, value);
    QStringList problems;
    QVERIFY(readPreferences(file(), problems) == Preferences());
    QCOMPARE(problems.size(), 1);
    QVERIFY(problems.constFirst().contains(key));
}

void PreferencesTest::valuesOutOfRangeAreClamped() {
    write(QStringLiteral("font_scale"), QStringLiteral("90"));
    write(QStringLiteral("engine_nice"), QStringLiteral("-20"));
    write(QStringLiteral("seen_interrupted"), QStringLiteral("-1"));
    QStringList problems;
    const Preferences p = readPreferences(file(), problems);
    QCOMPARE(p.fontScale, Preferences::kMaxFontScale);
    QCOMPARE(p.engineNice, 0);
    QCOMPARE(p.seenInterrupted, 0);
    QCOMPARE(problems.size(), 3);
}

void PreferencesTest::garbageGivesDefaults() {
    QVERIFY(QDir().mkpath(QFileInfo(file()).absolutePath()));
    QFile garbage(file());
    QVERIFY(garbage.open(QIODevice::WriteOnly));
    QByteArray bytes;
    for (int i = 0; i < 4000; ++i) {
        bytes.append(static_cast<char>((i * 7919) % 251));
    }
    garbage.write(bytes);
    garbage.close();
    QStringList problems;
    const Preferences p = readPreferences(file(), problems);
    QVERIFY(p == Preferences());
    QCOMPARE(writePreferences(p, file()), QString()); // and it can be written anew
}

void PreferencesTest::aNewerFileIsReadAsFarAsItFits() {
    write(QStringLiteral("schema"), 99);
    write(QStringLiteral("theme"), QStringLiteral("dark"));
    QStringList problems;
    QCOMPARE(readPreferences(file(), problems).theme, Theme::Choice::Dark);
    QCOMPARE(problems.size(), 1);
}

void PreferencesTest::unwritableFileIsTold() {
    QVERIFY(!writePreferences({}, QStringLiteral("/proc/no/lathe.ini")).isEmpty());
}

LATHE_TEST(PreferencesTest);

} // namespace lathe

#include "preferences_test.moc"
