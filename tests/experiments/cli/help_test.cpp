// SPDX-License-Identifier: Apache-2.0
#include "experiments/runner.h"
#include "tests/experiments/cli/command_line.h"

namespace lathe {

class CliHelpTest : public QObject {
    Q_OBJECT
private slots:
    void theProgramListsStudiesAndCommands();
    void withoutArgumentsItIsBadUsage();
    void aStudyNamesEveryFlagAndMetric_data();
    void aStudyNamesEveryFlagAndMetric();
    void flagsKeepTheirNames_data();
    void flagsKeepTheirNames();
    void helpWinsOverMissingFlags();
    void commandsOfStoredRunsHaveHelp();
    void versionNamesTheBuild();
    void helpStoresNothing();

private:
    test::CommandLine m_cli;
};

namespace {

bool contains(const std::string& text, const std::string& part) {
    const bool found = text.find(part) != std::string::npos;
    if (!found) {
        qWarning("'%s' is not in:\n%s", part.c_str(), text.c_str());
    }
    return found;
}

/// Whether a line of the text begins with `first` as a word.
bool hasRow(const std::string& text, const std::string& first) {
    return contains("\n" + text, "\n" + first + " ");
}

} // namespace

void CliHelpTest::theProgramListsStudiesAndCommands() {
    const test::Outcome help = m_cli.bare({"--help"});
    QCOMPARE(help.status, 0);
    QCOMPARE(help.err, "");
    for (const auto& study : studies().all()) {
        QVERIFY(hasRow(help.out, study->info().id));
        QVERIFY(contains(help.out, study->info().summary));
    }
    for (const char* part :
         {"runs list", "show ID", "export ID", "tag ID", "note ID", "lathe-run models",
          "lathe-run devices", "lathe-run serve", "--version",
          "0 done, 1 a check failed, 2 bad usage or input, 3 engine failure, 130"}) {
        QVERIFY(contains(help.out, part));
    }
    QCOMPARE(m_cli.bare({"-h"}).out, help.out);
    QCOMPARE(m_cli.bare({"help"}).out, help.out);
}

void CliHelpTest::withoutArgumentsItIsBadUsage() {
    const test::Outcome nothing = m_cli.bare({});
    QCOMPARE(nothing.status, 2);
    QCOMPARE(nothing.out, m_cli.bare({"--help"}).out);
}

void CliHelpTest::aStudyNamesEveryFlagAndMetric_data() {
    QTest::addColumn<QString>("id");
    QVERIFY(studies().all().size() >= 7);
    for (const auto& study : studies().all()) {
        QTest::newRow(study->info().id.c_str()) << QString::fromStdString(study->info().id);
    }
}

void CliHelpTest::aStudyNamesEveryFlagAndMetric() {
    QFETCH(QString, id);
    const StudyInfo& info = studies().at(id.toStdString()).info();
    const test::Outcome help = m_cli.bare({info.id, "--help"});
    QCOMPARE(help.status, 0);
    QCOMPARE(help.err, "");
    QVERIFY(contains(help.out, info.title));
    QVERIFY(contains(help.out, info.summary));
    for (const ParamSpec& param : info.params) {
        QVERIFY(hasRow(help.out, "--" + param.flagName()));
        QVERIFY(contains(help.out, param.help));
        for (const std::string& choice : param.choices) {
            QVERIFY(param.kind != ParamKind::Choice || contains(help.out, choice));
        }
    }
    for (const MetricInfo& metric : info.metrics) {
        QVERIFY(hasRow(help.out, metric.name));
    }
    for (const char* flag :
         {"--device auto|cpu|cuda[:N]", "--target scalar|avx2|avx512|cuda", "--threads N",
          "--seed N", "--repeat N", "--store FILE", "--json FILE|-", "--resume last|ID"}) {
        QVERIFY(hasRow(help.out, std::string("  ") + flag));
    }
}

void CliHelpTest::flagsKeepTheirNames_data() {
    QTest::addColumn<QString>("study");
    QTest::addColumn<QStringList>("flags");
    QTest::newRow("quant.sweep") << "quant.sweep"
                                 << QStringList{"model",  "methods", "bits", "group", "text",
                                                "window", "stride",  "bos",  "tail",  "clean"};
    QTest::newRow("lm.perplexity")
        << "lm.perplexity"
        << QStringList{"model", "text", "window", "stride", "bos", "tail", "clean"};
    QTest::newRow("lm.generate") << "lm.generate"
                                 << QStringList{"model",       "prompt", "max-new", "greedy",
                                                "temperature", "top-p",  "top-k"};
    QTest::newRow("model.check") << "model.check" << QStringList{"model"};
    QTest::newRow("model.info") << "model.info" << QStringList{"model"};
    QTest::newRow("bench.decode") << "bench.decode"
                                  << QStringList{"shape", "bits", "batch", "context"};
    QTest::newRow("bench.gemv") << "bench.gemv"
                                << QStringList{"shape", "bits", "batch", "sparsity", "skew"};
}

void CliHelpTest::flagsKeepTheirNames() {
    QFETCH(QString, study);
    QFETCH(QStringList, flags);
    const test::Outcome help = m_cli.bare({study.toStdString(), "--help"});
    for (const QString& flag : flags) {
        QVERIFY(hasRow(help.out, "--" + flag.toStdString()));
    }
}

void CliHelpTest::helpWinsOverMissingFlags() {
    const test::Outcome help = m_cli.bare({"quant.sweep", "--bits", "3", "--help"});
    QCOMPARE(help.status, 0);
    QCOMPARE(help.out, m_cli.bare({"quant.sweep", "--help"}).out);
}

void CliHelpTest::commandsOfStoredRunsHaveHelp() {
    const test::Outcome help = m_cli.bare({"runs", "--help"});
    QCOMPARE(help.status, 0);
    for (const char* command : {"list", "show", "export", "tag", "note"}) {
        QVERIFY(contains(help.out, command));
        const test::Outcome one = m_cli.bare({"runs", command, "--help"});
        QCOMPARE(one.status, 0);
        QVERIFY(contains(one.out, "--store"));
    }
}

void CliHelpTest::versionNamesTheBuild() {
    const test::Outcome version = m_cli.bare({"--version"});
    QCOMPARE(version.status, 0);
    QCOMPARE(version.out, "lathe-run " + buildId() + "\n");
}

void CliHelpTest::helpStoresNothing() { QVERIFY(std::filesystem::is_empty(m_cli.folder())); }

LATHE_TEST(CliHelpTest);

} // namespace lathe

#include "help_test.moc"
