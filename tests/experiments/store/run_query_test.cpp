// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_query.h"

#include "experiments/store/run_reader.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

namespace lathe {

using test::addRun;
using test::doneCell;
using test::sampleSpec;

/// The filter of the run table over a few runs that differ in every respect.
class RunQueryTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void finds_data();
    void finds();
    void refuses_data();
    void refuses();

private:
    test::TemporaryFolder m_folder;
    std::filesystem::path m_store = m_folder.path() / "runs.db";
};

void RunQueryTest::initTestCase() {
    RunWriter writer(m_store, {});
    // Run 1: a sweep of a big model.
    addRun(
        writer,
        sampleSpec(
            "quant.sweep", {{"model", "lm-big"}, {"group", "none"}},
            {{"bits", {3, 4}}, {"method", {"rtn"}}}),
        {doneCell("1a", {{"bits", 3}, {"method", "rtn"}}, {{"perplexity", 46.0}}),
         doneCell("1b", {{"bits", 4}, {"method", "rtn"}}, {{"perplexity", 43.0}, {"kl_mean", 0}})});
    // Run 2: a smaller one, failed.
    addRun(
        writer,
        sampleSpec("quant.sweep", {{"model", "lm-little"}, {"group", "64"}}, {{"bits", {2, 8}}}),
        {doneCell("2a", {{"bits", 2}}, {{"perplexity", 664.0}})}, RunState::Failed);
    // Run 3: another study with a path, an odd title and a curve.
    const auto third = addRun(
        writer, sampleSpec("lm.perplexity", {{"model", "/models/100%_odd"}, {"window", 256}}),
        {doneCell("3", {{"window", 256}}, {{"perplexity", nullptr}, {"text_name", "x"}})});
    writer.post(Event{third, 0, 9, {}, Metric{"loss", 2.5, "nat", 1}});
    writer.setTags(third, "paper,draft v2");
    writer.setNotes(third, "ein schöner Lauf");
    // Run 4: waiting.
    writer.insertRun(sampleSpec("lm.generate", {{"model", "lm-big"}}), "a long title, 3 = drei");
    writer.flush();
}

void RunQueryTest::finds_data() {
    QTest::addColumn<QString>("query");
    QTest::addColumn<QList<qint64>>("ids");
    const auto row = [](const char* query, QList<qint64> ids) {
        QTest::newRow(query) << query << std::move(ids);
    };
    row("", {4, 3, 2, 1});
    row("   ", {4, 3, 2, 1});
    row("study:quant", {2, 1});
    row("study:perplexity", {});
    row("state:done", {3, 1});
    row("state:queued", {4});
    row("tag:paper", {3});
    row("tag:pap", {});
    row("tag:v2", {3});
    row("device:cpu", {3, 2, 1});
    row("device:auto", {4});
    row("id:2", {2});
    row("model:lm-big", {4, 1});
    row("model:LM-BIG", {4, 1});
    row("lm-big", {4, 1});
    row("schöner", {3});
    row("100%_odd", {3});
    row("100X_odd", {});
    row("%", {3});
    row("\"a long title\"", {4});
    row("\"3 = drei\"", {4});
    row("bits<=2", {2});
    row("bits<3", {2});
    row("bits=3", {1});
    row("bits!=3", {2, 1});
    row("bits>8", {});
    row("bits>=8", {2});
    row("group=none", {1});
    row("group!=none", {2});
    row("param.window=256", {3});
    row("metric.window=256", {});
    row("perplexity<50", {1});
    row("perplexity>=664", {2});
    row("metric.perplexity<1e3 state:done", {1});
    row("param.perplexity<1e3", {});
    row("kl_mean=0", {1});
    row("loss=2.5", {3});
    row("metric.loss>3", {});
    row("study:quant bits=3 perplexity<45", {1}); // both of some cell, not of the same one
    row("lm-big study:lm", {4});
    row("x'; DROP TABLE run; --", {});
}

void RunQueryTest::finds() {
    QFETCH(QString, query);
    QFETCH(QList<qint64>, ids);
    RunReader reader(m_store);
    QList<qint64> found;
    for (const RunRow& run : reader.runs({query.toStdString()})) {
        found.append(run.id);
    }
    QCOMPARE(found, ids);
    QCOMPARE(reader.countRuns({query.toStdString()}), ids.size());
}

void RunQueryTest::refuses_data() {
    QTest::addColumn<QString>("query");
    QTest::addColumn<QString>("message");
    const auto row = [](const char* query, const char* message) {
        QTest::newRow(query) << query << message;
    };
    row("state:finished", "'state:finished' names no state");
    row("bits<=x", "'bits<=x' needs a number after <=");
    row("metric.perplexity=low", "needs a number after =");
    row("bits=", "compares with nothing");
    row("param.=3", "compares with nothing");
    row("<3", "has no name before");
    row("id:first", "needs a number");
    row("tag:", "has nothing after the colon");
    row("bits!3", "no comparison that is known");
    row("\"open", "without a closing one");
    row("bits<1e999", "needs a number after <");
    row("bits<nan", "needs a number after <");
}

void RunQueryTest::refuses() {
    QFETCH(QString, query);
    QFETCH(QString, message);
    LATHE_VERIFY_THROWS(parseRunQuery(query.toStdString()), InputError, message.toStdString());
}

LATHE_TEST(RunQueryTest);

} // namespace lathe

#include "run_query_test.moc"
