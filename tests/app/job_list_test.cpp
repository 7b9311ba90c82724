// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/job_list.h"

#include "tests/support/lathe_test.h"

#include <QAbstractItemModelTester>
#include <QSignalSpy>

namespace lathe {

namespace {

Spec sweep() {
    Spec spec{.study = "quant.sweep"};
    spec.sweep = {{"bits", {2, 3, 4}}};
    return spec;
}

Event eventOf(std::int64_t run, double seconds, Payload payload) {
    const std::chrono::duration<double> at(seconds);
    return {
        run, -1, 1, std::chrono::duration_cast<std::chrono::nanoseconds>(at), std::move(payload)};
}

} // namespace

class JobListTest : public QObject {
    Q_OBJECT
private slots:
    void stopMeansTheRunningOrTheOldestJob();
    void init() { QLocale::setDefault(QLocale::c()); }
    void followsARunToItsEnd();
    void cancelAnswersAtOnce();
    void etaNeedsThreeSteps();
    void otherRunsAreLeftAlone();
    void finishedJobsAreClearedAway();
    void longSessionsForgetOldJobs();

private:
    static QString text(const JobList& jobs, int row, int column) {
        return jobs.index(row, column).data().toString();
    }
    static void take(JobList& jobs, Event one) { jobs.onEvents({&one, 1}); }
};

void JobListTest::followsARunToItsEnd() {
    JobList jobs;
    const QAbstractItemModelTester tester(
        &jobs, QAbstractItemModelTester::FailureReportingMode::QtTest);
    jobs.add(7, sweep(), QStringLiteral("First sweep"));
    QCOMPARE(text(jobs, 0, JobList::RunColumn), QStringLiteral("#7 First sweep"));
    QCOMPARE(text(jobs, 0, JobList::DoneColumn), QStringLiteral("0 / 3"));
    QVERIFY(text(jobs, 0, JobList::ElapsedColumn).isEmpty());
    QCOMPARE(jobs.activeCount(), 1);
    QCOMPARE(jobs.runningId(), 0);

    take(jobs, eventOf(7, 0, RunChanged{RunState::Running, "", {{"cells", 4U}}}));
    QCOMPARE(jobs.runningId(), 7);
    QCOMPARE(text(jobs, 0, JobList::DoneColumn), QStringLiteral("0 / 4"));
    take(jobs, eventOf(7, 1, CellChanged{CellState::Running, "a"}));
    take(jobs, eventOf(7, 2, CellChanged{CellState::Done, "a"}));
    take(jobs, eventOf(7, 2, Progress{0.25, "rtn 2 bit"}));
    QCOMPARE(text(jobs, 0, JobList::DoneColumn), QStringLiteral("1 / 4"));
    QCOMPARE(jobs.index(0, 0).data(JobList::FractionRole).toDouble(), 0.25);
    QCOMPARE(jobs.index(0, 0).data(JobList::PhaseRole).toString(), QStringLiteral("rtn 2 bit"));
    QCOMPARE(text(jobs, 0, JobList::LeftColumn), JobList::tr("estimating…"));

    take(jobs, eventOf(7, 9, RunChanged{RunState::Failed, "out of memory"}));
    QCOMPARE(jobs.activeCount(), 0);
    QCOMPARE(
        jobs.index(0, JobList::StateColumn).data(Qt::ToolTipRole).toString(),
        QStringLiteral("out of memory"));
    QVERIFY(text(jobs, 0, JobList::LeftColumn).isEmpty());
}

void JobListTest::cancelAnswersAtOnce() {
    JobList jobs;
    jobs.add(7, sweep(), {});
    take(jobs, eventOf(7, 0, RunChanged{RunState::Running}));
    QSignalSpy changed(&jobs, &QAbstractItemModel::dataChanged);
    jobs.cancelAsked(7);
    QCOMPARE(changed.count(), 1);
    QCOMPARE(text(jobs, 0, JobList::StateColumn), JobList::tr("cancelling…"));
    QCOMPARE(jobs.index(0, 0).data(JobList::ActiveRole).toBool(), false); // not twice
    QVERIFY(jobs.isActive(7));
    take(jobs, eventOf(7, 1, RunChanged{RunState::Cancelled}));
    QVERIFY(!jobs.isActive(7));
    jobs.cancelAsked(7); // nothing is left to cancel
    QVERIFY(text(jobs, 0, JobList::StateColumn) != JobList::tr("cancelling…"));
}

void JobListTest::etaNeedsThreeSteps() {
    JobList jobs;
    jobs.add(7, sweep(), {});
    take(jobs, eventOf(7, 0, RunChanged{RunState::Running}));
    for (int i = 1; i <= 4; ++i) {
        take(jobs, eventOf(7, 10.0 * i, Progress{0.1 * i, "p"}));
    }
    const QString left = text(jobs, 0, JobList::LeftColumn);
    QVERIFY2(left.contains(QStringLiteral("1 min")), qPrintable(left));
}

void JobListTest::otherRunsAreLeftAlone() {
    JobList jobs;
    jobs.add(7, sweep(), {});
    QSignalSpy changed(&jobs, &QAbstractItemModel::dataChanged);
    take(jobs, eventOf(8, 1, RunChanged{RunState::Done}));
    QCOMPARE(changed.count(), 0);
    QCOMPARE(jobs.activeCount(), 1);
}

void JobListTest::finishedJobsAreClearedAway() {
    JobList jobs;
    const QAbstractItemModelTester tester(
        &jobs, QAbstractItemModelTester::FailureReportingMode::QtTest);
    for (const std::int64_t id : {1, 2, 3}) {
        jobs.add(id, sweep(), {});
    }
    take(jobs, eventOf(2, 1, RunChanged{RunState::Done}));
    jobs.clearFinished();
    QCOMPARE(jobs.rowCount(), 2);
    QCOMPARE(text(jobs, 0, JobList::RunColumn), QStringLiteral("#3 quant.sweep"));
}

void JobListTest::longSessionsForgetOldJobs() {
    JobList jobs;
    const QAbstractItemModelTester tester(
        &jobs, QAbstractItemModelTester::FailureReportingMode::QtTest);
    for (int id = 1; id <= 250; ++id) {
        jobs.add(id, sweep(), {});
        take(jobs, eventOf(id, 1, RunChanged{RunState::Done}));
    }
    QCOMPARE(jobs.rowCount(), 200);
    QVERIFY(text(jobs, 0, JobList::RunColumn).startsWith(QStringLiteral("#250")));
}

void JobListTest::stopMeansTheRunningOrTheOldestJob() {
    JobList jobs;
    QCOMPARE(jobs.stoppableId(), 0);
    for (const qint64 id : {4, 5, 6}) {
        jobs.add(id, Spec{.study = "quant.sweep"}, {});
    }
    QCOMPARE(jobs.stoppableId(), 4);
    const std::vector<Event> started{{5, -1, 1, {}, RunChanged{RunState::Running}}};
    jobs.onEvents(started);
    QCOMPARE(jobs.stoppableId(), 5);
    const std::vector<Event> ended{
        {5, -1, 2, {}, RunChanged{RunState::Done}},
        {4, -1, 1, {}, RunChanged{RunState::Cancelled}}};
    jobs.onEvents(ended);
    QCOMPARE(jobs.stoppableId(), 6);
}

LATHE_TEST(JobListTest);

} // namespace lathe

#include "job_list_test.moc"
