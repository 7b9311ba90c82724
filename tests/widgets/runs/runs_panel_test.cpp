// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/runs_panel.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/state_view.h"
#include "widgets/runs/compare_models.h"
#include "widgets/runs/compare_view.h"
#include "widgets/runs/event_table_model.h"
#include "widgets/runs/query_bar.h"
#include "widgets/runs/result_table_model.h"
#include "widgets/runs/run_actions.h"
#include "widgets/runs/run_details.h"
#include "widgets/runs/run_list_model.h"
#include "widgets/runs/run_notes.h"
#include "widgets/runs/run_plots.h"
#include "widgets/runs/spec_dialog.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QTableView>

using namespace lathe;
using namespace lathe::test;

namespace {

/// What stands in place of the table of runs; null while the table itself does.
StateView* visibleState(RunsPanel& panel) {
    auto* view = panel.findChild<StateView*>(QStringLiteral("tableState"));
    return view != nullptr && view->isVisibleTo(&panel) ? view : nullptr;
}

QAction* action(RunsPanel& panel, const char* text) {
    for (QAction* one : panel.actions().all()) {
        if (one->text() == QLatin1String(text)) {
            return one;
        }
    }
    return nullptr;
}

} // namespace

class RunsPanelTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void saysWhenThereIsNothing() {
        FakeContext context;
        RunsPanel panel(context);
        QTRY_VERIFY(!panel.list().isLoading());
        QVERIFY(visibleState(panel) != nullptr);
        QCOMPARE(int(visibleState(panel)->kind()), int(StateView::Kind::Empty));
        emit visibleState(panel)->primaryClicked();
        QCOMPARE(context.edited.size(), std::size_t(1));
        panel.triggerRun();
        QVERIFY(context.submitted.empty());
        QVERIFY(!context.messages.isEmpty());
    }

    void selectsTheNewestRun() {
        FakeContext context;
        context.addSweep();
        const qint64 newest = context.addSweep(5, "half");
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 2);
        QCOMPARE(panel.selected(), std::vector<qint64>{newest});
        QCOMPARE(panel.details().row()->title, std::string("half"));
        QCOMPARE(panel.details().cells().rowCount(), int(context.reader().cells(newest).size()));
    }

    void filters() {
        FakeContext context;
        const qint64 first = context.addSweep(std::string::npos, "alpha");
        context.addSweep(std::string::npos, "beta");
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 2);
        panel.query().setQuery(QStringLiteral("alpha"));
        QTRY_COMPARE(panel.list().rowCount(), 1);
        QCOMPARE(panel.list().row(0)->id, first);
        panel.query().setQuery(QStringLiteral("gamma"));
        QTRY_COMPARE(panel.list().rowCount(), 0);
        QVERIFY(visibleState(panel)->sentence().contains(QStringLiteral("gamma")));
        panel.query().setQuery(QStringLiteral("bits<<4"));
        QTRY_VERIFY([&] {
            for (QLabel* label : panel.query().findChildren<QLabel*>()) {
                if (label->isVisibleTo(&panel) &&
                    label->text().contains(QStringLiteral("bits<<4"))) {
                    return true;
                }
            }
            return false;
        }());
        panel.query().setQuery(QString());
        QTRY_COMPARE(panel.list().rowCount(), 2);
    }

    /// The selected run's tables grow with its events and are then what the store holds.
    void followsTheSelectedRun() {
        FakeContext context;
        const qint64 id = context.addSweep(3);
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{id});
        panel.details().setCurrentTab(RunDetails::EventsTab);
        const std::vector<Event> events = context.recorded.eventsOf(id);
        for (std::size_t i = 3; i < events.size(); ++i) {
            context.replay(panel, {events[i]});
        }
        QCOMPARE(panel.details().cells().rowCount(), 5);
        QVERIFY(
            panel.details().cells().cells().back().metrics ==
            context.reader().cells(id).back().metrics);
        QCOMPARE(int(panel.details().row()->state), int(RunState::Done));
        QTRY_COMPARE(panel.details().events().rowCount(), int(events.size()));
    }

    void drawsResults() {
        FakeContext context;
        context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 1);
        panel.details().setCurrentTab(RunDetails::PlotsTab);
        const auto& series = panel.details().plots().plot().series();
        QVERIFY(!series.empty());
        std::size_t points = 0;
        for (const PlotSeries& one : series) {
            points += one.points.size();
        }
        QCOMPARE(points, std::size_t(5));
    }

    void comparesTwoRuns() {
        FakeContext context;
        const qint64 first = context.addSweep();
        context.recorded.spec.seed = 9;
        const qint64 second = context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 2);
        auto* table = panel.findChild<QTableView*>(QStringLiteral("runTable"));
        table->selectAll();
        QCOMPARE(panel.selected(), (std::vector<qint64>{second, first}));
        QVERIFY(panel.compare().isVisibleTo(&panel));
        QCOMPARE(panel.compare().properties().rowCount(), 1);
        QCOMPARE(
            panel.compare().properties().index(0, PropertyDiffModel::NameColumn).data().toString(),
            QStringLiteral("seed"));
        QCOMPARE(
            panel.compare().properties().index(0, PropertyDiffModel::LeftColumn).data().toString(),
            QStringLiteral("1"));                          // the older one stands left
        QCOMPARE(panel.compare().metrics().rowCount(), 0); // equal results
        QVERIFY(!panel.actions().runAgain()->isEnabled());
        QVERIFY(!panel.actions().runAgain()->toolTip().isEmpty());
    }

    void actsOnTheSelectedRun() {
        FakeContext context;
        const qint64 id = context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{id});
        action(panel, "Duplicate")->trigger();
        QVERIFY(toJson(context.edited.at(0)) == toJson(context.recorded.spec));
        action(panel, "Copy as command")->trigger();
        QCOMPARE(
            QApplication::clipboard()->text(),
            QString::fromStdString(commandLine(context.recorded.spec, context.recorded.study)));
        action(panel, "Show in its panel")->trigger();
        QCOMPARE(context.shown, std::vector<qint64>{id});
        QVERIFY(!action(panel, "Stop")->isEnabled()); // it has ended
        panel.triggerRun();
        QVERIFY(toJson(context.submitted.at(0)) == toJson(context.recorded.spec));
        QCOMPARE(panel.selected(), std::vector<qint64>{context.shown.back()}); // the new run
    }

    void stopsARun() {
        FakeContext context;
        const qint64 id = context.addSweep(4);
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{id});
        action(panel, "Stop")->trigger();
        QCOMPARE(context.cancelled, std::vector<qint64>{id});
    }

    void actionsFollowTheRun() {
        FakeContext context;
        const qint64 id = context.addSweep(4);
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{id});
        QVERIFY(action(panel, "Stop")->isEnabled());
        QVERIFY(!panel.actions().resume()->isEnabled());
        context.replay(
            panel, {{.runId = id, .seq = 90, .payload = RunChanged{RunState::Cancelled}}});
        QVERIFY(!action(panel, "Stop")->isEnabled());
        QVERIFY(panel.actions().resume()->isEnabled());
    }

    void resumesAStoppedSweep() {
        FakeContext context;
        const qint64 id = context.addSweep(7); // two cells are finished
        context.writer().post(
            {.runId = id, .seq = 90, .payload = RunChanged{RunState::Interrupted}});
        context.writer().flush();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{id});
        panel.actions().resume()->trigger();
        std::vector<std::string> finished;
        for (const CellRow& cell : context.reader().finishedCells(id)) {
            finished.push_back(cell.key);
        }
        QVERIFY(!finished.empty());
        QCOMPARE(context.submitted.size(), std::size_t(1));
        QCOMPARE(context.submitted.front().done, finished);
        Spec plain = context.submitted.front();
        plain.done.clear();
        QVERIFY(toJson(plain) == toJson(context.recorded.spec));
    }

    void aFilterThatHidesTheSelectedRunSelectsAnother() {
        FakeContext context;
        const qint64 first = context.addSweep(std::string::npos, "alpha");
        const qint64 second = context.addSweep(std::string::npos, "beta");
        RunsPanel panel(context);
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{second});
        panel.query().setQuery(QStringLiteral("alpha"));
        QTRY_COMPARE(panel.selected(), std::vector<qint64>{first});
    }

    /// The store answers with its older value until what was typed is written.
    void notesOnTheirWayAreNotOverwritten() {
        RunNotes notes;
        notes.showRun(3, {}, QStringLiteral("old"));
        auto* editor = notes.findChild<QPlainTextEdit*>();
        editor->setPlainText(QStringLiteral("new"));
        notes.flush();
        notes.showRun(3, {}, QStringLiteral("old"));
        QCOMPARE(editor->toPlainText(), QStringLiteral("new"));
        notes.showRun(4, {}, {});
        notes.showRun(3, {}, QStringLiteral("old"));
        QCOMPARE(editor->toPlainText(), QStringLiteral("new"));
        notes.showRun(3, {}, QStringLiteral("new")); // written
        notes.showRun(3, {}, QStringLiteral("of another program"));
        QCOMPARE(editor->toPlainText(), QStringLiteral("of another program"));
    }

    void withoutAnEngineActionsSayWhy() {
        FakeContext context(false);
        context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 1);
        QVERIFY(!action(panel, "Run again")->isEnabled());
        QVERIFY(action(panel, "Run again")->toolTip().contains(QStringLiteral("engine")));
        QVERIFY(action(panel, "Export as JSON")->isEnabled());
        context.start();
        QVERIFY(action(panel, "Run again")->isEnabled());
    }

    void keepsTagsAndNotes() {
        FakeContext context;
        const qint64 id = context.addSweep();
        context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 2);
        panel.select({id});
        auto* tags = panel.details().findChild<QLineEdit*>();
        auto* notes = panel.details().findChild<QPlainTextEdit*>();
        QTest::keyClicks(tags, QStringLiteral("paper"));
        notes->setPlainText(QStringLiteral("first try"));
        panel.select({id + 1}); // what was typed belongs to the run before
        QCOMPARE(context.reader().run(id)->tags, std::string("paper"));
        QCOMPARE(context.reader().run(id)->notes, std::string("first try"));
        QVERIFY(context.reader().run(id + 1)->notes.empty());
        QVERIFY(notes->toPlainText().isEmpty());
        panel.select({id});
        QCOMPARE(tags->text(), QStringLiteral("paper"));
    }

    void editsStudiesWithoutAPanel() {
        FakeContext context;
        RunsPanel panel(context);
        QVERIFY(!panel.editSpec({.study = "unknown"}));
        QVERIFY(panel.editSpec(context.recorded.spec));
        auto* dialog = panel.findChild<SpecDialog*>();
        QVERIFY(dialog != nullptr);
        // Values to choose from come back in the order in which they are offered.
        const Json wanted{{"bits", {2, 4}}, {"method", {"kmeans", "rtn"}}};
        QCOMPARE(dumpJson(dialog->spec().sweep), dumpJson(wanted));
        dialog->close();
    }

    void showsRunsOutsideTheFilter() {
        FakeContext context;
        const qint64 id = context.addSweep(std::string::npos, "alpha");
        context.addSweep(std::string::npos, "beta");
        RunsPanel panel(context);
        panel.query().setQuery(QStringLiteral("beta"));
        QTRY_COMPARE(panel.list().rowCount(), 1);
        QVERIFY(panel.showRun(id));
        QCOMPARE(panel.details().row()->title, std::string("alpha"));
        QVERIFY(!panel.showRun(999));
    }

    void keepsItsState() {
        FakeContext context;
        context.addSweep();
        QJsonObject state;
        {
            RunsPanel panel(context);
            QTRY_COMPARE(panel.list().rowCount(), 1);
            panel.query().setQuery(QStringLiteral("study:quant"));
            panel.details().setCurrentTab(RunDetails::CellsTab);
            state = panel.saveState();
        }
        RunsPanel panel(context);
        panel.restoreState(state);
        QCOMPARE(panel.query().query(), QStringLiteral("study:quant"));
        QCOMPARE(panel.details().currentTab(), int(RunDetails::CellsTab));
        panel.restoreState(
            {{QStringLiteral("tab"), 99},
             {QStringLiteral("query"), 5},
             {QStringLiteral("header"), QStringLiteral("zz")}});
        QCOMPARE(panel.details().currentTab(), int(RunDetails::CellsTab));
    }

    void everythingThatTakesTheFocusHasAName() {
        FakeContext context;
        context.addSweep();
        RunsPanel panel(context);
        QTRY_COMPARE(panel.list().rowCount(), 1);
        panel.show();
        for (int tab = 0; tab <= RunDetails::NotesTab; ++tab) {
            panel.details().setCurrentTab(tab);
            QCOMPARE(namelessWidgets(panel), QStringList());
        }
    }
};

LATHE_TEST(RunsPanelTest);
#include "runs_panel_test.moc"
