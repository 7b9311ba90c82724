// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs_dock.h"

#include "app/job_list.h"
#include "tests/support/lathe_test.h"
#include "widgets/base/state_view.h"

#include <QPushButton>
#include <QSignalSpy>
#include <QToolButton>
#include <QTreeView>

namespace lathe {

class JobsDockTest : public QObject {
    Q_OBJECT
private slots:
    void saysThatThereIsNothing();
    void everyRowHasItsCancel();
    void deleteCancelsTheSelected();
    void enterOpensTheRun();
};

void JobsDockTest::saysThatThereIsNothing() {
    JobList jobs;
    JobsDock dock(jobs);
    dock.show();
    QVERIFY(dock.findChild<StateView*>()->isVisible());
    for (const QPushButton* button : dock.widget()->findChildren<QPushButton*>()) {
        QVERIFY(!button->isVisible() || !button->isEnabled());
    }
}

void JobsDockTest::everyRowHasItsCancel() {
    JobList jobs;
    JobsDock dock(jobs);
    jobs.add(1, Spec{.study = "lm.generate"}, {});
    jobs.add(2, Spec{.study = "lm.generate"}, {});
    auto* view = dock.findChild<QTreeView*>();
    QSignalSpy cancelled(&dock, &JobsDock::cancelRequested);
    for (int row = 0; row < 2; ++row) {
        auto* button =
            qobject_cast<QToolButton*>(view->indexWidget(jobs.index(row, JobList::CancelColumn)));
        QVERIFY(button != nullptr);
        QVERIFY(button->accessibleName().contains(QString::number(2 - row)));
        button->click();
        QCOMPARE(cancelled.takeFirst().front().toLongLong(), 2 - row);
    }
    jobs.cancelAsked(2);
    auto* button =
        qobject_cast<QToolButton*>(view->indexWidget(jobs.index(0, JobList::CancelColumn)));
    QVERIFY(!button->isEnabled());
}

void JobsDockTest::deleteCancelsTheSelected() {
    JobList jobs;
    JobsDock dock(jobs);
    jobs.add(1, Spec{.study = "lm.generate"}, {});
    jobs.add(2, Spec{.study = "lm.generate"}, {});
    dock.show();
    QVERIFY(QTest::qWaitForWindowActive(&dock));
    auto* view = dock.findChild<QTreeView*>();
    view->setFocus();
    view->setCurrentIndex(jobs.index(1, 0));
    QSignalSpy cancelled(&dock, &JobsDock::cancelRequested);
    QTest::keyClick(view, Qt::Key_Delete);
    QCOMPARE(cancelled.count(), 1);
    QCOMPARE(cancelled.front().front().toLongLong(), 1);
}

void JobsDockTest::enterOpensTheRun() {
    JobList jobs;
    JobsDock dock(jobs);
    jobs.add(5, Spec{.study = "lm.generate"}, {});
    auto* view = dock.findChild<QTreeView*>();
    view->setCurrentIndex(jobs.index(0, 0));
    QSignalSpy opened(&dock, &JobsDock::openRequested);
    QTest::keyClick(view, Qt::Key_Return);
    QCOMPARE(opened.count(), 1);
    QCOMPARE(opened.front().front().toLongLong(), 5);
}

LATHE_TEST(JobsDockTest);

} // namespace lathe

#include "jobs_dock_test.moc"
