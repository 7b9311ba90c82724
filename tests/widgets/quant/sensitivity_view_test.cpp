// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sensitivity_view.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/state_view.h"
#include "widgets/quant/inspection_view.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/quant/sensitivity_map.h"
#include "widgets/quant/sweep_controls.h"

#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

Json modules() {
    return {
        {"lm_head", 99.0},
        {"model.layers.0.self_attn.q_proj", 1.0},
        {"model.layers.0.mlp.down_proj", 40.0},
        {"model.layers.10.self_attn.q_proj", 2.5},
        {"model.layers.10.mlp.down_proj", nullptr}};
}

void addStudy(FakeContext& context) {
    context.info.studies.push_back(
        {.id = "quant.sensitivity",
         .title = "Sensitivities",
         .summary = "Computes them",
         .params = {
             {.name = "model", .kind = ParamKind::Model, .required = true},
             {.name = "text", .kind = ParamKind::File},
             {.name = "samples", .kind = ParamKind::Integer, .defaultValue = 100}}});
}

Spec sensitivitySpec(const std::string& model = "lm-little") {
    return {.study = "quant.sensitivity", .params = {{"model", model}}};
}

std::vector<Event> endOf(qint64 id, const Json& sums) {
    return {
        {.runId = id,
         .cell = 0,
         .seq = 10,
         .payload =
             CellChanged{
                 CellState::Done,
                 "k",
                 {{"model", "lm-little"}},
                 {{"modules", sums}, {"samples", 100}, {"length", 256}}}},
        {.runId = id, .seq = 11, .payload = RunChanged{RunState::Done}}};
}

qint64 addRun(FakeContext& context, const Json& sums, const std::string& model = "lm-little") {
    const qint64 id = context.writer().insertRun(sensitivitySpec(model), "sensitivities");
    for (Event& event : endOf(id, sums)) {
        context.writer().post(std::move(event));
    }
    context.writer().flush();
    return id;
}

StateView* state(SensitivityView& view) {
    for (StateView* one : view.findChildren<StateView*>()) {
        if (one->isVisibleTo(&view) && one->parentWidget()->inherits("QStackedWidget") &&
            !view.inspection().isAncestorOf(one)) {
            return one;
        }
    }
    return nullptr;
}

QPushButton* button(SensitivityView& view, const char* name) {
    for (QPushButton* one : view.findChildren<QPushButton*>()) {
        if (one->accessibleName() == QLatin1String(name)) {
            return one;
        }
    }
    return nullptr;
}

constexpr const char* kCompute = "Compute sensitivities";

} // namespace

class SensitivityViewTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void mapHasLayersToTheRight() {
        const SensitivityMap map = sensitivityMap(modules());
        QVERIFY(map.axes.isMap());
        QCOMPARE(map.axes.xNames.size(), 11);
        QCOMPARE(map.axes.yNames, (QStringList{"down_proj", "q_proj"})); // q stands on top
        QCOMPARE(map.series.size(), std::size_t(1));
        const std::vector<PlotPoint>& tiles = map.series[0].points;
        QCOMPARE(tiles.size(), std::size_t(3)); // neither the head nor what has no value
        QCOMPARE(tiles[0].x, 0.0);
        QCOMPARE(tiles[0].y, 1.0);
        QCOMPARE(tiles[0].z, 1.0);
        QCOMPARE(tiles[1].z, 40.0);
        QCOMPARE(tiles[2].x, 10.0);
        QCOMPARE(tiles[2].z, 2.5);
    }

    void mapRefusesWhatIsNone() {
        QVERIFY(sensitivityMap(Json()).series.empty());
        QVERIFY(sensitivityMap(Json::array({1, 2})).series.empty());
        QVERIFY(sensitivityMap({{"model.layers.x.q_proj", 1.0},
                                {"model.layers.-1.q_proj", 1.0},
                                {"model.layers.99999999999.q_proj", 1.0},
                                {"model.layers.1000000.q_proj", 1.0},
                                {"model.layers.3", 1.0}})
                    .series.empty());
    }

    void showsTheLatestRunOfTheModel() {
        FakeContext context;
        addStudy(context);
        addRun(context, {{"model.layers.0.mlp.up_proj", 1.0}});
        const qint64 latest = addRun(context, modules());
        addRun(context, {{"model.layers.0.mlp.up_proj", 7.0}}, "/models/other");
        QuantPanel panel(context);
        SensitivityView& view = panel.sensitivities();
        QCOMPARE(view.runId(), latest);
        QVERIFY(state(view) == nullptr);
        QCOMPARE(view.plot().series().front().points.size(), std::size_t(3));
        QCOMPARE(view.plot().provenance(), QStringLiteral("run %1").arg(latest));
        QVERIFY(view.plot().dataAsText().contains(QStringLiteral("down_proj")));
        bool said = false;
        for (const QLabel* label : view.findChildren<QLabel*>()) {
            said = said || label->text().contains(QStringLiteral("100 samples of 256 tokens"));
        }
        QVERIFY(said);
        panel.useModel(QStringLiteral("/models/other"));
        QCOMPARE(view.plot().series().front().points.size(), std::size_t(1));
        QCOMPARE(view.plot().series().front().points[0].z, 7.0);
        panel.useModel(QStringLiteral("/models/third"));
        QVERIFY(state(view) != nullptr);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Empty));
    }

    void computesAndFollows() {
        FakeContext context;
        addStudy(context);
        QuantPanel panel(context);
        SensitivityView& view = panel.sensitivities();
        QVERIFY(state(view) != nullptr);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Empty));
        QSignalSpy busy(&panel, &Panel::busyChanged);
        emit state(view)->primaryClicked();
        QCOMPARE(context.submitted.size(), std::size_t(1));
        const Spec& spec = context.submitted.front();
        QCOMPARE(spec.study, std::string("quant.sensitivity"));
        QCOMPARE(spec.params.at("model"), Json("lm-little"));
        QVERIFY(validate(spec, *context.study("quant.sensitivity")).empty());
        QVERIFY(panel.busy());
        QCOMPARE(busy.count(), 1);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Loading));
        const qint64 id = view.runId();
        context.replay(panel, {{.runId = id, .seq = 1, .payload = Progress{0.5, "layer 3 of 4"}}});
        QVERIFY(state(view)->sentence().contains(QStringLiteral("layer 3 of 4")));
        QVERIFY(button(view, "Stop computing sensitivities")->isVisibleTo(&view));
        button(view, "Stop computing sensitivities")->click();
        QCOMPARE(context.cancelled, std::vector<qint64>{id});
        context.replay(panel, endOf(id, modules()));
        QVERIFY(!panel.busy());
        QCOMPARE(busy.count(), 2);
        QVERIFY(state(view) == nullptr);
        QCOMPARE(view.plot().series().front().points.size(), std::size_t(3));
        QVERIFY(button(view, kCompute)->isVisibleTo(&view));
    }

    /// The run that the sweep would start for itself has the same calibration.
    void takesTheCalibrationOfTheDraft() {
        FakeContext context;
        addStudy(context);
        context.info.studies[0].params.push_back(
            {.name = "calibration", .kind = ParamKind::File, .advanced = true});
        context.info.studies[0].params.push_back(
            {.name = "calibration_samples",
             .kind = ParamKind::Integer,
             .defaultValue = 100,
             .advanced = true});
        QuantPanel panel(context);
        Spec draft = context.recorded.spec;
        draft.params["calibration"] = "/data/book.txt";
        draft.params["calibration_samples"] = 7;
        draft.params["method"] = "squeezellm";
        draft.sweep.erase("method");
        context.info.studies[0].params[1].choices.push_back("squeezellm");
        panel.controls().setStudy(context.study("quant.sweep"));
        panel.editSpec(draft);
        emit state(panel.sensitivities())->primaryClicked();
        QCOMPARE(context.submitted.front().params.at("text"), Json("/data/book.txt"));
        QCOMPARE(context.submitted.front().params.at("samples"), Json(7));
    }

    void failuresAreSaid() {
        FakeContext context;
        addStudy(context);
        const qint64 id = context.writer().insertRun(sensitivitySpec(), "s");
        context.writer().post(
            {.runId = id, .seq = 1, .payload = RunChanged{RunState::Failed, "no memory"}});
        context.writer().flush();
        QuantPanel panel(context);
        SensitivityView& view = panel.sensitivities();
        QVERIFY(state(view) != nullptr);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Error));
        QVERIFY(state(view)->sentence().contains(QStringLiteral("no memory")));
        emit state(view)->primaryClicked();
        QCOMPARE(context.submitted.size(), std::size_t(1)); // once more
    }

    void anEngineWithoutTheStudySaysSo() {
        FakeContext context;
        QuantPanel panel(context);
        SensitivityView& view = panel.sensitivities();
        QVERIFY(state(view)->sentence().contains(QStringLiteral("cannot compute")));
        QVERIFY(!button(view, kCompute)->isEnabled());
        QVERIFY(!button(view, kCompute)->toolTip().isEmpty());
    }
};

LATHE_TEST(SensitivityViewTest);
#include "sensitivity_view_test.moc"
