// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_view.h"

#include "engine/core/error.h"
#include "widgets/base/export_button.h"
#include "widgets/base/model_name.h"
#include "widgets/base/panel.h"
#include "widgets/base/plot_view.h"
#include "widgets/base/theme.h"
#include "widgets/quant/budget_limit_edit.h"
#include "widgets/quant/budget_runs.h"

#include <QEvent>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr const char* kRuns = "study:quant.budget"; ///< as a query of the store
constexpr int kMostRuns = 256;                      ///< looked through for those of the model
constexpr int kMostDone = 40;                       ///< of it whose cells are read
constexpr int kFrameMs = 16;

} // namespace

BudgetView::BudgetView(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_context(context), m_head(new QLabel), m_stale(new QLabel),
      m_facts(new QLabel), m_matrix(new QLabel), m_progress(new QProgressBar),
      m_compute(new QPushButton(Theme::icon(QStringLiteral("run")), tr("Compute curves"))),
      m_stop(new QPushButton(Theme::icon(QStringLiteral("stop")), tr("Stop"))),
      m_measure(new QPushButton(Theme::icon(QStringLiteral("run")), tr("Measure this plan"))),
      m_export(new QPushButton(Theme::icon(QStringLiteral("export")), tr("Export model…"))),
      m_limit(new BudgetLimitEdit), m_pages(new QStackedWidget), m_stateView(new StateView),
      m_map(new PlotView), m_plot(new PlotView) {
    build();
    m_frame.setSingleShot(true);
    m_frame.setInterval(kFrameMs);
    connect(&m_frame, &QTimer::timeout, this, &BudgetView::replan);
    connect(m_limit, &BudgetLimitEdit::limitChanged, this, [this] {
        if (!m_frame.isActive()) {
            m_frame.start();
        }
    });
    connect(m_limit, &BudgetLimitEdit::unitChanged, this, &BudgetView::keepPlan);
    connect(m_compute, &QPushButton::clicked, this, &BudgetView::compute);
    connect(m_stateView, &StateView::primaryClicked, this, &BudgetView::compute);
    connect(m_measure, &QPushButton::clicked, this, &BudgetView::measure);
    connect(m_export, &QPushButton::clicked, this, &BudgetView::chooseFolder);
    connect(m_stop, &QPushButton::clicked, this, [this] { m_context.cancel(m_run.id()); });
    connect(m_plot, &PlotView::pointActivated, this, [this](qint64 run) {
        if (run > 0) {
            m_context.showRun(run);
        }
    });
    connect(m_map, &PlotView::pointSelected, this, [this](qint64 id) {
        const auto index = static_cast<std::size_t>(id - 1);
        m_selected = id > 0 && index < m_curves.names().size() ? m_curves.names()[index] : "";
        showSelected();
        emit moduleSelected(m_selected);
    });
    showPage();
}

void BudgetView::build() {
    for (QLabel* label : {m_head, m_stale, m_matrix}) {
        label->setTextFormat(Qt::PlainText);
    }
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_stale->setWordWrap(true);
    m_matrix->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    setUpProgress(*m_progress, tr("Progress of the budget"));
    for (QPushButton* button : {m_compute, m_measure, m_export}) {
        button->setAccessibleName(button->text());
    }
    m_stop->setAccessibleName(tr("Stop the run of the budget"));
    m_pages->addWidget(m_stateView);
    m_pages->addWidget(makePlanPart());
    auto* head = new QHBoxLayout;
    head->addWidget(m_head, 1);
    head->addWidget(m_progress);
    head->addWidget(m_compute);
    head->addWidget(m_stop);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 8, 8, 8);
    column->addLayout(head);
    column->addWidget(m_stale);
    column->addWidget(m_pages, 1);
}

QWidget* BudgetView::makePlanPart() {
    m_facts->setTextFormat(Qt::RichText);
    m_facts->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_facts->setAccessibleName(tr("Numbers of the plan"));
    m_map->setEmptyText(tr("This model has no matrices inside layers."));
    m_plot->setAxes(budgetAxes());
    m_plot->setEmptyText(tr("No plan."));
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(m_matrix, 1);
    buttons->addWidget(m_measure);
    buttons->addWidget(m_export);
    auto* plots = new QSplitter(Qt::Horizontal);
    plots->addWidget(makePlotPart(m_map, tr("Export the map")));
    plots->addWidget(makePlotPart(m_plot, tr("Export the curve")));
    plots->setChildrenCollapsible(false);
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(m_limit);
    column->addWidget(m_facts);
    column->addLayout(buttons);
    column->addWidget(plots, 1);
    return part;
}

QWidget* BudgetView::makePlotPart(PlotView* plot, const QString& name) {
    auto* button =
        makeExportButton(tr("Export plot"), tr("Write it as PNG, SVG, PDF, CSV or JSON"), name);
    connect(button, &QToolButton::clicked, plot, &PlotView::exportInteractively);
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(4);
    column->addWidget(plot, 1);
    column->addWidget(button, 0, Qt::AlignRight);
    return part;
}

bool BudgetView::busy() const { return m_run.busy(); }

void BudgetView::setDraft(const Spec& draft) {
    m_draft = draft;
    if (const std::string model = modelOf(draft); model != m_model) {
        m_model = model;
        m_shownId = 0;
        m_run.clear();
        m_curves = {};
        m_plan = {};
        m_measured.clear();
        m_damagedId = 0;
        m_selected.clear();
        refresh();
    } else {
        showPage();
    }
}

void BudgetView::noteBusy() {
    if (m_wasBusy != busy()) {
        m_wasBusy = busy();
        emit busyChanged();
    }
}

void BudgetView::refresh() {
    try {
        m_problem.clear();
        takeRuns();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
    }
    showPage();
    noteBusy();
}

void BudgetView::takeRuns() {
    if (m_model.empty()) {
        return;
    }
    bool latest = true;
    int done = 0;
    const std::size_t known = m_measured.size();
    for (const RunRow& row : m_context.reader().runs({.text = kRuns, .limit = kMostRuns})) {
        if (row.study != kBudgetStudy || modelOf(row.spec) != m_model) {
            continue;
        }
        if (latest) {
            m_run.take(row);
            latest = false;
        }
        if (row.state == RunState::Done && ++done <= kMostDone && !m_measured.contains(row.id)) {
            takeDone(row);
        }
    }
    if (m_measured.size() != known && !m_curves.isEmpty()) {
        replan(); // with its points
    }
}

void BudgetView::takeDone(const RunRow& row) {
    const std::vector<CellRow> cells = m_context.reader().cells(row.id);
    m_measured[row.id] = measuredPlans(row.id, cells);
    const auto has =
        std::ranges::find_if(cells, [](const CellRow& c) { return c.metrics.contains("curves"); });
    if (row.id <= m_shownId || has == cells.end()) {
        return;
    }
    const bool first = m_curves.isEmpty();
    try {
        m_curves = BudgetCurves(has->metrics);
    } catch (const Error& e) {
        m_damagedId = std::max<qint64>(m_damagedId, row.id);
        m_damage = tr("Run %1: %2").arg(row.id).arg(QString::fromUtf8(e.what()));
        return; // an older run may have others
    }
    m_shownId = row.id;
    m_shownSpec = row.spec;
    m_headText = budgetHeadline(row);
    m_map->setProvenance(tr("run %1").arg(row.id));
    m_plot->setProvenance(tr("run %1").arg(row.id));
    m_limit->setCurves(m_curves);
    if (!first) {
        return; // the limit stays as it is
    }
    const auto [unit, limit] = m_stored ? *m_stored : firstLimit(has->params, m_curves);
    m_limit->setLimit(unit, limit);
    m_stored.reset();
}

void BudgetView::keepPlan() {
    const LimitUnit unit = m_limit->unit();
    m_limit->setLimit(
        unit,
        unit == LimitUnit::Bytes ? static_cast<double>(m_plan.fileBytes) : m_plan.averageBits);
}

void BudgetView::replan() {
    if (m_curves.isEmpty()) {
        return;
    }
    try {
        m_plan = m_curves.plan(m_limit->unit(), m_limit->limit());
    } catch (const Error& e) {
        m_facts->setText(QString::fromUtf8(e.what()).toHtmlEscaped());
        return;
    }
    SensitivityMap map = budgetMap(m_curves, m_plan);
    if (map.axes.xNames != m_map->axes().xNames || map.axes.yNames != m_map->axes().yNames) {
        m_map->setAxes(map.axes);
        m_map->fit();
    }
    m_map->setSeries(std::move(map.series));
    std::vector<MeasuredPlan> measured;
    for (const auto& [run, plans] : m_measured) {
        measured.insert(measured.end(), plans.begin(), plans.end());
    }
    m_plot->setSeries(budgetSeries(m_curves, m_plan, measured));
    const std::vector<BudgetFact> facts =
        budgetFacts(m_curves, m_plan, m_limit->unit(), m_limit->limit());
    m_facts->setText(factsTable(facts));
    showSelected();
}

void BudgetView::selectModule(const std::string& name) {
    m_selected = name;
    showSelected();
}

void BudgetView::showSelected() {
    const auto& names = m_curves.names();
    const auto at = std::ranges::find(names, m_selected);
    if (at == names.end() || m_plan.choice.size() != names.size()) {
        m_map->setSelection({});
        m_matrix->setText(tr("Choose a matrix in the map for its numbers."));
        return;
    }
    const auto matrix = static_cast<std::size_t>(at - names.begin());
    m_map->setSelection({static_cast<qint64>(matrix) + 1});
    m_matrix->setText(matrixFacts(m_curves, m_plan, matrix));
}

void BudgetView::onEvents(std::span<const Event> events) {
    const FollowedRun::Change change = m_run.take(events);
    if (change == FollowedRun::Change::Ended) {
        refresh(); // curves and measured plans are in the store
    } else if (change == FollowedRun::Change::Some) {
        showPage();
    }
    noteBusy();
}

void BudgetView::noteCancel(qint64 runId) {
    if (m_run.noteCancel(runId)) {
        showPage();
    }
}

void BudgetView::submit(const Spec& spec, const QString& title) {
    if (const qint64 id = m_context.submit(spec, title); id != 0) {
        m_run.begin(id);
        showPage();
        noteBusy();
    }
}

void BudgetView::compute() {
    if (!problem().isEmpty() || busy()) {
        return;
    }
    const QString name = shortModelName(QString::fromStdString(m_model));
    submit(curvesSpec(m_draft), tr("Error curves of %1").arg(name));
}

void BudgetView::measure() {
    if (m_curves.isEmpty() || !problem().isEmpty() || busy()) {
        return;
    }
    Spec spec = planSpec(m_shownSpec, m_draft, m_limit->unit(), m_limit->limit());
    spec.params["measure"] = true;
    const QString name = shortModelName(QString::fromStdString(m_model));
    submit(spec, tr("%1 in %2").arg(name, m_limit->text()));
}

void BudgetView::chooseFolder() {
    auto* dialog = new QFileDialog(this, tr("Export model to a new folder"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setFileMode(QFileDialog::AnyFile);
    const QString name = shortModelName(QString::fromStdString(m_model));
    dialog->selectFile(
        QStringLiteral("%1-%2bit").arg(name, QString::number(m_plan.averageBits, 'f', 2)));
    connect(dialog, &QFileDialog::fileSelected, this, &BudgetView::exportTo);
    dialog->open();
}

void BudgetView::exportTo(const QString& folder) {
    if (m_curves.isEmpty() || !problem().isEmpty() || busy()) {
        return;
    }
    Spec spec = planSpec(m_shownSpec, m_draft, m_limit->unit(), m_limit->limit());
    spec.params["measure"] = false;
    spec.params["out"] = folder.toStdString();
    submit(spec, tr("Export to %1").arg(folder));
}

QString BudgetView::problem() const {
    return runProblem(
        m_context, kBudgetStudy, tr("This engine cannot plan a budget."), !m_model.empty());
}

void BudgetView::showButtons() {
    const QString why = problem();
    const QString wait = busy() ? tr("Run %1 has not ended").arg(m_run.id()) : QString();
    const QString no = why.isEmpty() ? wait : why;
    const auto set = [&no](QPushButton* button, const QString& tip) {
        button->setEnabled(no.isEmpty());
        button->setToolTip(no.isEmpty() ? tip : no);
    };
    set(m_compute, tr("Clusters each matrix for every number of bits; kept in the cache"));
    set(m_measure, tr("Quantizes the model as planned and scores the text on the left with it"));
    set(m_export, tr("Quantizes the model as planned and writes it to a folder"));
    m_compute->setVisible(m_shownId != 0 && !busy()); // else the page in the middle has it
    m_run.showIn(*m_progress, *m_stop);
}

void BudgetView::showPage() {
    showButtons();
    const QString active = busy() ? m_run.activeText() : QString();
    const QString failed = m_run.failedAfter(m_shownId) ? m_run.endText() : QString();
    const QString name = shortModelName(QString::fromStdString(m_model));
    const QString button = problem().isEmpty() ? tr("Compute curves") : QString();
    m_head->setText(busy() ? active : failed.isEmpty() || m_shownId == 0 ? m_headText : failed);
    m_head->setToolTip(m_head->text());
    const bool isDamaged = m_damagedId > m_shownId;
    const StudyInfo* study = m_context.study(kBudgetStudy);
    const bool stale =
        study != nullptr && m_shownId != 0 && otherCalibration(m_shownSpec, m_draft, *study);
    m_stale->setText(
        isDamaged ? tr("Not all curves could be read. %1").arg(m_damage)
                  : tr("These curves are of another calibration than the one on the "
                       "left. Compute curves for plans with that one."));
    m_stale->setVisible(m_shownId != 0 && (stale || isDamaged));
    if (!m_problem.isEmpty()) {
        showState(StateView::Kind::Error, tr("The run store could not be read."), {}, m_problem);
    } else if (m_shownId != 0) {
        m_pages->setCurrentIndex(1);
        return;
    } else if (busy()) {
        showState(StateView::Kind::Loading, active, {}, {});
    } else if (isDamaged) {
        showState(
            StateView::Kind::Error, tr("The curves of a run could not be read."), button, m_damage);
    } else if (!failed.isEmpty() && m_run.state() != RunState::Cancelled) {
        showState(StateView::Kind::Error, failed, button, {});
    } else if (m_model.empty() || !problem().isEmpty()) {
        showState(StateView::Kind::Empty, problem(), {}, {});
    } else {
        showState(
            StateView::Kind::Empty,
            tr("No error curves of %1 yet. They tell what each matrix loses at every number of "
               "bits; a slider then finds the best plan for any size.")
                .arg(name),
            button, {});
    }
    m_head->clear();
}

void BudgetView::showState(
    StateView::Kind kind, const QString& sentence, const QString& button, const QString& details) {
    m_stateView->show(kind, sentence, button, details);
    m_pages->setCurrentWidget(m_stateView);
}

QJsonObject BudgetView::saveState() const {
    if (m_curves.isEmpty()) {
        return {};
    }
    return {
        {QStringLiteral("bytes"), m_limit->unit() == LimitUnit::Bytes},
        {QStringLiteral("limit"), m_limit->limit()}};
}

void BudgetView::restoreState(const QJsonObject& state) {
    const double limit = state[QStringLiteral("limit")].toDouble();
    if (!(limit > 0.0) || !std::isfinite(limit)) {
        return;
    }
    m_stored = {
        state[QStringLiteral("bytes")].toBool() ? LimitUnit::Bytes : LimitUnit::AverageBits, limit};
    if (!m_curves.isEmpty()) {
        m_limit->setLimit(m_stored->first, m_stored->second); // the field keeps it in its range
        m_stored.reset();
    }
}

void BudgetView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh(); // what other programs have computed meanwhile
}

void BudgetView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && !m_curves.isEmpty()) {
        replan(); // the texts hold colours
    }
}

} // namespace lathe
