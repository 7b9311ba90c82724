// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/state_view.h"

#include "tests/support/lathe_test.h"

#include <QLabel>
#include <QLayout>
#include <QProgressBar>
#include <QPushButton>
#include <QSignalSpy>
#include <QToolButton>

namespace lathe {

class StateViewTest : public QObject {
    Q_OBJECT
private slots:
    void loadingShowsThatItWorks();
    void errorOffersTheNextStep();
    void detailsUnfold();
    void wholeSentencesAreShown();
};

void StateViewTest::loadingShowsThatItWorks() {
    StateView view;
    view.show(StateView::Kind::Loading, QStringLiteral("Opening…"));
    view.show();
    QVERIFY(view.findChild<QProgressBar*>()->isVisible());
    QVERIFY(!view.findChild<QPushButton*>()->isVisible());
    QCOMPARE(view.accessibleName(), QStringLiteral("Opening…"));
}

void StateViewTest::errorOffersTheNextStep() {
    StateView view;
    view.show(StateView::Kind::Error, QStringLiteral("It failed"), QStringLiteral("Try again"));
    view.show();
    auto* button = view.findChild<QPushButton*>();
    QVERIFY(button->isVisible());
    QVERIFY(!view.findChild<QProgressBar*>()->isVisible());
    QSignalSpy clicked(&view, &StateView::primaryClicked);
    QTest::keyClick(button, Qt::Key_Space);
    QCOMPARE(clicked.count(), 1);
}

void StateViewTest::detailsUnfold() {
    StateView view;
    view.show(
        StateView::Kind::Error, QStringLiteral("It failed"), {}, QStringLiteral("line 3: no"));
    view.show();
    const auto shown = [&view] {
        for (const QLabel* label : view.findChildren<QLabel*>()) {
            if (label->text() == QStringLiteral("line 3: no")) {
                return label->isVisible();
            }
        }
        return false;
    };
    QVERIFY(!shown());
    view.findChild<QToolButton*>()->click();
    QVERIFY(shown());
}

void StateViewTest::wholeSentencesAreShown() {
    const QString sentence =
        QStringLiteral("Nothing has been run yet. Every run stands here with its parameters, "
                       "environment and results.");
    StateView view;
    view.show(StateView::Kind::Empty, sentence, QStringLiteral("Begin"));
    view.show();
    const QLabel* label = nullptr;
    for (const QLabel* one : view.findChildren<QLabel*>()) {
        label = one->text() == sentence ? one : label;
    }
    QVERIFY(label != nullptr);
    for (const QSize size : {QSize(1100, 500), QSize(460, 300), QSize(240, 260), QSize(900, 130)}) {
        view.resize(size);
        view.layout()->activate();
        const QRect needed = label->fontMetrics().boundingRect(
            QRect(0, 0, label->width(), 10000), Qt::TextWordWrap | Qt::AlignCenter, sentence);
        QVERIFY2(
            label->height() >= needed.height(), qPrintable(QStringLiteral("at %1: %2 < %3")
                                                               .arg(size.width())
                                                               .arg(label->height())
                                                               .arg(needed.height())));
        QVERIFY(view.rect().contains(label->geometry()));
        QVERIFY(std::abs(label->geometry().center().x() - view.rect().center().x()) <= 2);
    }
}

LATHE_TEST(StateViewTest);

} // namespace lathe

#include "state_view_test.moc"
