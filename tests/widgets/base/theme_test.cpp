// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/theme.h"

#include "tests/support/lathe_test.h"

#include <QApplication>
#include <QDir>
#include <QLabel>
#include <QSignalSpy>

namespace lathe {

class ThemeTest : public QObject {
    Q_OBJECT
private slots:
    void contrastFollowsTheStandard();
    void textIsReadable_data() { bothThemes(); }
    void textIsReadable();
    void graphicsAreVisible_data() { bothThemes(); }
    void graphicsAreVisible();
    void choiceSwitchesThePalette();
    void systemChoiceFollowsTheDesktop();
    void iconsTakeThePalettesColour();
    void textSizeReachesWidgets();

private:
    static void bothThemes() {
        QTest::addColumn<bool>("dark");
        QTest::newRow("light") << false;
        QTest::newRow("dark") << true;
    }
};

void ThemeTest::contrastFollowsTheStandard() {
    QCOMPARE(Theme::contrast(Qt::black, Qt::white), 21.0);
    QCOMPARE(Theme::contrast(Qt::white, Qt::white), 1.0);
    // The well-known grey that just passes on white.
    QVERIFY(std::abs(Theme::contrast(QColor(0x767676), Qt::white) - 4.54) < 0.01);
}

void ThemeTest::textIsReadable() {
    QFETCH(const bool, dark);
    const QPalette p = Theme::palette(dark);
    using Role = QPalette::ColorRole;
    const std::vector<std::pair<Role, Role>> pairs{
        {QPalette::WindowText, QPalette::Window},
        {QPalette::Text, QPalette::Base},
        {QPalette::Text, QPalette::AlternateBase},
        {QPalette::ButtonText, QPalette::Button},
        {QPalette::ButtonText, QPalette::Midlight},
        {QPalette::PlaceholderText, QPalette::Base},
        {QPalette::ToolTipText, QPalette::ToolTipBase},
        {QPalette::HighlightedText, QPalette::Highlight},
        {QPalette::Link, QPalette::Base},
        {QPalette::Link, QPalette::Window},
        {QPalette::LinkVisited, QPalette::Base}};
    for (const auto& [front, back] : pairs) {
        const double ratio = Theme::contrast(p.color(front), p.color(back));
        QVERIFY2(
            ratio >= 4.5,
            qPrintable(QStringLiteral("role %1 on %2: %3").arg(front).arg(back).arg(ratio)));
    }
    for (const Role back : {QPalette::Base, QPalette::Window, QPalette::AlternateBase}) {
        for (const QColor& colour :
             {Theme::success(dark), Theme::warning(dark), Theme::error(dark), Theme::muted(dark)}) {
            const double ratio = Theme::contrast(colour, p.color(back));
            QVERIFY2(
                ratio >= 4.5,
                qPrintable(
                    QStringLiteral("%1 on role %2: %3").arg(colour.name()).arg(back).arg(ratio)));
        }
    }
}

void ThemeTest::graphicsAreVisible() {
    QFETCH(const bool, dark);
    const QPalette p = Theme::palette(dark);
    for (int i = 0; i < 12; ++i) {
        QVERIFY(Theme::contrast(Theme::series(i, dark), p.color(QPalette::Base)) >= 3.0);
    }
    // The focus ring is drawn in the highlight colour.
    for (const auto back : {QPalette::Base, QPalette::Window, QPalette::Button}) {
        const double ratio = Theme::contrast(p.color(QPalette::Highlight), p.color(back));
        QVERIFY2(ratio >= 3.0, qPrintable(QStringLiteral("%1: %2").arg(back).arg(ratio)));
    }
    QVERIFY(Theme::series(0, dark) != Theme::series(1, dark));
}

void ThemeTest::choiceSwitchesThePalette() {
    Theme theme;
    QSignalSpy changed(&theme, &Theme::changed);
    theme.setChoice(Theme::Choice::Dark);
    QVERIFY(Theme::isDark());
    QCOMPARE(QApplication::palette().color(QPalette::Base), QColor(0x232629));
    theme.setChoice(Theme::Choice::Light);
    QVERIFY(!Theme::isDark());
    QCOMPARE(changed.count(), 2);
    theme.setChoice(Theme::Choice::Light);
    QCOMPARE(changed.count(), 2);
}

void ThemeTest::systemChoiceFollowsTheDesktop() {
    Theme theme;
    theme.setSystemDark(true);
    QVERIFY(Theme::isDark());
    theme.setSystemDark(false);
    QVERIFY(!Theme::isDark());
    theme.setChoice(Theme::Choice::Light);
    theme.setSystemDark(true); // the user's own choice stands
    QVERIFY(!Theme::isDark());
    theme.setChoice(Theme::Choice::System);
    QVERIFY(Theme::isDark());
    theme.setSystemDark(false);
}

void ThemeTest::iconsTakeThePalettesColour() {
    Theme theme;
    const auto darkest = [](const QImage& image) {
        int lightness = 255;
        for (int y = 0; y < image.height(); ++y) {
            for (int x = 0; x < image.width(); ++x) {
                const QColor pixel = image.pixelColor(x, y);
                lightness =
                    pixel.alpha() > 250 ? std::min(lightness, pixel.lightness()) : lightness;
            }
        }
        return lightness;
    };
    const QStringList names = QDir(QStringLiteral(":/icons")).entryList();
    QVERIFY(names.size() > 20);
    for (const QString& file : names) {
        const QIcon icon = Theme::icon(QString(file).remove(QStringLiteral(".svg")));
        QVERIFY2(!icon.isNull(), qPrintable(file));
        theme.setChoice(Theme::Choice::Light);
        const QImage light = icon.pixmap(32).toImage();
        theme.setChoice(Theme::Choice::Dark);
        const QImage dark = icon.pixmap(32).toImage(); // the same icon object
        QVERIFY2(darkest(light) < 80, qPrintable(file));
        QVERIFY2(darkest(dark) > 150 && darkest(dark) < 255, qPrintable(file));
    }
    QVERIFY(Theme::icon(QStringLiteral("no-such-icon")).isNull());
}

void ThemeTest::textSizeReachesWidgets() {
    Theme theme;
    QWidget parent;
    QLabel old(QStringLiteral("made before"), &parent);
    parent.ensurePolished();
    old.ensurePolished();
    const double size = old.font().pointSizeF();
    theme.setFontScale(1.5);
    QVERIFY(std::abs(old.font().pointSizeF() - 1.5 * size) < 0.2);
    QLabel fresh(QStringLiteral("made after"), &parent);
    fresh.ensurePolished();
    QCOMPARE(fresh.font().pointSizeF(), old.font().pointSizeF());
    theme.setFontScale(1.0);
    QVERIFY(std::abs(old.font().pointSizeF() - size) < 0.1);
    QVERIFY(std::abs(QApplication::font().pointSizeF() - size) < 0.1);
}

LATHE_TEST(ThemeTest);

} // namespace lathe

#include "theme_test.moc"
