// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/quant_panel.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/state_view.h"
#include "widgets/quant/sample_view.h"
#include "widgets/quant/sweep_controls.h"
#include "widgets/quant/sweep_results.h"

#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>

#include <set>

using namespace lathe;
using namespace lathe::test;

namespace {

/// Ids of all points with a mark.
std::set<qint64> markedPoints(QuantPanel& panel) {
    std::set<qint64> ids;
    for (const PlotSeries& series : panel.results().plot().series()) {
        for (const PlotPoint& point : series.points) {
            if (series.marks) {
                ids.insert(point.id);
            }
        }
    }
    return ids;
}

StateView* visibleState(QuantPanel& panel) {
    for (StateView* view : panel.findChildren<StateView*>()) {
        if (view->isVisibleTo(&panel) && view->parentWidget()->inherits("QStackedWidget")) {
            return view;
        }
    }
    return nullptr;
}

} // namespace

class QuantPanelTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void waitsForTheEngine() {
        FakeContext context(false);
        QuantPanel panel(context);
        QVERIFY(visibleState(panel) != nullptr);
        QCOMPARE(int(visibleState(panel)->kind()), int(StateView::Kind::Loading));
        panel.triggerRun();
        QVERIFY(context.submitted.empty());
        QCOMPARE(context.messages.size(), 1); // says why
        context.start();
        QCOMPARE(int(visibleState(panel)->kind()), int(StateView::Kind::Empty));
        QVERIFY(!panel.busy());
    }

    void runsWhatTheFormSays() {
        FakeContext context;
        QuantPanel panel(context);
        QCOMPARE(
            panel.controls().badge(), QStringLiteral("2 methods × 4 bit widths + float = 9 cells"));
        QSignalSpy busy(&panel, &Panel::busyChanged);
        panel.triggerRun();
        QCOMPARE(context.submitted.size(), std::size_t(1));
        const Spec& spec = context.submitted.front();
        QCOMPARE(spec.study, std::string("quant.sweep"));
        QCOMPARE(spec.sweep.at("bits"), Json::array({2, 3, 4, 8}));
        QCOMPARE(spec.params.at("model"), Json("lm-little"));
        QVERIFY(validate(spec, context.recorded.study).empty());
        QVERIFY(panel.busy());
        QCOMPARE(busy.count(), 1);
        QCOMPARE(panel.run().id, context.shown.back());
    }

    /// Each finished cell is a point and a row as soon as its event has come, and what is shown is
    /// what the store holds.
    void fillsPointByPoint() {
        FakeContext context;
        QuantPanel panel(context);
        panel.editSpec(context.recorded.spec);
        panel.triggerRun();
        const qint64 id = panel.run().id;
        std::size_t done = 0;
        for (const Event& event : context.recorded.eventsOf(id)) {
            context.replay(panel, {event});
            const auto* cell = std::get_if<CellChanged>(&event.payload);
            done += cell != nullptr && cell->state == CellState::Done ? 1 : 0;
            QCOMPARE(markedPoints(panel).size(), done);
            QCOMPARE(panel.results().table().rowCount(), int(context.reader().cells(id).size()));
        }
        QCOMPARE(done, std::size_t(5));
        QVERIFY(!panel.busy());
        for (const CellRow& row : context.reader().cells(id)) {
            const QModelIndex index = panel.results().table().index(
                panel.results().table().rowOf(row.index), CellTableModel::PerplexityColumn);
            QCOMPARE(
                index.data(Qt::EditRole).toDouble(), row.metrics.at("perplexity").get<double>());
        }
    }

    /// A stored run looks like one that was watched.
    void showsStoredRuns() {
        FakeContext context;
        const qint64 first = context.addSweep();
        const qint64 cut = context.addSweep(6);
        QuantPanel panel(context);
        QCOMPARE(panel.run().id, cut); // the latest one
        QVERIFY(panel.busy());
        QVERIFY(panel.showRun(first));
        QCOMPARE(markedPoints(panel).size(), std::size_t(5));
        QVERIFY(!panel.showRun(999));
        QCOMPARE(panel.run().id, first);
        const qint64 other = context.writer().insertRun({.study = "lm.generate"});
        QVERIFY(!panel.showRun(other));
    }

    void followsARunOfAnotherProgram() {
        FakeContext context;
        const qint64 id = context.addSweep(3);
        QuantPanel panel(context);
        QCOMPARE(markedPoints(panel).size(), std::size_t(0));
        const std::vector<Event> events = context.recorded.eventsOf(id);
        for (std::size_t i = 3; i < events.size(); ++i) {
            context.writer().post(events[i]);
        }
        context.writer().flush();
        emit context.runsChanged();
        QCOMPARE(markedPoints(panel).size(), std::size_t(5));
        QVERIFY(!panel.busy());
    }

    void linksPlotAndTable() {
        FakeContext context;
        context.addSweep();
        QuantPanel panel(context);
        auto* table = panel.results().findChild<QTableView*>();
        table->selectRow(2);
        QCOMPARE(panel.results().selectedCells(), std::vector<int>{2});
        emit panel.results().findChild<PlotView*>()->pointSelected(5);
        QCOMPARE(panel.results().selectedCells(), std::vector<int>{4});
        QCOMPARE(table->selectionModel()->selectedRows().size(), 1);
        QCOMPARE(
            table->selectionModel()->selectedRows().front().data(CellTableModel::CellRole).toInt(),
            4);
        auto* samples = panel.results().findChild<SampleView*>();
        QVERIFY(!samples->summary().isEmpty());
        emit panel.results().findChild<PlotView*>()->pointSelected(0);
        QVERIFY(panel.results().selectedCells().empty());
        QVERIFY(samples->summary().isEmpty());
    }

    /// The plot of predictions is there when there are any, and shares the selection.
    void predictionsAreATabOfTheirOwn() {
        FakeContext context;
        const qint64 id = context.addSweep(6);
        QuantPanel panel(context);
        QVERIFY(!panel.results().showsPredictions());
        std::vector<Event> events = context.recorded.eventsOf(id);
        for (std::size_t i = 6; i < events.size(); ++i) {
            if (auto* cell = std::get_if<CellChanged>(&events[i].payload);
                cell != nullptr && cell->state == CellState::Done) {
                cell->metrics["predicted_kl"] = 0.5 * cell->metrics.at("kl_mean").get<double>();
            }
        }
        context.replay(panel, {events.begin() + 6, events.end()});
        QVERIFY(panel.results().showsPredictions());
        const PlotView& plot = panel.results().predictionPlot();
        QVERIFY(plot.axes().xLog && plot.axes().yLog);
        QVERIFY(plot.axes().corner.contains(QStringLiteral("1.000")));
        std::set<qint64> ids;
        for (const PlotSeries& series : plot.series()) {
            for (const PlotPoint& point : series.points) {
                if (series.marks) {
                    ids.insert(point.id);
                }
            }
        }
        QVERIFY(ids.size() >= 3);
        emit const_cast<PlotView&>(plot).pointSelected(*ids.begin());
        QCOMPARE(panel.results().selectedCells(), std::vector<int>{int(*ids.begin()) - 1});
    }

    void selectionOutlivesNewCells() {
        FakeContext context;
        const qint64 id = context.addSweep(6);
        QuantPanel panel(context);
        panel.results().selectCells({1});
        const std::vector<Event> events = context.recorded.eventsOf(id);
        context.replay(panel, {events.begin() + 6, events.end()});
        QCOMPARE(panel.results().selectedCells(), std::vector<int>{1});
        panel.showRun(id);
        QCOMPARE(panel.results().selectedCells(), std::vector<int>{1});
    }

    void failedCellsShowTheirReason() {
        FakeContext context;
        const qint64 id = context.addSweep(5);
        QuantPanel panel(context);
        context.replay(
            panel,
            {{.runId = id,
              .cell = 1,
              .seq = 14,
              .payload = CellChanged{
                  CellState::Failed, "k", {{"method", "rtn"}, {"bits", 2}}, {}, "too big"}}});
        const CellTableModel& table = panel.results().table();
        QCOMPARE(
            table.index(1, CellTableModel::StateColumn).data().toString(),
            QStringLiteral("failed: too big"));
        QCOMPARE(markedPoints(panel).size(), std::size_t(1));
        panel.results().selectCells({1});
        QVERIFY(sweepHeadline(panel.run()).contains(QStringLiteral("1 failed")));
    }

    void cancelledRunsKeepTheirPoints() {
        FakeContext context;
        const qint64 id = context.addSweep(7);
        QuantPanel panel(context);
        QPushButton* stop = nullptr;
        for (QPushButton* button : panel.controls().findChildren<QPushButton*>()) {
            stop = button->accessibleName() == QStringLiteral("Stop") ? button : stop;
        }
        QVERIFY(stop != nullptr && stop->isEnabled());
        stop->click();
        QCOMPARE(context.cancelled, std::vector<qint64>{id});
        emit context.cancelAsked(id);
        QVERIFY(sweepHeadline(panel.run()).contains(QStringLiteral("cancelling…")));
        context.replay(
            panel, {{.runId = id, .seq = 90, .payload = RunChanged{RunState::Cancelled}}});
        QVERIFY(!stop->isEnabled());
        QVERIFY(visibleState(panel) == nullptr);
        QCOMPARE(markedPoints(panel).size(), std::size_t(2));
        QVERIFY(sweepHeadline(panel.run()).contains(QStringLiteral("2 of")));
        QVERIFY(!sweepHeadline(panel.run()).contains(QStringLiteral("failed")));
        QVERIFY(!sweepHeadline(panel.run()).contains(QStringLiteral("cancelling")));
    }

    void endsWithoutResultAreSaid() {
        FakeContext context;
        const qint64 id = context.addSweep(3);
        QuantPanel panel(context);
        context.replay(
            panel,
            {{.runId = id, .seq = 90, .payload = RunChanged{RunState::Crashed, "signal 9"}}});
        QVERIFY(visibleState(panel) != nullptr);
        QCOMPARE(int(visibleState(panel)->kind()), int(StateView::Kind::Error));
        QVERIFY(visibleState(panel)->sentence().contains(QStringLiteral("signal 9")));
        emit visibleState(panel)->primaryClicked();
        QCOMPARE(context.submitted.size(), std::size_t(1)); // the same Spec again
        QVERIFY(context.submitted.front().sweep == context.recorded.spec.sweep);
    }

    void keepsItsState() {
        FakeContext context;
        const qint64 first = context.addSweep();
        context.addSweep();
        QJsonObject state;
        {
            QuantPanel panel(context);
            Spec draft = context.recorded.spec;
            draft.sweep["bits"] = {5, 6};
            panel.editSpec(draft);
            panel.showRun(first);
            panel.results().setMeasures("average_bits", "kl_mean");
            state = panel.saveState();
        }
        QuantPanel panel(context);
        panel.restoreState(state);
        QCOMPARE(panel.run().id, first);
        QCOMPARE(panel.controls().draft().sweep.at("bits"), Json::array({5, 6}));
        QCOMPARE(panel.results().plot().axes().yLabel, QStringLiteral("KL divergence (nat)"));
        QCOMPARE(
            panel.results().plot().axes().xLabel, QStringLiteral("Average bits per weight (bit)"));
    }

    void draftWaitsForTheEngine() {
        FakeContext context(false);
        QuantPanel panel(context);
        panel.editSpec(context.recorded.spec);
        context.start();
        QCOMPARE(panel.controls().draft().sweep.at("bits"), Json::array({2, 4}));
    }

    void refusesDamagedState() {
        FakeContext context;
        context.addSweep();
        QuantPanel panel(context);
        const qint64 before = panel.run().id;
        panel.restoreState(
            {{QStringLiteral("draft"), QStringLiteral("{\"study\":")},
             {QStringLiteral("run"), QStringLiteral("-5")},
             {QStringLiteral("split"), QStringLiteral("!!!")},
             {QStringLiteral("results"),
              QJsonObject{
                  {QStringLiteral("x"), QStringLiteral("nonsense")},
                  {QStringLiteral("log"), QJsonObject{{QStringLiteral("bytes"), 3}}}}}});
        panel.restoreState({{QStringLiteral("results"), 4}, {QStringLiteral("run"), 77}});
        QCOMPARE(panel.run().id, before);
        QCOMPARE(panel.controls().draft().sweep.at("bits"), Json::array({2, 3, 4, 8}));
        QCOMPARE(panel.results().plot().axes().xLabel, QStringLiteral("Size of all weights (MiB)"));
    }

    void countsCells() {
        Spec spec{.study = "quant.sweep", .params = {{"method", "rtn"}, {"bits", 3}}};
        QVERIFY(cellCountText(spec).endsWith(QStringLiteral("= 2 cells")));
        spec.sweep["group"] = {"none", "64"};
        QVERIFY(cellCountText(spec).endsWith(QStringLiteral("up to 3 cells")));
    }

    void everythingThatTakesTheFocusHasAName() {
        FakeContext context;
        context.addSweep();
        QuantPanel panel(context);
        panel.show();
        QCOMPARE(namelessWidgets(panel), QStringList());
    }
};

LATHE_TEST(QuantPanelTest);
#include "quant_panel_test.moc"
