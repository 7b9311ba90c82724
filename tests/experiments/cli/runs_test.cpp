// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/cli/command_line.h"

#include <fstream>
#include <set>

namespace lathe {

/// `lathe-run runs ...` on a store with three runs: a sweep, a text, a failure.
class CliRunsTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void listIsNewestFirst();
    void listIsFiltered_data();
    void listIsFiltered();
    void listIsLimited();
    void showTellsParametersAndResults();
    void exportIsTheWholeRun();
    void exportOfCellsIsCsv();
    void unknownRunsAreRefused();
    void tagsAndNotesAreKept();
    void storesAreApart();
    void theUsersStoreIsInTheDataFolder();

private:
    std::vector<int> listed(const std::vector<std::string>& filter) const {
        std::vector<std::string> call{"runs", "list"};
        call.insert(call.end(), filter.begin(), filter.end());
        std::vector<int> ids;
        for (const Json& run : m_cli.json(call).lines()) {
            ids.push_back(run.at("run").get<int>());
        }
        return ids;
    }

    test::CommandLine m_cli;
};

void CliRunsTest::initTestCase() {
    QCOMPARE(
        m_cli
            .run(
                {"quant.sweep", "lm-little", "--methods", "rtn", "--bits", "3,8", "--window", "32",
                 "--max-windows", "6", "--sample-tokens", "2", "--title", "tiny sweep"})
            .status,
        0);
    QCOMPARE(
        m_cli
            .run(
                {"lm.generate", "lm-little", "--prompt", "He said, \"well\"", "--max-new", "3",
                 "--seed", "42"})
            .status,
        0);
    QCOMPARE(m_cli.run({"lm.perplexity", "lm-little", "--text", "absent.txt"}).status, 2);
}

void CliRunsTest::listIsNewestFirst() {
    const std::vector<Json> runs = m_cli.json({"runs", "list"}).lines();
    QCOMPARE(runs.size(), 3U);
    QCOMPARE(listed({}), (std::vector<int>{3, 2, 1}));
    QCOMPARE(runs[0].at("state"), Json("failed"));
    QCOMPARE(runs[1].at("study"), Json("lm.generate"));
    QCOMPARE(runs[1].at("spec").at("seed"), Json(42));
    QCOMPARE(runs[2].at("title"), Json("tiny sweep"));
    QCOMPARE(runs[2].at("cells_done"), Json(3));
    QCOMPARE(runs[2].at("device"), Json("cpu"));

    const test::Outcome table = m_cli.run({"runs", "list"});
    QCOMPARE(table.status, 0);
    QCOMPARE(table.err, "");
    const QStringList rows = QString::fromStdString(table.out).split('\n', Qt::SkipEmptyParts);
    QCOMPARE(rows.size(), 4);
    QVERIFY(rows[1].contains("lm.perplexity") && rows[1].contains("failed"));
    QVERIFY(rows[3].contains("tiny sweep") && rows[3].contains("3/3"));
}

void CliRunsTest::listIsFiltered_data() {
    QTest::addColumn<QString>("filter");
    QTest::addColumn<QList<int>>("expected");
    QTest::newRow("study") << "study:quant" << QList<int>{1};
    QTest::newRow("state") << "state:done" << QList<int>{2, 1};
    QTest::newRow("both") << "study:lm state:failed" << QList<int>{3};
    QTest::newRow("title") << "tiny" << QList<int>{1};
    QTest::newRow("metric") << "metric.kl_mean<0.5" << QList<int>{1};
    QTest::newRow("nothing") << "state:crashed" << QList<int>{};
}

void CliRunsTest::listIsFiltered() {
    QFETCH(QString, filter);
    QFETCH(QList<int>, expected);
    std::vector<std::string> terms;
    for (const QString& term : filter.split(' ')) {
        terms.push_back(term.toStdString());
    }
    QCOMPARE(listed(terms), std::vector<int>(expected.begin(), expected.end()));
}

void CliRunsTest::listIsLimited() {
    QCOMPARE(listed({"--limit", "2"}), (std::vector<int>{3, 2}));
    const test::Outcome table = m_cli.run({"runs", "list", "--limit", "1"});
    QVERIFY2(table.out.find("1 of 3 runs") != std::string::npos, table.out.c_str());
}

void CliRunsTest::showTellsParametersAndResults() {
    const test::Outcome shown = m_cli.run({"runs", "show", "1"});
    QCOMPARE(shown.status, 0);
    for (const char* part :
         {"tiny sweep", "quant.sweep", "done", "3 of 3", "cell 0 (done)", "cell 2 (done)",
          "method = rtn", "bits = 8", "perplexity: ", "kl_mean: ", "sample: "}) {
        QVERIFY2(shown.out.find(part) != std::string::npos, part);
    }
    const Json run = m_cli.json({"runs", "show", "1"}).lines().at(0);
    QCOMPARE(run.at("cells").size(), 3U);
    QVERIFY(!run.contains("events"));
    QVERIFY(run.at("environment").is_object() && !run.at("environment").empty());
    const test::Outcome failed = m_cli.run({"runs", "show", "3"});
    QVERIFY(failed.out.find("absent.txt: cannot be read") != std::string::npos);
}

void CliRunsTest::exportIsTheWholeRun() {
    const test::Outcome pretty = m_cli.run({"runs", "export", "1"});
    QCOMPARE(pretty.status, 0);
    const Json run = parseJson(pretty.out, "export");
    QCOMPARE(run, m_cli.exported(1));
    QCOMPARE(run.at("id"), Json(1));
    QCOMPARE(run.at("state"), Json("done"));
    QCOMPARE(run.at("spec").at("sweep").at("bits"), Json({3, 8}));
    QVERIFY(run.at("environment").contains("build"));
    std::int64_t before = -1;
    std::set<std::string> kinds;
    for (const Json& event : run.at("events")) {
        const auto seq = event.at("seq").get<std::int64_t>();
        QVERIFY(seq > before);
        before = seq;
        kinds.insert(event.at("kind").get<std::string>());
    }
    QVERIFY(kinds.contains("run") && kinds.contains("cell"));
    for (const Json& cell : run.at("cells")) {
        QCOMPARE(cell.at("state"), Json("done"));
        QVERIFY(cell.at("metrics").contains("perplexity"));
    }
}

void CliRunsTest::exportOfCellsIsCsv() {
    const test::Outcome csv = m_cli.run({"runs", "export", "1", "--format", "csv"});
    QCOMPARE(csv.status, 0);
    const QStringList rows = QString::fromStdString(csv.out).split("\r\n", Qt::SkipEmptyParts);
    QCOMPARE(rows.size(), 4);
    QVERIFY(rows[0].startsWith("cell,state,bits,"));
    QVERIFY(rows[0].contains(",perplexity,"));
    QVERIFY(rows[1].startsWith("0,done,16,"));
    QVERIFY(rows[2].startsWith("1,done,3,"));
    const test::Outcome quoted = m_cli.run({"runs", "export", "2", "--format", "csv"});
    QVERIFY2(quoted.out.find("\"He said, \"\"well\"\"\"") != std::string::npos, quoted.out.c_str());
}

void CliRunsTest::unknownRunsAreRefused() {
    for (const char* command : {"show", "export", "tag", "note"}) {
        const test::Outcome outcome = m_cli.run({"runs", command, "99"});
        QCOMPARE(outcome.status, 2);
        QCOMPARE(outcome.message(), "the store has no run 99");
    }
}

void CliRunsTest::tagsAndNotesAreKept() {
    QCOMPARE(m_cli.run({"runs", "tag", "2", "paper", "draft"}).status, 0);
    QCOMPARE(m_cli.run({"runs", "note", "2", "the", "seed", "of", "figure 3"}).status, 0);
    QCOMPARE(listed({"tag:paper"}), std::vector<int>{2});
    const Json run = m_cli.json({"runs", "show", "2"}).lines().at(0);
    QCOMPARE(run.at("tags"), Json("paper draft"));
    QCOMPARE(run.at("notes"), Json("the seed of figure 3"));
    QCOMPARE(m_cli.run({"runs", "tag", "2"}).status, 0);
    QVERIFY(listed({"tag:paper"}).empty());
    QCOMPARE(
        m_cli.json({"runs", "show", "2"}).lines().at(0).at("notes"), Json("the seed of figure 3"));
}

void CliRunsTest::storesAreApart() {
    const auto other = (m_cli.folder() / "other folder" / "other.db").string();
    std::filesystem::create_directory(m_cli.folder() / "other folder");
    QCOMPARE(m_cli.bare({"model.check", "lm-little", "--quiet", "--store", other}).status, 0);
    const auto runs = m_cli.bare({"runs", "list", "--json", "-", "--store", other}).lines();
    QCOMPARE(runs.size(), 1U);
    QCOMPARE(runs[0].at("study"), Json("model.check"));
    QCOMPARE(listed({}).size(), 3U);
}

void CliRunsTest::theUsersStoreIsInTheDataFolder() {
    const test::CommandLine cli;
    const test::Outcome none = cli.bare({"runs", "list"});
    QCOMPARE(none.status, 0);
    QCOMPARE(none.message(), "no run is stored yet");
    QVERIFY(std::filesystem::is_empty(cli.folder())); // looking makes nothing
    QCOMPARE(cli.bare({"model.check", "lm-little", "--quiet"}).status, 0);
    QVERIFY(std::filesystem::exists(cli.folder() / "data" / "lathe" / "runs.db"));
    QCOMPARE(cli.bare({"runs", "list", "--json", "-"}).lines().size(), 1U);
}

LATHE_TEST(CliRunsTest);

} // namespace lathe

#include "runs_test.moc"
