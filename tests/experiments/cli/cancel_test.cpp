// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/cli/command_line.h"

#include <csignal>
#include <set>

namespace lathe {

/// Ctrl-C, a closed pipe, kill -9, and going on from there.
class CliCancelTest : public QObject {
    Q_OBJECT
private slots:
    void init() { m_cli = std::make_unique<test::CommandLine>(); }
    void aSignalCancelsTheRun_data();
    void aSignalCancelsTheRun();
    void resumingKeepsTheFinishedCells();
    void resumingByTheSameCommand();
    void aFinishedRunIsNotComputedAgain();
    void otherParametersDoNotResume();
    void aClosedPipeCancels();
    void aKilledRunIsInterrupted();

private:
    /// Runs the sweep until its first cell is out, then sends the signal.
    test::Outcome stoppedBy(int signal) const {
        const auto process = m_cli->start(kSweep);
        const std::string begun = test::readLines(*process, 1);
        ::kill(static_cast<pid_t>(process->processId()), signal);
        return test::finish(*process, begun);
    }
    /// Metrics by "method bits".
    static std::map<std::string, Json> cellsOf(const std::vector<Json>& lines) {
        std::map<std::string, Json> cells;
        for (const Json& line : lines) {
            if (line.contains("metrics")) {
                const Json& params = line.at("params");
                cells[params.at("method").get<std::string>() + " " + dumpJson(params.at("bits"))] =
                    line.at("metrics");
            }
        }
        return cells;
    }
    /// Indices of the cells of a run that were begun, from its events.
    std::set<int> begun(int run) const {
        std::set<int> cells;
        const Json stored = m_cli->exported(run);
        for (const Json& event : stored.at("events")) {
            if (event.at("kind") == "cell" && event.at("payload").at("state") == "running") {
                cells.insert(event.at("cell").get<int>());
            }
        }
        return cells;
    }

    static const std::vector<std::string> kSweep;
    std::unique_ptr<test::CommandLine> m_cli;
};

// Eight cells that take a while each: the signal finds it at work.
const std::vector<std::string> CliCancelTest::kSweep{
    "quant.sweep",   "lm-little", "--methods",       "rtn", "--bits", "2,3,4,5,6,7,8",
    "--max-windows", "10",        "--sample-tokens", "4"};

void CliCancelTest::aSignalCancelsTheRun_data() {
    QTest::addColumn<int>("signal");
    QTest::newRow("SIGINT") << SIGINT;
    QTest::newRow("SIGTERM") << SIGTERM;
    QTest::newRow("SIGHUP") << SIGHUP;
}

void CliCancelTest::aSignalCancelsTheRun() {
    QFETCH(int, signal);
    const test::Outcome outcome = stoppedBy(signal);
    QCOMPARE(outcome.status, 130);
    const std::vector<Json> lines = outcome.lines();
    QVERIFY(lines.size() >= 2 && lines.size() < 9);
    QCOMPARE(lines.back().at("state"), Json("cancelled"));
    QVERIFY(lines.back().contains("error"));
    for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        QVERIFY(lines[i].contains("metrics"));
    }
    QVERIFY2(outcome.err.find("--resume 1") != std::string::npos, outcome.err.c_str());
    const Json run = m_cli->json({"runs", "list"}).lines().at(0);
    QCOMPARE(run.at("state"), Json("cancelled"));
    QCOMPARE(run.at("cells_done").get<std::size_t>(), lines.size() - 1);
    QCOMPARE(run.at("cells_total").get<int>(), 8);
}

void CliCancelTest::resumingKeepsTheFinishedCells() {
    const test::Outcome first = stoppedBy(SIGINT);
    QCOMPARE(first.status, 130);
    const std::map<std::string, Json> kept = cellsOf(first.lines());

    const test::Outcome second = m_cli->json({"quant.sweep", "--resume", "1"});
    QCOMPARE(second.status, 0);
    const std::map<std::string, Json> all = cellsOf(second.lines());
    QCOMPARE(all.size(), 8U);
    for (const auto& [name, metrics] : kept) {
        QCOMPARE(all.at(name), metrics); // to the last digit of its time
    }
    std::set<int> expected;
    for (int cell = static_cast<int>(kept.size()); cell < 8; ++cell) {
        expected.insert(cell);
    }
    QCOMPARE(begun(2), expected);
    const Json run = m_cli->exported(2);
    QCOMPARE(run.at("state"), Json("done"));
    QCOMPARE(run.at("cells").size(), 8U);
    QCOMPARE(m_cli->exported(1).at("state"), Json("cancelled")); // stays as it was
}

void CliCancelTest::resumingByTheSameCommand() {
    const test::Outcome first = stoppedBy(SIGINT);
    std::vector<std::string> again = kSweep;
    again.insert(again.end(), {"--resume", "last"});
    const test::Outcome second = m_cli->json(again);
    QCOMPARE(second.status, 0);
    QCOMPARE(cellsOf(second.lines()).size(), 8U);
    QCOMPARE(begun(2).size(), 8U - cellsOf(first.lines()).size());
    // Computed whole, the numbers are the same.
    const std::map<std::string, Json> whole = cellsOf(m_cli->json(kSweep).lines());
    QCOMPARE(begun(3).size(), 8U);
    for (const auto& [name, metrics] : cellsOf(second.lines())) {
        QCOMPARE(whole.at(name).at("output_hash"), metrics.at("output_hash"));
        QCOMPARE(whole.at(name).at("kl_mean"), metrics.at("kl_mean"));
    }
}

void CliCancelTest::aFinishedRunIsNotComputedAgain() {
    const std::vector<std::string> sweep{"quant.sweep",     "lm-little", "--methods",     "rtn",
                                         "--bits",          "3,4",       "--max-windows", "2",
                                         "--sample-tokens", "2"};
    const std::vector<Json> first = m_cli->json(sweep).lines();
    QCOMPARE(first.size(), 3U);
    const test::Outcome again = m_cli->json({"quant.sweep", "--resume", "1"});
    QCOMPARE(again.status, 0);
    QCOMPARE(cellsOf(again.lines()), cellsOf(first));
    QVERIFY(begun(2).empty());
}

void CliCancelTest::otherParametersDoNotResume() {
    QCOMPARE(
        m_cli->json({"lm.generate", "lm-little", "--prompt", "x", "--max-new", "1"}).status, 0);
    const auto refusal = [&](const std::vector<std::string>& call, const std::string& part) {
        const test::Outcome outcome = m_cli->json(call);
        QCOMPARE(outcome.status, 2);
        QVERIFY2(outcome.message().find(part) != std::string::npos, outcome.err.c_str());
    };
    refusal({"quant.sweep", "--resume", "1"}, "run 1 is of lm.generate, not of quant.sweep");
    refusal({"lm.generate", "--resume", "9"}, "no run 9");
    refusal(
        {"lm.generate", "lm-little", "--prompt", "y", "--max-new", "1", "--resume", "last"},
        "no earlier run of this very command");
    QCOMPARE(m_cli->json({"runs", "list"}).lines().size(), 1U);
}

void CliCancelTest::aClosedPipeCancels() {
    QProcess reader; // as in `lathe-run ... --json - | head -n 1`
    const auto process = m_cli->start(kSweep, &reader);
    reader.start(QStringLiteral("head"), {QStringLiteral("-n"), QStringLiteral("1")});
    QCOMPARE(test::jsonLines(test::finish(reader).out).size(), 1U);
    QCOMPARE(test::finish(*process).status, 130);
    QCOMPARE(m_cli->exported(1).at("state"), Json("cancelled"));
    QVERIFY(begun(1).size() < 8);
}

void CliCancelTest::aKilledRunIsInterrupted() {
    const test::Outcome killed = stoppedBy(SIGKILL);
    QCOMPARE(killed.status, -1);
    const std::size_t seen = cellsOf(killed.lines()).size();
    QVERIFY(seen >= 1);
    const Json run = m_cli->json({"runs", "list"}).lines().at(0);
    QCOMPARE(run.at("state"), Json("interrupted"));
    QVERIFY(run.at("cells_done").get<std::size_t>() >= seen); // all that was shown is stored
    const test::Outcome second = m_cli->json({"quant.sweep", "--resume", "1"});
    QCOMPARE(second.status, 0);
    QCOMPARE(begun(2).size(), 8U - run.at("cells_done").get<std::size_t>());
}

LATHE_TEST(CliCancelTest);

} // namespace lathe

#include "cancel_test.moc"
