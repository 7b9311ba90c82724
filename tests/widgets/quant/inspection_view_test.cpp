// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/inspection_view.h"

#include "tests/widgets/quant/fake_context.h"
#include "tests/widgets/quant/inspection_sample.h"
#include "widgets/base/state_view.h"
#include "widgets/quant/module_selection.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/quant/row_view.h"
#include "widgets/quant/sensitivity_view.h"
#include "widgets/quant/sweep_controls.h"
#include "widgets/quant/sweep_results.h"
#include "widgets/quant/tile_view.h"

#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QSlider>
#include <QSpinBox>
#include <QTabWidget>

using namespace lathe;
using namespace lathe::test;

namespace {

const std::string kUp = "model.layers.0.mlp.up_proj";
const std::string kDown = "model.layers.1.mlp.down_proj";

StudyInfo inspectStudy() {
    return {
        .id = "quant.inspect",
        .title = "Look into a matrix",
        .summary = "Looks into it",
        .params = {
            {.name = "model", .kind = ParamKind::Model, .required = true},
            {.name = "tensor", .kind = ParamKind::Text, .required = true},
            {.name = "row",
             .kind = ParamKind::Integer,
             .defaultValue = -1,
             .minimum = -1,
             .maximum = 1e9},
            {.name = "bits", .kind = ParamKind::Integer, .defaultValue = 4},
            {.name = "method",
             .kind = ParamKind::Choice,
             .defaultValue = "squeezellm",
             .choices = {"squeezellm", "rtn"}},
            {.name = "tiles", .kind = ParamKind::Integer, .defaultValue = 64},
            {.name = "calibration", .kind = ParamKind::File, .advanced = true},
            {.name = "calibration_samples",
             .kind = ParamKind::Integer,
             .defaultValue = 100,
             .advanced = true}}};
}

void addStudies(FakeContext& context) {
    context.info.studies.push_back(
        {.id = "quant.sensitivity",
         .title = "Sensitivities",
         .summary = "Computes them",
         .params = {{.name = "model", .kind = ParamKind::Model, .required = true}}});
    context.info.studies.push_back(inspectStudy());
}

void post(FakeContext& context, std::vector<Event> events) {
    for (Event& event : events) {
        context.writer().post(std::move(event));
    }
    context.writer().flush();
}

void addMap(FakeContext& context) {
    const qint64 id = context.writer().insertRun(
        {.study = "quant.sensitivity", .params = {{"model", "lm-little"}}}, "s");
    post(
        context,
        {{.runId = id,
          .cell = 0,
          .seq = 1,
          .payload =
              CellChanged{
                  CellState::Done,
                  "k",
                  {{"model", "lm-little"}},
                  {{"modules", {{kUp, 1.0}, {kDown, 2.0}}}, {"samples", 1}, {"length", 8}}}},
         {.runId = id, .seq = 2, .payload = RunChanged{RunState::Done}}});
}

/// A panel on the page of sensitivities, on screen as far as there is one.
struct ShownPanel {
    FakeContext context;
    std::unique_ptr<QuantPanel> panel;

    explicit ShownPanel(bool bundled = true) {
        addStudies(context);
        addMap(context);
        context.info.models[0].source = bundled ? "bundled" : "folder";
    }
    SensitivityView& open() {
        panel = std::make_unique<QuantPanel>(context);
        panel->findChild<QTabWidget*>()->setCurrentWidget(&panel->sensitivities());
        panel->show();
        return panel->sensitivities();
    }
    /// With the inspection of one matrix in the store, and that matrix selected.
    qint64 openStored() {
        const qint64 id = context.writer().insertRun(
            {.study = "quant.inspect", .params = {{"model", "lm-little"}, {"tensor", kUp}}}, "i");
        post(context, inspectionEvents(id));
        open();
        panel->modules().select(kUp);
        return id;
    }
    InspectionView& view() { return panel->sensitivities().inspection(); }
    StateView* state() {
        for (StateView* one : view().findChildren<StateView*>()) {
            if (one->isVisibleTo(panel.get()) && one->parentWidget()->inherits("QStackedWidget")) {
                return one;
            }
        }
        return nullptr;
    }
    QString head() {
        QString all;
        for (const QLabel* label : view().findChildren<QLabel*>()) {
            all += label->isVisibleTo(panel.get()) ? label->text() + QLatin1Char('\n') : QString();
        }
        return all;
    }
};

template <class T>
T* named(QWidget& root, const char* name) {
    for (T* one : root.findChildren<T*>()) {
        if (one->accessibleName() == QLatin1String(name)) {
            return one;
        }
    }
    return nullptr;
}

PlotView& changeable(const PlotView& plot) { return const_cast<PlotView&>(plot); }

} // namespace

class InspectionViewTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void aCellOfTheMapIsLookedInto() {
        ShownPanel shown;
        SensitivityView& map = shown.open();
        QVERIFY(shown.state() != nullptr);
        QVERIFY(shown.context.submitted.empty());
        QSignalSpy busy(shown.panel.get(), &Panel::busyChanged);
        emit changeable(map.plot()).pointSelected(2); // layer 1 comes after layer 0
        QCOMPARE(shown.panel->modules().module(), kDown);
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
        const Spec& spec = shown.context.submitted[0];
        QCOMPARE(spec.study, std::string("quant.inspect"));
        QCOMPARE(spec.params.at("tensor"), Json(kDown));
        QVERIFY(validate(spec, inspectStudy()).empty());
        QVERIFY(shown.panel->busy());
        QCOMPARE(busy.count(), 1);
        QCOMPARE(int(shown.state()->kind()), int(StateView::Kind::Loading));
        const qint64 id = shown.view().runId();
        shown.context.replay(
            *shown.panel, {{.runId = id, .seq = 1, .payload = Progress{0.5, "quantizing"}}});
        QVERIFY(shown.state()->sentence().contains(QStringLiteral("quantizing")));
        shown.context.replay(*shown.panel, inspectionEvents(id));
        QVERIFY(!shown.panel->busy());
        QCOMPARE(shown.view().shownId(), id);
        QVERIFY(shown.state() == nullptr);
        QVERIFY(!shown.view().isStale());
        QCOMPARE(shown.view().tiles().plot().series()[0].points.size(), std::size_t(6));
        QCOMPARE(named<QSpinBox>(*shown.panel, "Row that is looked into")->value(), 3);
        QCOMPARE(shown.view().row().plot().provenance(), QStringLiteral("run %1").arg(id));
        QTest::qWait(400);
        QCOMPARE(shown.context.submitted.size(), std::size_t(1)); // nothing more is wanted
    }

    void theStoreIsAskedFirst() {
        ShownPanel shown;
        const Spec spec{
            .study = "quant.inspect", .params = {{"model", "lm-little"}, {"tensor", kUp}}};
        const qint64 id = shown.context.writer().insertRun(spec, "by the command line");
        post(shown.context, inspectionEvents(id));
        shown.open();
        shown.panel->modules().select(kUp);
        QCOMPARE(shown.view().shownId(), id); // left to the defaults, which are what is wanted
        QVERIFY(!shown.view().isStale());
        shown.panel->modules().select(kDown);
        QCOMPARE(shown.view().shownId(), qint64(0)); // never the numbers of another matrix
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
    }

    void otherSettingsMakeItStale() {
        ShownPanel shown;
        const qint64 id = shown.openStored();
        named<QSpinBox>(*shown.panel, "Bits that the tiles' errors are of")->setValue(2);
        QVERIFY(shown.view().isStale());
        QCOMPARE(shown.view().shownId(), id);
        QVERIFY(shown.head().contains(QStringLiteral("other settings")));
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
        QCOMPARE(shown.context.submitted[0].params.at("bits"), Json(2));
        QVERIFY(shown.head().contains(QStringLiteral("still run")));
        // Back again: that run is no longer wanted, and gives way.
        named<QSpinBox>(*shown.panel, "Bits that the tiles' errors are of")->setValue(4);
        QVERIFY(!shown.view().isStale());
    }

    void aClickOnTilesChoosesTheRow() {
        ShownPanel shown;
        shown.openStored();
        emit changeable(shown.view().tiles().plot()).pointSelected(5); // of rows 2 and 3
        QVERIFY(!shown.view().isStale());                              // that row is shown already
        shown.view().tiles().setQuantity(TileQuantity::SquaredError);
        emit changeable(shown.view().tiles().plot()).pointActivated(5);
        QCOMPARE(shown.context.submitted.size(), std::size_t(1)); // without waiting
        QCOMPARE(shown.context.submitted[0].params.at("row"), Json(2));
        const qint64 next = shown.view().runId();
        shown.context.replay(*shown.panel, inspectionEvents(next, 2));
        QCOMPARE(shown.view().shownId(), next);
        named<QSpinBox>(*shown.panel, "Row that is looked into")->setValue(1);
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(2));
        QCOMPARE(shown.context.submitted[1].params.at("row"), Json(1));
    }

    void bitsNeedNoEngine() {
        ShownPanel shown;
        shown.openStored();
        RowView& row = shown.view().row();
        auto* slider = named<QSlider>(row, "Bits of the row's tables, slider");
        auto* box = named<QSpinBox>(row, "Bits of the row's tables");
        slider->setValue(2);
        QCOMPARE(box->value(), 2);
        QCOMPARE(row.plot().series()[4].points.size(), std::size_t(4));
        const QString before = row.errorsText();
        QTest::keyClick(slider, Qt::Key_Right);
        QCOMPARE(box->value(), 3);
        QCOMPARE(row.plot().series()[4].points.size(), std::size_t(8));
        QVERIFY(row.errorsText() != before);
        box->setValue(8);
        QCOMPARE(slider->value(), 8);
        QTest::qWait(400);
        QVERIFY(shown.context.submitted.empty());
    }

    void largeModelsWaitForTheButton() {
        ShownPanel shown(false);
        shown.open();
        shown.panel->modules().select(kUp);
        QTest::qWait(400);
        QVERIFY(shown.context.submitted.empty());
        QCOMPARE(int(shown.state()->kind()), int(StateView::Kind::Empty));
        emit shown.state()->primaryClicked();
        QCOMPARE(shown.context.submitted.size(), std::size_t(1));
    }

    void anEngineAtWorkIsNotDisturbed() {
        ShownPanel shown;
        const qint64 other = shown.context.writer().insertRun({.study = "lm.generate"}, "other");
        shown.open();
        shown.panel->modules().select(kUp);
        QTest::qWait(400);
        QVERIFY(shown.context.submitted.empty());
        shown.context.replay(
            *shown.panel, {{.runId = other, .seq = 1, .payload = RunChanged{RunState::Done}}});
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
    }

    void theLatestChoiceWins() {
        ShownPanel shown;
        shown.open();
        shown.panel->modules().select(kUp);
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
        const qint64 first = shown.view().runId();
        shown.panel->modules().select(kDown);
        QTRY_COMPARE(shown.context.cancelled, std::vector<qint64>{first});
        shown.context.replay(
            *shown.panel, {{.runId = first, .seq = 1, .payload = RunChanged{RunState::Cancelled}}});
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(2));
        QCOMPARE(shown.context.submitted[1].params.at("tensor"), Json(kDown));
    }

    void failuresAreSaidAndNotRepeated() {
        ShownPanel shown;
        shown.open();
        shown.panel->modules().select(kUp);
        QTRY_COMPARE(shown.context.submitted.size(), std::size_t(1));
        const qint64 id = shown.view().runId();
        shown.context.replay(
            *shown.panel,
            {{.runId = id, .seq = 1, .payload = RunChanged{RunState::Failed, "no memory"}}});
        QCOMPARE(int(shown.state()->kind()), int(StateView::Kind::Error));
        QVERIFY(shown.state()->sentence().contains(QStringLiteral("no memory")));
        QTest::qWait(400);
        QCOMPARE(shown.context.submitted.size(), std::size_t(1));
        emit shown.state()->primaryClicked();
        QCOMPARE(shown.context.submitted.size(), std::size_t(2));
    }

    void aDamagedRunIsSaid() {
        ShownPanel shown;
        const qint64 id = shown.context.writer().insertRun(
            {.study = "quant.inspect", .params = {{"model", "lm-little"}, {"tensor", kUp}}}, "i");
        post(shown.context, {{.runId = id, .seq = 1, .payload = RunChanged{RunState::Done}}});
        shown.open();
        shown.panel->modules().select(kUp);
        QCOMPARE(int(shown.state()->kind()), int(StateView::Kind::Error));
        QTest::qWait(400);
        QVERIFY(shown.context.submitted.empty()); // not over and over
        emit shown.state()->primaryClicked();
        QCOMPARE(shown.context.submitted.size(), std::size_t(1));
    }

    void anEngineWithoutTheStudySaysSo() {
        ShownPanel shown;
        shown.context.info.studies.pop_back();
        shown.open();
        shown.panel->modules().select(kUp);
        QVERIFY(shown.state()->sentence().contains(QStringLiteral("cannot look into")));
        QTest::qWait(400);
        QVERIFY(shown.context.submitted.empty());
    }

    /// Map, inspection, scatter and table have one selected matrix.
    void allViewsShareTheMatrix() {
        ShownPanel shown;
        const qint64 id = shown.context.addSweep(6);
        SensitivityView& map = shown.open();
        std::vector<Event> cells;
        for (int cell = 1; cell <= 4; ++cell) {
            cells.push_back(
                {.runId = id,
                 .cell = cell,
                 .seq = 20 + cell,
                 .payload = CellChanged{
                     CellState::Done,
                     "k" + std::to_string(cell),
                     {{"method", cell % 2 == 0 ? "rtn" : "kmeans"},
                      {"bits", 3},
                      {"tensors", cell <= 2 ? kUp : kDown}},
                     {{"predicted_kl", 0.1 * cell}, {"kl_mean", 0.2 * cell}}}});
        }
        shown.context.replay(*shown.panel, cells);
        SweepResults& results = shown.panel->results();
        emit changeable(map.plot()).pointSelected(1);
        QCOMPARE(results.selectedCells(), (std::vector<int>{1, 2}));
        QSignalSpy changed(&shown.panel->modules(), &ModuleSelection::changed);
        emit changeable(results.predictionPlot()).pointSelected(5); // cell 4
        QCOMPARE(results.selectedCells(), std::vector<int>{4});     // and not all of its matrix
        QCOMPARE(shown.panel->modules().module(), kDown);
        QCOMPARE(changed.count(), 1);
        QVERIFY(shown.state()->sentence().contains(QStringLiteral("layers.1.mlp.down_proj")));
        results.selectCells({0}); // the float model: of no matrix
        QCOMPARE(shown.panel->modules().module(), kDown);
        shown.panel->modules().select({});
        QVERIFY(results.selectedCells().empty());
        shown.panel->useModel(QStringLiteral("/models/other")); // may have none of that name
        shown.panel->modules().select(kUp);
        shown.panel->useModel(QStringLiteral("lm-little"));
        QVERIFY(shown.panel->modules().module().empty());
    }

    void settingsAreKept() {
        QJsonObject state;
        {
            ShownPanel shown;
            shown.open();
            shown.view().row().setBits(6);
            shown.view().tiles().setQuantity(TileQuantity::Sensitivity);
            named<QSpinBox>(*shown.panel, "Bits that the tiles' errors are of")->setValue(2);
            state = shown.panel->saveState();
        }
        ShownPanel shown;
        shown.open();
        shown.panel->restoreState(state);
        QCOMPARE(shown.view().row().bits(), 6);
        QCOMPARE(int(shown.view().tiles().quantity()), int(TileQuantity::Sensitivity));
        QCOMPARE(shown.view().tiles().bits(), 2);
        shown.view().restoreState(
            {{QStringLiteral("bits"), 99},
             {QStringLiteral("tiles"),
              QJsonObject{{QStringLiteral("quantity"), 7}, {QStringLiteral("method"), 3}}}});
        QCOMPARE(shown.view().row().bits(), 8);
        QCOMPARE(int(shown.view().tiles().quantity()), int(TileQuantity::Sensitivity));
    }

    void everythingThatTakesTheFocusHasAName() {
        ShownPanel shown;
        shown.openStored();
        QVERIFY(shown.state() == nullptr);
        QCOMPARE(namelessWidgets(*shown.panel), QStringList());
    }
};

LATHE_TEST(InspectionViewTest);
#include "inspection_view_test.moc"
