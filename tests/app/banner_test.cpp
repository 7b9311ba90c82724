// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/banner.h"

#include "tests/support/lathe_test.h"

#include <QPushButton>
#include <QToolButton>

namespace lathe {

class BannerTest : public QObject {
    Q_OBJECT
private slots:
    void showsTheWeightiestFirst();
    void sameIdReplaces();
    void buttonsActOnce();
    void crossDismisses();
};

void BannerTest::showsTheWeightiestFirst() {
    Banner banner;
    QVERIFY(!banner.isVisibleTo(nullptr) || banner.isHidden());
    banner.post({.id = QStringLiteral("i"), .text = QStringLiteral("info")});
    QCOMPARE(banner.text(), QStringLiteral("info"));
    banner.post(
        {.id = QStringLiteral("e"), .kind = Banner::Kind::Error, .text = QStringLiteral("error")});
    banner.post(
        {.id = QStringLiteral("w"), .kind = Banner::Kind::Warning, .text = QStringLiteral("warn")});
    QCOMPARE(banner.text(), QStringLiteral("error"));
    QCOMPARE(banner.accessibleName(), QStringLiteral("error"));
    banner.withdraw(QStringLiteral("e"));
    QCOMPARE(banner.text(), QStringLiteral("warn"));
    banner.withdraw(QStringLiteral("w"));
    QCOMPARE(banner.text(), QStringLiteral("info"));
    banner.withdraw(QStringLiteral("i"));
    QVERIFY(banner.isHidden());
}

void BannerTest::sameIdReplaces() {
    Banner banner;
    banner.post({.id = QStringLiteral("a"), .text = QStringLiteral("one")});
    banner.post({.id = QStringLiteral("a"), .text = QStringLiteral("two")});
    QCOMPARE(banner.text(), QStringLiteral("two"));
    banner.withdraw(QStringLiteral("a"));
    QVERIFY(banner.isHidden());
}

void BannerTest::buttonsActOnce() {
    Banner banner;
    int pressed = 0;
    banner.post(
        {.id = QStringLiteral("a"),
         .text = QStringLiteral("one"),
         .buttons = {{QStringLiteral("Go"), [&pressed] { ++pressed; }}}});
    auto* button = banner.findChild<QPushButton*>();
    QCOMPARE(button->accessibleName(), QStringLiteral("Go"));
    button->click();
    QCOMPARE(pressed, 1);
    QVERIFY(banner.isHidden());
}

void BannerTest::crossDismisses() {
    Banner banner;
    int dismissed = 0;
    banner.post(
        {.id = QStringLiteral("a"), .text = QStringLiteral("one"), .dismissed = [&dismissed] {
             ++dismissed;
         }});
    banner.findChild<QToolButton*>()->click();
    QCOMPARE(dismissed, 1);
    QVERIFY(banner.currentId().isEmpty());
}

LATHE_TEST(BannerTest);

} // namespace lathe

#include "banner_test.moc"
