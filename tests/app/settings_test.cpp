// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings.h"

#include "app/settings_dialog.h"
#include "tests/support/lathe_test.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QPushButton>
#include <QSignalSpy>
#include <QSpinBox>

#include <memory>

namespace lathe {

class SettingsTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
    void changesAreWrittenByThemselves();
    void theLastChangeIsWrittenAtTheEnd();
    void nothingIsSaidWhenNothingChanges();
    void resetKeepsTheFirstStart();
    void failureIsTold();
    void dialogChangesAtOnce();

private:
    QString file() const {
        return QString::fromStdString((m_folder->path() / "lathe.ini").string());
    }
    Preferences stored() const {
        QStringList problems;
        return readPreferences(file(), problems);
    }
    std::unique_ptr<test::TemporaryFolder> m_folder;
};

void SettingsTest::changesAreWrittenByThemselves() {
    Settings settings(file());
    QSignalSpy changed(&settings, &Settings::changed);
    settings.change([](Preferences& p) { p.fontScale = 1.5; });
    QCOMPARE(changed.count(), 1);
    QTRY_COMPARE(stored().fontScale, 1.5);
}

void SettingsTest::theLastChangeIsWrittenAtTheEnd() {
    {
        Settings settings(file());
        settings.change([](Preferences& p) { p.engineNice = 11; });
    }
    QCOMPARE(stored().engineNice, 11);
}

void SettingsTest::nothingIsSaidWhenNothingChanges() {
    Settings settings(file());
    QSignalSpy changed(&settings, &Settings::changed);
    settings.change([](Preferences& p) { p.fontScale = 1.0; });
    QCOMPARE(changed.count(), 0);
}

void SettingsTest::resetKeepsTheFirstStart() {
    Settings settings(file());
    settings.change([](Preferences& p) {
        p.theme = Theme::Choice::Dark;
        p.firstStartDone = true;
        p.seenInterrupted = 9;
    });
    settings.resetToDefaults();
    QCOMPARE(settings.get().theme, Theme::Choice::System);
    QVERIFY(settings.get().firstStartDone);
    QCOMPARE(settings.get().seenInterrupted, 9);
}

void SettingsTest::failureIsTold() {
    Settings settings(QStringLiteral("/proc/no/lathe.ini"));
    QSignalSpy failed(&settings, &Settings::saveFailed);
    settings.change([](Preferences& p) { p.fontScale = 1.5; });
    settings.saveNow();
    QTRY_COMPARE(failed.count(), 1);
    QVERIFY(failed.front().front().toString().contains(QStringLiteral("/proc/no/lathe.ini")));
}

void SettingsTest::dialogChangesAtOnce() {
    Settings settings(file());
    SettingsDialog dialog(settings);
    auto* theme = dialog.findChild<QComboBox*>();
    theme->setCurrentIndex(theme->findData(static_cast<int>(Theme::Choice::Dark)));
    QCOMPARE(settings.get().theme, Theme::Choice::Dark);
    dialog.findChildren<QSpinBox*>().constFirst()->setValue(150);
    QCOMPARE(settings.get().fontScale, 1.5);
    dialog.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::RestoreDefaults)->click();
    QVERIFY(settings.get() == Preferences());
    QCOMPARE(dialog.findChildren<QSpinBox*>().constFirst()->value(), 100);
}

LATHE_TEST(SettingsTest);

} // namespace lathe

#include "settings_test.moc"
