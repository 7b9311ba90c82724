// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_reader.h"

#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <set>

namespace lathe {

using test::addRun;
using test::doneCell;
using test::sampleSpec;

/// Pages, finished cells for resuming, export.
class RunReaderTest : public QObject {
    Q_OBJECT
private slots:
    void pagesNewestFirst();
    void pagesOfEvents();
    void finishedCellsOfEqualSpecs();
    void latestEqualLooksAtWhatMatters();
    void exportHoldsEverything();
    void readsWhileAnotherWrites();

private:
    test::TemporaryFolder m_folder;
    std::filesystem::path store(const char* name) const { return m_folder.path() / name; }
};

void RunReaderTest::pagesNewestFirst() {
    RunWriter writer(store("pages.db"), {});
    for (int i = 0; i < 25; ++i) {
        writer.insertRun(sampleSpec(i % 2 == 0 ? "even.study" : "odd.study", Json::object()));
    }
    RunReader reader(store("pages.db"));
    std::vector<std::int64_t> ids;
    std::int64_t before = 0;
    for (;;) {
        const auto page = reader.runs({"", before, 10});
        if (page.empty()) {
            break;
        }
        for (const RunRow& run : page) {
            ids.push_back(run.id);
        }
        before = page.back().id;
    }
    QCOMPARE(ids.size(), 25U);
    QVERIFY(std::ranges::is_sorted(ids, std::greater<>()));
    QCOMPARE(std::set<std::int64_t>(ids.begin(), ids.end()).size(), 25U);
    const auto filtered = reader.runs({"study:odd", 7, 2});
    QCOMPARE(filtered.size(), 2U);
    QCOMPARE(filtered[0].id, 6);
    QCOMPARE(filtered[1].id, 4);
    QCOMPARE(reader.countRuns({"study:odd", 7, 2}), 12); // of the whole store
}

void RunReaderTest::pagesOfEvents() {
    RunWriter writer(store("events.db"), {});
    const auto id = writer.insertRun(sampleSpec("lm.generate", Json::object()));
    for (int i = 1; i <= 25; ++i) {
        writer.post(Event{id, 0, i, {}, LogLine{LogLevel::Info, std::to_string(i)}});
    }
    writer.flush();
    RunReader reader(store("events.db"));
    const auto page = reader.events(id, 10, 5);
    QCOMPARE(page.size(), 5U);
    QCOMPARE(page.front().seq, 11);
    QCOMPARE(page.back().seq, 15);
    QVERIFY(reader.events(id, 25).empty());
    QVERIFY(reader.events(id + 1).empty());
}

void RunReaderTest::finishedCellsOfEqualSpecs() {
    RunWriter writer(store("finished.db"), {});
    const Spec spec = sampleSpec("quant.sweep", {{"model", "lm-big"}}, {{"bits", {2, 3, 4}}});
    const auto cell = [](const char* key, int bits, double value) {
        return doneCell(key, {{"bits", bits}}, {{"perplexity", value}});
    };
    addRun(writer, spec, {cell("a", 2, 60), cell("b", 3, 45)}, RunState::Cancelled);
    addRun(
        writer, spec, {cell("b", 3, 44), CellChanged{CellState::Failed, "c"}}, RunState::Crashed);
    Spec other = spec;
    other.seed = 2;
    addRun(writer, other, {cell("d", 4, 43)});
    const auto latest = addRun(writer, spec, {}, RunState::Interrupted);
    RunReader reader(store("finished.db"));
    const auto cells = reader.finishedCells(latest);
    QCOMPARE(cells.size(), 2U);
    QCOMPARE(cells[0].key, std::string("a"));
    QCOMPARE(cells[1].key, std::string("b"));
    QCOMPARE(cells[1].metrics.at("perplexity").get<double>(), 44.0); // the later result counts
    QVERIFY(reader.finishedCells(99).empty());
}

void RunReaderTest::latestEqualLooksAtWhatMatters() {
    RunWriter writer(store("equal.db"), {});
    Spec spec = sampleSpec("quant.sweep", {{"model", "lm-big"}}, {{"bits", {2, 3}}});
    writer.insertRun(spec);
    const auto second = writer.insertRun(spec);
    RunReader reader(store("equal.db"));
    spec.threads = 7;
    spec.repeat = 3;
    spec.done = {"x"};
    QCOMPARE(reader.latestEqual(spec), second);
    for (const auto& change : std::vector<std::function<void(Spec&)>>{
             [](Spec& s) { s.study = "other"; }, [](Spec& s) { s.params["model"] = "lm-little"; },
             [](Spec& s) { s.sweep["bits"] = {2}; }, [](Spec& s) { s.seed = 9; },
             [](Spec& s) { s.device = "cuda"; }, [](Spec& s) { s.target = "scalar"; }}) {
        Spec changed = spec;
        change(changed);
        QVERIFY(!reader.latestEqual(changed).has_value());
    }
}

void RunReaderTest::exportHoldsEverything() {
    RunWriter writer(store("export.db"), {});
    const auto id = writer.insertRun(sampleSpec("quant.sweep", {{"model", "lm-big"}}), "title");
    std::int64_t seq = 0;
    for (const Payload& payload : test::samplePayloads()) {
        writer.post(Event{id, test::cellOf(payload), ++seq, {}, payload});
    }
    writer.setTags(id, "paper");
    writer.flush();
    RunReader reader(store("export.db"));
    const Json document = parseJson(dumpJson(exportRun(reader, id)), "export");
    QCOMPARE(document.at("study").get<std::string>(), std::string("quant.sweep"));
    QCOMPARE(document.at("title").get<std::string>(), std::string("title"));
    QCOMPARE(document.at("tags").get<std::string>(), std::string("paper"));
    QCOMPARE(document.at("state").get<std::string>(), std::string("done"));
    QCOMPARE(document.at("environment").at("build").get<std::string>(), std::string("1"));
    QCOMPARE(document.at("cells").size(), 2U);
    QCOMPARE(document.at("cells")[0].at("metrics").at("perplexity").get<double>(), 44.5);
    QCOMPARE(document.at("metrics").size(), 3U);
    QVERIFY(document.at("metrics")[1].at("value").is_null());
    QCOMPARE(document.at("artifacts").size(), 3U);
    QCOMPARE(document.at("events").size(), test::samplePayloads().size());
    QCOMPARE(
        specFromJson(document.at("spec")).params.at("model").get<std::string>(),
        std::string("lm-big"));
    LATHE_VERIFY_THROWS(exportRun(reader, 99), InputError, "no run 99");
}

void RunReaderTest::readsWhileAnotherWrites() {
    RunWriter writer(store("busy.db"), {});
    writer.flush();
    RunReader reader(store("busy.db"));
    Database locked(store("busy.db"), Database::Mode::ReadWrite);
    const Transaction open(locked);
    locked.execute("INSERT INTO environment(hash, json) VALUES('h', '{}')");
    QVERIFY(reader.runs({}).empty()); // neither waits nor fails
}

LATHE_TEST(RunReaderTest);

} // namespace lathe

#include "run_reader_test.moc"
