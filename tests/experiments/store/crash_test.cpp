// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/process_identity.h"
#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"
#include "tests/support/lathe_test.h"

#include <QProcess>

#include <set>
#include <unistd.h>

namespace lathe {

/// A program that is killed while it writes: its store is whole and holds all that was shown.
class StoreCrashTest : public QObject {
    Q_OBJECT
private slots:
    void killedWriterLeavesAWholeStore_data();
    void killedWriterLeavesAWholeStore();
    void aLiveRunOfAnotherProgramIsLeftAlone();
    void identityTellsReusedProcessIds();
};

namespace {

constexpr int kPatienceMs = 60'000;

/// A second program that writes one endless run and prints the numbers of what it handed on.
class Victim {
public:
    explicit Victim(const std::filesystem::path& store) {
        m_process.start(
            QString::fromStdString((test::programFolder() / "store_writer").string()),
            {"endless", QString::fromStdString(store.string())});
    }
    ~Victim() {
        m_process.kill();
        m_process.waitForFinished();
    }
    std::string line() {
        while (!m_process.canReadLine()) {
            if (!m_process.waitForReadyRead(kPatienceMs)) {
                return {};
            }
        }
        return m_process.readLine().trimmed().toStdString();
    }
    /// SIGKILL; what it had printed until then.
    std::vector<std::int64_t> killAndReadRest() {
        m_process.kill();
        m_process.waitForFinished(kPatienceMs);
        std::vector<std::int64_t> numbers;
        while (m_process.canReadLine()) {
            numbers.push_back(m_process.readLine().trimmed().toLongLong());
        }
        return numbers;
    }
    bool wasKilled() const { return m_process.exitStatus() == QProcess::CrashExit; }

private:
    QProcess m_process;
};

std::string integrity(const std::filesystem::path& store) {
    Database db(store, Database::Mode::ReadOnly);
    Statement check = db.prepare("PRAGMA integrity_check");
    return check.step() ? check.text(0) : "no answer";
}

} // namespace

void StoreCrashTest::killedWriterLeavesAWholeStore_data() {
    QTest::addColumn<int>("shown");
    for (const int shown : {0, 1, 17, 400, 3000}) {
        QTest::addRow("%d", shown) << shown;
    }
}

void StoreCrashTest::killedWriterLeavesAWholeStore() {
    QFETCH(int, shown);
    const test::TemporaryFolder folder;
    const auto store = folder.path() / "runs.db";
    Victim victim(store);
    QCOMPARE(victim.line(), std::string("run 1"));
    std::set<std::int64_t> seen;
    for (int i = 0; i < shown; ++i) {
        seen.insert(std::stoll("0" + victim.line()));
    }
    for (const std::int64_t number : victim.killAndReadRest()) {
        seen.insert(number);
    }
    QVERIFY(victim.wasKilled());
    QVERIFY(seen.size() >= static_cast<std::size_t>(shown));
    QVERIFY(!seen.contains(0));

    QCOMPARE(integrity(store), std::string("ok"));
    RunReader reader(store);
    QCOMPARE(reader.run(1)->state, seen.empty() ? reader.run(1)->state : RunState::Running);
    std::set<std::int64_t> stored;
    for (const Event& event : reader.events(1, 0, 10'000'000)) {
        stored.insert(event.seq);
    }
    QVERIFY(std::ranges::includes(stored, seen));
    QVERIFY(stored.empty() || *stored.rbegin() == static_cast<std::int64_t>(stored.size()));

    const RunWriter next(store, {}); // as the next program that uses the store
    const auto run = reader.run(1);
    QCOMPARE(run->state, RunState::Interrupted);
    QVERIFY(run->finishedMs >= run->createdMs);
    for (const CellRow& cell : reader.cells(1)) {
        QVERIFY(cell.state != CellState::Running);
    }
}

void StoreCrashTest::aLiveRunOfAnotherProgramIsLeftAlone() {
    const test::TemporaryFolder folder;
    const auto store = folder.path() / "runs.db";
    Victim victim(store);
    QCOMPARE(victim.line(), std::string("run 1"));
    QCOMPARE(victim.line(), std::string("1")); // it is running now
    RunReader reader(store);
    {
        RunWriter writer(store, {});
        QCOMPARE(reader.run(1)->state, RunState::Running);
        QCOMPARE(writer.insertRun(Spec{.study = "lm.generate"}), 2);
    }
    QCOMPARE(reader.run(1)->state, RunState::Running);
    QCOMPARE(reader.run(2)->state, RunState::Queued); // this very process still lives
    victim.killAndReadRest();
    const RunWriter writer(store, {});
    QCOMPARE(reader.run(1)->state, RunState::Interrupted);
    QCOMPARE(reader.run(2)->state, RunState::Queued);
}

void StoreCrashTest::identityTellsReusedProcessIds() {
    const ProcessIdentity self = thisProcess();
    QCOMPARE(self.pid, std::int64_t{getpid()});
    QVERIFY(self.startTicks > 0);
    QVERIFY(!isGone(self));
    ProcessIdentity other = self;
    other.startTicks += 1; // the id was given to another process since
    QVERIFY(isGone(other));
    other = self;
    other.boot = "of an earlier start";
    QVERIFY(isGone(other));
    other = self;
    other.pid = 0x7FFFFFFF;
    QVERIFY(isGone(other));
    other.host = "another host"; // cannot be seen from here
    QVERIFY(!isGone(other));
}

LATHE_TEST(StoreCrashTest);

} // namespace lathe

#include "crash_test.moc"
