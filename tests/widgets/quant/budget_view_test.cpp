// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_view.h"

#include "tests/widgets/quant/fake_context.h"
#include "tests/widgets/quant/made_curves.h"
#include "widgets/base/plot_view.h"
#include "widgets/quant/budget_limit_edit.h"
#include "widgets/quant/budget_runs.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/quant/sweep_controls.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QSlider>

#include <cmath>

using namespace lathe;
using namespace lathe::test;

namespace {

constexpr const char* kUpOf0 = "model.layers.0.mlp.up_proj";

void addStudy(FakeContext& context) {
    const auto limit = [](const char* name, ParamKind kind) {
        return ParamSpec{.name = name, .kind = kind, .defaultValue = 0, .minimum = 0};
    };
    context.info.studies.push_back(
        {.id = kBudgetStudy,
         .title = "Budget",
         .summary = "Plans",
         .params = {
             {.name = "model", .kind = ParamKind::Model, .required = true},
             limit("bytes", ParamKind::Integer),
             limit("average_bits", ParamKind::Real),
             {.name = "measure", .kind = ParamKind::Flag, .defaultValue = true},
             {.name = "out", .kind = ParamKind::Folder},
             {.name = "calibration", .kind = ParamKind::File},
             {.name = "calibration_samples", .kind = ParamKind::Integer, .defaultValue = 100},
             {.name = "text", .kind = ParamKind::File},
             {.name = "window", .kind = ParamKind::Integer, .defaultValue = 0},
             {.name = "stride", .kind = ParamKind::Integer, .defaultValue = 0},
             {.name = "max_windows", .kind = ParamKind::Integer, .defaultValue = 0},
             {.name = "clean", .kind = ParamKind::Text},
             {.name = "bos", .kind = ParamKind::Text},
             {.name = "tail", .kind = ParamKind::Text}}});
}

Spec budgetSpec(const Json& more = Json::object()) {
    Spec spec{.study = kBudgetStudy, .params = {{"model", "lm-little"}}};
    spec.params.update(more);
    return spec;
}

std::vector<Event> endOf(qint64 id, const Spec& spec, const Json& metrics) {
    return {
        {.runId = id,
         .cell = 0,
         .seq = 10,
         .payload = CellChanged{CellState::Done, "k", spec.params, metrics}},
        {.runId = id, .seq = 11, .payload = RunChanged{RunState::Done}}};
}

qint64 addRun(FakeContext& context, const Json& metrics, const Spec& spec = budgetSpec()) {
    const qint64 id = context.writer().insertRun(spec, "budget");
    for (Event& event : endOf(id, spec, metrics)) {
        context.writer().post(std::move(event));
    }
    context.writer().flush();
    return id;
}

Json measured(double kl) {
    Json metrics = madeBudget(3, 1024, 2);
    metrics.update(
        {{"kl_mean", kl},
         {"kl_mean_low", kl * 0.9},
         {"kl_mean_high", kl * 1.1},
         {"planned_file_bytes", 6200000},
         {"text_name", "a story.txt"}});
    return metrics;
}

StateView* state(BudgetView& view) {
    for (StateView* one : view.findChildren<StateView*>()) {
        if (one->isVisibleTo(&view) && one->parentWidget()->inherits("QStackedWidget")) {
            return one;
        }
    }
    return nullptr;
}

QPushButton* button(BudgetView& view, const QString& name) {
    for (QPushButton* one : view.findChildren<QPushButton*>()) {
        if (one->accessibleName() == name) {
            return one;
        }
    }
    return nullptr;
}

bool says(BudgetView& view, const QString& text) {
    for (const QLabel* label : view.findChildren<QLabel*>()) {
        if (label->isVisibleTo(&view) && label->text().contains(text)) {
            return true;
        }
    }
    return false;
}

const PlotSeries* series(BudgetView& view, const QString& name) {
    for (const PlotSeries& one : view.plot().series()) {
        if (one.name == name) {
            return &one;
        }
    }
    return nullptr;
}

const QString kMeasure = QStringLiteral("Measure this plan");

} // namespace

class BudgetViewTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void computesCurvesAndPlans() {
        FakeContext context;
        addStudy(context);
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        QVERIFY(state(view) != nullptr);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Empty));
        QSignalSpy busy(&panel, &Panel::busyChanged);
        emit state(view)->primaryClicked();
        QCOMPARE(context.submitted.size(), std::size_t(1));
        const Spec spec = context.submitted.front();
        QCOMPARE(spec.study, std::string(kBudgetStudy));
        QCOMPARE(spec.params.at("measure"), Json(false));
        QVERIFY(!spec.params.contains("out"));
        QVERIFY(validate(spec, *context.study(kBudgetStudy)).empty());
        QVERIFY(panel.busy());
        QCOMPARE(busy.count(), 1);
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Loading));
        const qint64 id = view.runId();
        context.replay(panel, {{.runId = id, .seq = 1, .payload = Progress{0.5, "curve 3"}}});
        QVERIFY(state(view)->sentence().contains(QStringLiteral("curve 3")));
        button(view, QStringLiteral("Stop the run of the budget"))->click();
        QCOMPARE(context.cancelled, std::vector<qint64>{id});
        context.replay(panel, endOf(id, spec, madeBudget(3, 1024, 2)));
        QVERIFY(!panel.busy());
        QCOMPARE(busy.count(), 2);
        QVERIFY(state(view) == nullptr);
        QTRY_COMPARE(view.plan().choice.size(), std::size_t(21));
        QCOMPARE(view.map().series().front().points.size(), std::size_t(21));
        QVERIFY(view.plan().averageBits <= 4.0); // no limit was given: a middling one
        QCOMPARE(view.map().provenance(), QStringLiteral("run %1").arg(id));
        QVERIFY(view.plot().dataAsText().contains(QStringLiteral("all alike")));
    }

    void theLimitIsFollowed() {
        FakeContext context;
        addStudy(context);
        addRun(context, madeBudget(3, 1024, 2));
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        BudgetLimitEdit& limit = view.limit();
        limit.setLimit(LimitUnit::AverageBits, 5.0);
        QTRY_VERIFY(view.plan().averageBits > 4.9);
        auto* slider = limit.findChild<QSlider*>();
        for (const int at : {slider->maximum(), 500, slider->minimum()}) {
            slider->setValue(at);
        }
        const MatrixPlan before = view.plan(); // moves of one frame make one plan
        QVERIFY(before.averageBits > 4.9);
        QTRY_COMPARE(
            view.plan().choice, view.curves().plan(LimitUnit::AverageBits, limit.limit()).choice);
        QVERIFY(view.plan().averageBits < before.averageBits);
        QVERIFY(limit.limit() >= view.curves().least(LimitUnit::AverageBits));
        slider->setValue(slider->maximum());
        QTRY_COMPARE(view.plan().multiplier, 0.0);
        QVERIFY(says(view, QStringLiteral("nothing"))); // is what one more byte saves
        const PlotSeries* plan = series(view, QStringLiteral("this plan"));
        QVERIFY(plan != nullptr);
        QCOMPARE(plan->points.front().y, view.plan().kl);
    }

    void theOtherUnitKeepsThePlan() {
        FakeContext context;
        addStudy(context);
        addRun(context, madeBudget(3, 1024, 2));
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        view.limit().setLimit(LimitUnit::AverageBits, 4.6);
        QTRY_VERIFY(view.plan().averageBits > 4.5);
        const double bytes = static_cast<double>(view.plan().fileBytes);
        view.limit().findChild<QComboBox*>()->setCurrentIndex(0);
        QCOMPARE(int(view.limit().unit()), int(LimitUnit::Bytes));
        const double shown = view.limit().limit();
        QVERIFY(shown >= bytes && shown < bytes + 1100.0); // a thousandth of a MiB
        QTRY_VERIFY(std::abs(static_cast<double>(view.plan().fileBytes) - bytes) < 20000.0);
    }

    void plansAreMeasured() {
        FakeContext context;
        addStudy(context);
        Spec shown = budgetSpec({{"calibration_samples", 7}, {"average_bits", 4.5}});
        shown.seed = 9;
        addRun(context, madeBudget(3, 1024, 2), shown);
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        QCOMPARE(view.limit().limit(), 4.5); // that of the run
        Spec draft = panel.controls().draft();
        draft.device = "cpu";
        draft.params["text"] = "/data/a story.txt";
        draft.params["max_windows"] = 3;
        panel.editSpec(draft);
        view.limit().setLimit(LimitUnit::Bytes, 6000000);
        QTRY_VERIFY(view.plan().fileBytes > 0);
        button(view, kMeasure)->click();
        QCOMPARE(context.submitted.size(), std::size_t(1));
        const Spec spec = context.submitted.front();
        QVERIFY(validate(spec, *context.study(kBudgetStudy)).empty());
        QCOMPARE(spec.params.at("bytes").get<double>(), view.limit().limit());
        QVERIFY(!spec.params.contains("average_bits"));
        QCOMPARE(spec.params.at("measure"), Json(true));
        QCOMPARE(spec.params.at("calibration_samples"), Json(7)); // the curves are in the cache
        QCOMPARE(spec.seed, std::uint64_t(9));
        QCOMPARE(spec.device, std::string("cpu"));
        QCOMPARE(spec.params.at("text"), Json("/data/a story.txt"));
        QCOMPARE(spec.params.at("max_windows"), Json(3));
        QVERIFY(!button(view, kMeasure)->isEnabled());
        QVERIFY(series(view, QStringLiteral("measured on a story.txt")) == nullptr);
        const qint64 id = view.runId();
        context.replay(panel, endOf(id, spec, measured(0.02)));
        const PlotSeries* points = series(view, QStringLiteral("measured on a story.txt"));
        QVERIFY(points != nullptr);
        QCOMPARE(points->points.size(), std::size_t(1));
        QCOMPARE(points->points[0].y, 0.02);
        QCOMPARE(points->points[0].yLow, 0.018);
        QCOMPARE(points->points[0].yHigh, 0.022);
        QCOMPARE(points->points[0].id, id);
        QCOMPARE(points->points[0].x, 6200000.0 / 1048576.0);
        QCOMPARE(int(view.limit().unit()), int(LimitUnit::Bytes)); // and stays where it is
        QCOMPARE(view.limit().limit(), spec.params.at("bytes").get<double>());
        emit view.plot().pointActivated(id);
        QCOMPARE(context.shown, std::vector<qint64>{id});
    }

    void plansAreExported() {
        FakeContext context;
        addStudy(context);
        addRun(context, madeBudget(3, 1024, 2));
        QuantPanel panel(context);
        panel.budget().exportTo(QStringLiteral("/tmp/new model"));
        QCOMPARE(context.submitted.size(), std::size_t(1));
        const Spec& spec = context.submitted.front();
        QVERIFY(validate(spec, *context.study(kBudgetStudy)).empty());
        QCOMPARE(spec.params.at("out"), Json("/tmp/new model"));
        QCOMPARE(spec.params.at("measure"), Json(false));
    }

    void matricesAreChosen() {
        FakeContext context;
        addStudy(context);
        addRun(context, madeBudget(3, 1024, 2));
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        QTRY_COMPARE(view.plan().choice.size(), std::size_t(21));
        std::vector<std::string> told;
        connect(&view, &BudgetView::moduleSelected, &view, [&told](const std::string& name) {
            told.push_back(name);
        });
        const qint64 id = view.map().series().front().points.front().id;
        const std::string name = view.curves().names()[static_cast<std::size_t>(id) - 1];
        emit view.map().pointSelected(id);
        QCOMPARE(told, std::vector<std::string>{name});
        QVERIFY(says(view, QString::fromStdString(name.substr(6))));
        view.selectModule(kUpOf0); // of another view: not told again
        QCOMPARE(told.size(), std::size_t(1));
        QVERIFY(says(view, QStringLiteral("layers.0.mlp.up_proj: ")));
        view.selectModule("no such matrix");
        QVERIFY(!says(view, QStringLiteral("layers.0.mlp.up_proj: ")));
        emit view.map().pointSelected(0);
        QCOMPARE(told.back(), std::string());
    }

    void otherCalibrationsAreSaid() {
        FakeContext context;
        addStudy(context);
        addRun(context, madeBudget(3, 1024, 2), budgetSpec({{"calibration", "/data/book.txt"}}));
        QuantPanel panel(context);
        QVERIFY(says(panel.budget(), QStringLiteral("another calibration")));
        FakeContext same;
        addStudy(same);
        addRun(same, madeBudget(3, 1024, 2), budgetSpec({{"calibration_samples", 100}}));
        QuantPanel other(same);
        QVERIFY(!says(other.budget(), QStringLiteral("another calibration")));
    }

    void damagedCurvesAreSaid() {
        FakeContext context;
        addStudy(context);
        Json damaged = madeBudget(3, 1024, 2);
        damaged["curves"][kUpOf0]["options"] = "none";
        const qint64 id = addRun(context, damaged);
        {
            QuantPanel panel(context);
            BudgetView& view = panel.budget();
            QVERIFY(state(view) != nullptr);
            QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Error));
            emit state(view)->primaryClicked();
            QCOMPARE(context.submitted.size(), std::size_t(1));
        }
        FakeContext older;
        addStudy(older);
        addRun(older, madeBudget(3, 1024, 2));
        addRun(older, damaged);
        QuantPanel panel(older);
        QVERIFY(state(panel.budget()) == nullptr); // the older ones are good
        QVERIFY(says(panel.budget(), QStringLiteral("Run 2")));
        QCOMPARE(id, qint64(1));
    }

    void failuresAreSaid() {
        FakeContext context;
        addStudy(context);
        const qint64 id = context.writer().insertRun(budgetSpec(), "b");
        context.writer().post(
            {.runId = id, .seq = 1, .payload = RunChanged{RunState::Failed, "no memory"}});
        context.writer().flush();
        QuantPanel panel(context);
        BudgetView& view = panel.budget();
        QCOMPARE(int(state(view)->kind()), int(StateView::Kind::Error));
        QVERIFY(state(view)->sentence().contains(QStringLiteral("no memory")));
        FakeContext without;
        QuantPanel other(without);
        QVERIFY(state(other.budget())->sentence().contains(QStringLiteral("cannot plan")));
    }

    void everythingHasANameAndIsRemembered() {
        FakeContext context;
        addStudy(context);
        addRun(context, measured(0.03));
        QuantPanel panel(context);
        QCOMPARE(namelessWidgets(panel.budget()), QStringList());
        panel.budget().limit().setLimit(LimitUnit::Bytes, 7000000);
        const QJsonObject stored = panel.saveState();
        QuantPanel next(context);
        next.restoreState(stored);
        QCOMPARE(int(next.budget().limit().unit()), int(LimitUnit::Bytes));
        QCOMPARE(next.budget().limit().limit(), panel.budget().limit().limit());
        next.budget().restoreState({{QStringLiteral("limit"), -1.0}}); // damaged: left alone
        QCOMPARE(next.budget().limit().limit(), panel.budget().limit().limit());
    }
};

LATHE_TEST(BudgetViewTest);
#include "budget_view_test.moc"
