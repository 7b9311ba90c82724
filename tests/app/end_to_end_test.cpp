// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/job_list.h"
#include "tests/app/running_window.h"
#include "tests/support/lathe_test.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/quant/sweep_controls.h"
#include "widgets/quant/sweep_results.h"

#include <QProcess>
#include <QProcessEnvironment>

#include <algorithm>

#include <csignal>
#include <memory>
#include <set>

namespace lathe {

namespace {

constexpr int kRunTimeoutMs = 100000; ///< generous: sanitizers and busy machines

Spec smallSweep() {
    Spec spec{.study = "quant.sweep"};
    spec.params = {
        {"model", "lm-little"}, {"window", 64}, {"max_windows", 5}, {"sample_tokens", 4}};
    spec.sweep = {{"method", {"rtn", "kmeans"}}, {"bits", {3, 8}}};
    return spec;
}

/// Long enough to be killed in its middle.
Spec longSweep() {
    Spec spec = smallSweep();
    spec.params["max_windows"] = 0;
    spec.params["window"] = 0;
    spec.sweep["bits"] = {2, 3, 4, 5, 6, 8};
    return spec;
}

} // namespace

/// The real window with the real engine: what is on screen, what is in the store, and what the
/// command line exports are the same.
class EndToEndTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_folder = std::make_unique<test::TemporaryFolder>(); }
    void screenStoreAndExportAgree();
    void aKilledEngineIsSurvived();
    void theFirstStartRunsASweepOnce();
    void theFirstSweepYields();
    void aKilledWindowLeavesAWholeStore();

private:
    test::RunningWindow& start(test::RunningWindow::Options options) {
        m_running.reset();
        m_running = std::make_unique<test::RunningWindow>(m_folder->path(), std::move(options));
        return *m_running;
    }
    void cleanup() {
        if (m_running) {
            m_running->window.closeUnasked();
            m_running.reset();
        }
    }
    QuantPanel& panel() const { return *m_running->window.findChild<QuantPanel*>(); }
    std::filesystem::path store() const { return m_folder->path() / "runs.db"; }
    Json exported(qint64 runId) const;
    void compareScreen(qint64 runId);

    std::unique_ptr<test::TemporaryFolder> m_folder;
    std::unique_ptr<test::RunningWindow> m_running;
};

Json EndToEndTest::exported(qint64 runId) const {
    QProcess process;
    process.start(
        QString::fromStdString((test::programFolder() / "lathe-run").string()),
        {QStringLiteral("runs"), QStringLiteral("export"), QString::number(runId),
         QStringLiteral("--store"), QString::fromStdString(store().string())});
    return process.waitForFinished(kRunTimeoutMs) && process.exitCode() == 0
               ? parseJson(process.readAllStandardOutput().toStdString(), "exported run")
               : Json();
}

void EndToEndTest::compareScreen(qint64 runId) {
    const std::vector<CellRow> rows = m_running->workbench.reader().cells(runId);
    const Json json = exported(runId);
    const CellTableModel& table = panel().results().table();
    QCOMPARE(table.rowCount(), static_cast<int>(rows.size()));
    QCOMPARE(json.at("cells").size(), rows.size());
    std::set<std::pair<double, double>> points;
    for (const PlotSeries& series : panel().results().plot().series()) {
        for (const PlotPoint& point : series.points) {
            points.emplace(point.x, point.y);
        }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const CellRow& row = rows[i];
        const Json& cell = json.at("cells").at(i);
        QCOMPARE(dumpJson(cell.at("metrics")), dumpJson(row.metrics));
        QCOMPARE(dumpJson(cell.at("params")), dumpJson(row.params));
        if (row.state != CellState::Done) {
            continue;
        }
        const int shown = table.rowOf(row.index);
        QVERIFY(shown >= 0);
        const double perplexity = row.metrics.at("perplexity").get<double>();
        QCOMPARE(
            table.index(shown, CellTableModel::PerplexityColumn).data(Qt::EditRole).toDouble(),
            perplexity);
        QCOMPARE(
            table.index(shown, CellTableModel::MethodColumn).data().toString().toStdString(),
            row.params.at("method").get<std::string>());
        const double bytes = row.metrics.at("bytes").get<double>();
        const bool drawn = std::ranges::any_of(points, [&](const auto& point) {
            return point.second == perplexity &&
                   (point.first == bytes ||
                    std::abs(point.first - bytes / (1024.0 * 1024.0)) < 1e-9);
        });
        QVERIFY2(drawn, qPrintable(QStringLiteral("cell %1 is not in the plot").arg(row.index)));
    }
}

void EndToEndTest::screenStoreAndExportAgree() {
    test::RunningWindow& running = start({.engine = test::realEngine()});
    QVERIFY(running.waitForEngine());
    QVERIFY(QTest::qWaitForWindowActive(&running.window));
    QVERIFY(panel().editSpec(smallSweep()));
    QCOMPARE(panel().controls().problem(), QString());
    QTest::keyClick(&running.window, Qt::Key_R, Qt::ControlModifier);
    const JobList& jobs = running.workbench.jobs();
    QCOMPARE(jobs.rowCount(), 1);
    const qint64 id = jobs.index(0, 0).data(JobList::RunIdRole).toLongLong();
    QTRY_VERIFY_WITH_TIMEOUT(!jobs.isActive(id), kRunTimeoutMs);
    QCOMPARE(running.storedState(id), std::string("done"));
    QCOMPARE(jobs.index(0, JobList::DoneColumn).data().toString(), QStringLiteral("5 / 5"));
    compareScreen(id);
    const std::vector<CellRow> rows = running.workbench.reader().cells(id);
    QCOMPARE(rows.size(), std::size_t{5});
    for (const CellRow& row : rows) {
        QCOMPARE(row.state, CellState::Done);
    }
    // Read anew from the store, the run looks the same.
    QVERIFY(panel().showRun(id));
    compareScreen(id);
    cleanup();
}

void EndToEndTest::aKilledEngineIsSurvived() {
    test::RunningWindow& running = start({.engine = test::realEngine()});
    QVERIFY(running.waitForEngine());
    const qint64 id = running.workbench.submit(longSweep(), QStringLiteral("to be killed"));
    QVERIFY(panel().showRun(id));
    const CellTableModel& table = panel().results().table();
    const auto shownDone = [&table] {
        std::vector<int> done;
        for (int row = 0; row < table.rowCount(); ++row) {
            if (table.cell(row)->state == CellState::Done) {
                done.push_back(table.cell(row)->index);
            }
        }
        return done;
    };
    QTRY_VERIFY_WITH_TIMEOUT(!shownDone().empty(), kRunTimeoutMs);
    const int killed = running.workbench.enginePid();
    QVERIFY(killed > 0);
    const std::vector<int> onScreen = shownDone();
    QCOMPARE(::kill(killed, SIGKILL), 0);
    QTRY_VERIFY_WITH_TIMEOUT(!running.workbench.jobs().isActive(id), kRunTimeoutMs);
    const auto row = running.workbench.reader().run(id);
    QCOMPARE(row->state, RunState::Crashed);
    QVERIFY2(row->message.find("signal 9") != std::string::npos, row->message.c_str());
    QVERIFY2(row->message.find(test::kEngineWord) != std::string::npos, row->message.c_str());
    std::set<int> stored;
    for (const CellRow& cell : running.workbench.reader().cells(id)) {
        if (cell.state == CellState::Done) {
            stored.insert(cell.index);
        }
    }
    for (const int cell : onScreen) {
        QVERIFY(stored.contains(cell)); // whatever was on screen is in the store
    }
    QCOMPARE(running.window.banner().currentId(), QStringLiteral("crash"));
    QVERIFY(running.window.banner().text().contains(QString::number(id)));

    const qint64 next = running.workbench.submit(smallSweep(), QStringLiteral("the next"));
    QTRY_VERIFY_WITH_TIMEOUT(!running.workbench.jobs().isActive(next), kRunTimeoutMs);
    QCOMPARE(running.storedState(next), std::string("done"));
    QVERIFY(running.workbench.enginePid() != killed);
    cleanup();
}

void EndToEndTest::theFirstStartRunsASweepOnce() {
    const QString spec = QString::fromStdString(
        (test::sourceFolder() / "experiments" / "specs" / "first_start.json").string());
    test::RunningWindow& running =
        start({.engine = test::realEngine(), .safeMode = false, .firstStart = spec});
    QVERIFY(running.waitForEngine());
    const JobList& jobs = running.workbench.jobs();
    QTRY_COMPARE(jobs.rowCount(), 1);
    QCOMPARE(running.window.banner().currentId(), QStringLiteral("demo"));
    QTRY_VERIFY_WITH_TIMEOUT(panel().results().table().rowCount() > 0, kRunTimeoutMs);
    QTRY_VERIFY_WITH_TIMEOUT(!panel().results().plot().series().empty(), kRunTimeoutMs);
    const qint64 id = jobs.index(0, 0).data(JobList::RunIdRole).toLongLong();
    QTRY_COMPARE(running.workbench.reader().run(id)->tags, std::string("demo"));
    running.workbench.cancel(id);
    QTRY_VERIFY_WITH_TIMEOUT(!jobs.isActive(id), kRunTimeoutMs);
    QVERIFY(running.window.banner().currentId().isEmpty());
    cleanup();

    test::RunningWindow& again =
        start({.engine = test::realEngine(), .safeMode = false, .firstStart = spec});
    QVERIFY(again.waitForEngine());
    QCOMPARE(again.workbench.jobs().rowCount(), 0);
    cleanup();
}

void EndToEndTest::theFirstSweepYields() {
    const QString spec = QString::fromStdString(
        (test::sourceFolder() / "experiments" / "specs" / "first_start.json").string());
    test::RunningWindow& running =
        start({.engine = test::realEngine(), .safeMode = false, .firstStart = spec});
    QVERIFY(running.waitForEngine());
    const JobList& jobs = running.workbench.jobs();
    QTRY_VERIFY_WITH_TIMEOUT(jobs.runningId() != 0, kRunTimeoutMs);
    const qint64 first = jobs.runningId();
    const qint64 own = running.workbench.submit(smallSweep(), QStringLiteral("mine"));
    QTRY_VERIFY_WITH_TIMEOUT(!jobs.isActive(own), kRunTimeoutMs);
    QCOMPARE(running.storedState(own), std::string("done"));
    QCOMPARE(running.storedState(first), std::string("cancelled"));
    cleanup();
}

void EndToEndTest::aKilledWindowLeavesAWholeStore() {
    QProcess program;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("offscreen"));
    for (const char* variable : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"}) {
        environment.insert(
            QLatin1String(variable), QString::fromStdString(m_folder->path().string()));
    }
    program.setProcessEnvironment(environment);
    program.start(
        QString::fromStdString((test::programFolder() / "lathe").string()),
        {QStringLiteral("--store"), QString::fromStdString(store().string())});
    QVERIFY(program.waitForStarted(kRunTimeoutMs));
    // The first sweep runs by itself; its first cell is the sign to strike.
    const auto doneCells = [this] {
        if (!std::filesystem::exists(store())) {
            return std::size_t{0};
        }
        try {
            RunReader reader(store());
            std::size_t done = 0;
            for (const CellRow& cell : reader.cells(1)) {
                done += cell.state == CellState::Done ? 1 : 0;
            }
            return done;
        } catch (const Error&) {
            return std::size_t{0}; // it is being made
        }
    };
    QTRY_VERIFY_WITH_TIMEOUT(doneCells() > 0, kRunTimeoutMs);
    const std::size_t before = doneCells();
    program.kill();
    QVERIFY(program.waitForFinished(kRunTimeoutMs));
    QVERIFY(doneCells() >= before);

    test::RunningWindow& running = start({.engine = test::realEngine()});
    QVERIFY(running.waitForPanels());
    QCOMPARE(running.storedState(1), std::string("interrupted"));
    QCOMPARE(running.window.banner().currentId(), QStringLiteral("interrupted"));
    QVERIFY(panel().showRun(1));
    compareScreen(1);
    cleanup();
}

LATHE_TEST(EndToEndTest);

} // namespace lathe

#include "end_to_end_test.moc"
