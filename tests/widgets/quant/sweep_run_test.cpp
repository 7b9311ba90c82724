// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sweep_run.h"

#include "tests/widgets/quant/fake_context.h"

using namespace lathe;
using namespace lathe::test;

class SweepRunTest : public QObject {
    Q_OBJECT

private:
    static SweepRun fromEvents(const FakeContext& context, qint64 id, std::size_t count) {
        SweepRun run;
        RunRow row;
        row.id = id;
        row.spec = context.recorded.spec;
        row.cellsTotal = 4;
        run.load(row, {});
        const std::vector<Event> events = context.recorded.eventsOf(id);
        for (std::size_t i = 0; i < std::min(count, events.size()); ++i) {
            run.apply(events[i]);
        }
        return run;
    }

    static void compare(const SweepRun& a, const SweepRun& b) {
        QCOMPARE(int(a.state), int(b.state));
        QCOMPARE(a.cells.size(), b.cells.size());
        for (const auto& [index, cell] : a.cells) {
            const SweepCell* other = b.cell(index);
            QVERIFY(other != nullptr);
            QCOMPARE(cell.method, other->method);
            QCOMPARE(cell.bits, other->bits);
            QCOMPARE(cell.group, other->group);
            QCOMPARE(int(cell.state), int(other->state));
            QCOMPARE(cell.message, other->message);
            QVERIFY(cell.metrics == other->metrics);
        }
    }

private slots:
    /// What the screen made of the events is what the store holds, after each one of them.
    void eventsAndStoreAgree() {
        FakeContext context;
        for (std::size_t count = 1; count <= context.recorded.events.size(); ++count) {
            const qint64 id = context.addSweep(count);
            SweepRun stored;
            stored.load(*context.reader().run(id), context.reader().cells(id));
            compare(fromEvents(context, id, count), stored);
        }
    }

    void countsFinishedCells() {
        FakeContext context;
        const SweepRun run = fromEvents(context, 3, 1000);
        QCOMPARE(run.doneCount(), 5);
        QCOMPARE(run.failedCount(), 0);
        QVERIFY(!run.isActive());
        QVERIFY(run.floatCell() != nullptr);
        QCOMPARE(run.modelName(), QStringLiteral("lm-little"));
    }

    void ignoresOtherRuns() {
        FakeContext context;
        SweepRun run = fromEvents(context, 3, 4);
        QCOMPARE(run.apply(context.recorded.eventsOf(4).back()), int(SweepRun::Nothing));
        QVERIFY(run.isActive());
        QCOMPARE(SweepRun().apply(context.recorded.eventsOf(0).back()), int(SweepRun::Nothing));
    }

    void cancelClosesTheRunningCell() {
        FakeContext context;
        SweepRun run = fromEvents(context, 3, 5); // the second cell has begun
        const int change = run.apply({.runId = 3, .payload = RunChanged{RunState::Cancelled}});
        QVERIFY((change & SweepRun::Cells) != 0);
        QCOMPARE(run.doneCount(), 1);
        QCOMPARE(int(run.cell(1)->state), int(CellState::Failed));
        QCOMPARE(run.cell(1)->message, QStringLiteral("cancelled"));
        QVERIFY(run.cell(1)->isCancelled());
        QCOMPARE(run.failedCount(), 0); // a stop is no fault of the cell
    }

    void namesEverySetting() {
        QLocale::setDefault(QLocale::c());
        std::vector<CellRow> cells(5);
        const std::vector<Json> params{
            {{"method", "squeezellm-sparse"}, {"bits", 3}, {"group", 0}, {"sparsity", 0.45}},
            {{"method", "gguf:/models/some-Q4_K_M.gguf"}, {"bits", 5}, {"sparsity", 0}},
            {{"method", "kmeans"}, {"bits", 3}, {"tensors", "model.layers.2.mlp.up_proj"}},
            {{"method", "rtn"}, {"bits", 4}, {"group", 64}, {"tensors", "all"}},
            {{"method", "float"}, {"bits", 16}, {"tensors", "all"}}};
        for (std::size_t i = 0; i < cells.size(); ++i) {
            cells[i].index = static_cast<int>(i);
            cells[i].params = params[i];
        }
        SweepRun run;
        RunRow row;
        row.id = 1;
        run.load(row, cells);
        QCOMPARE(run.cell(0)->title(), QStringLiteral("squeezellm-sparse, 3 bit + 0.45 %"));
        QCOMPARE(run.cell(0)->label(), QStringLiteral("3 bit + 0.45 %"));
        QCOMPARE(run.cell(1)->title(), QStringLiteral("some-Q4_K_M.gguf"));
        QCOMPARE(run.cell(1)->label(), QStringLiteral("5 bit"));
        QCOMPARE(run.cell(2)->title(), QStringLiteral("kmeans, 3 bit, only layers.2.mlp.up_proj"));
        QCOMPARE(run.cell(3)->title(), QStringLiteral("rtn, 4 bit, group 64"));
        QCOMPARE(run.cell(4)->title(), QStringLiteral("float"));
    }

    void takesOddValuesWithoutComplaint() {
        SweepRun run;
        RunRow row;
        row.id = 1;
        std::vector<CellRow> cells(2);
        cells[0].params = Json();
        cells[0].metrics = Json::array({1});
        cells[1].index = 1;
        cells[1].params = {{"method", 3}, {"bits", "4"}, {"group", "none"}};
        cells[1].metrics = {{"perplexity", nullptr}, {"bytes", "many"}};
        run.load(row, cells);
        QVERIFY(run.cell(0)->method.empty());
        QCOMPARE(run.cell(1)->bits, 4);
        QCOMPARE(run.cell(1)->group, 0);
        QVERIFY(std::isnan(run.cell(1)->value("perplexity")));
        QVERIFY(std::isnan(run.cell(1)->value("bytes")));
        QVERIFY(run.cell(0)->text("sample").isEmpty());
    }
};

LATHE_TEST(SweepRunTest);
#include "sweep_run_test.moc"
