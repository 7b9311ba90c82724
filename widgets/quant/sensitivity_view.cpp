// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sensitivity_view.h"

#include "engine/core/error.h"
#include "widgets/base/export_button.h"
#include "widgets/base/model_name.h"
#include "widgets/base/panel.h"
#include "widgets/base/state_view.h"
#include "widgets/base/theme.h"
#include "widgets/quant/inspection_view.h"
#include "widgets/quant/module_selection.h"
#include "widgets/quant/sensitivity_map.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QProgressBar>
#include <QPushButton>
#include <QSplitter>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

constexpr const char* kStudy = "quant.sensitivity";
constexpr const char* kRuns = "study:quant.sensitivity"; ///< as a query of the store
constexpr int kMostRuns = 256;                           ///< looked through for one of the model
double numberOf(const Json& object, const std::string& name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_number() ? it->get<double>() : 0.0;
}

/// "Run 12 · lm-little · 100 samples of 256 tokens · text of its own"
QString headline(const RunRow& row, const Json& metrics) {
    const QLocale locale;
    const std::string text = textOf(row.spec.params, "text");
    const QString source =
        text.empty()
            ? SensitivityView::tr("on text of its own")
            : SensitivityView::tr("on %1").arg(shortModelName(QString::fromStdString(text)));
    return QStringList{
        SensitivityView::tr("Run %1").arg(row.id),
        shortModelName(QString::fromStdString(textOf(row.spec.params, "model"))),
        SensitivityView::tr("%1 samples of %2 tokens")
            .arg(
                locale.toString(numberOf(metrics, "samples"), 'f', 0),
                locale.toString(numberOf(metrics, "length"), 'f', 0)),
        source}
        .join(QStringLiteral(" · "));
}

} // namespace

SensitivityView::SensitivityView(PanelContext& context, ModuleSelection& modules, QWidget* parent)
    : QWidget(parent), m_context(context), m_modules(modules), m_head(new QLabel),
      m_progress(new QProgressBar),
      m_compute(new QPushButton(Theme::icon(QStringLiteral("run")), tr("Compute sensitivities"))),
      m_stop(new QPushButton(Theme::icon(QStringLiteral("stop")), tr("Stop"))),
      m_export(makeExportButton(
          tr("Export plot"), tr("Write the map as PNG, SVG, PDF, CSV or JSON"),
          tr("Export the map"))),
      m_pages(new QStackedWidget), m_stateView(new StateView), m_plot(new PlotView),
      m_split(new QSplitter(Qt::Vertical)), m_inspection(new InspectionView(context)) {
    build();
    connect(m_compute, &QPushButton::clicked, this, &SensitivityView::compute);
    connect(m_stateView, &StateView::primaryClicked, this, &SensitivityView::compute);
    connect(m_stop, &QPushButton::clicked, this, [this] { m_context.cancel(m_run.id()); });
    connect(m_export, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
    connect(m_plot, &PlotView::pointSelected, this, [this](qint64 tile) {
        m_modules.select(moduleOf(tile));
    });
    connect(m_plot, &PlotView::pointActivated, this, [this](qint64 tile) {
        m_modules.select(moduleOf(tile));
        m_inspection->inspect();
        if (m_inspection->shownId() != 0) {
            m_inspection->setFocus();
        }
    });
    connect(&m_modules, &ModuleSelection::changed, this, [this](const std::string& module) {
        markModule();
        m_inspection->setModule(module);
        showButtons();
    });
    connect(m_inspection, &InspectionView::busyChanged, this, &SensitivityView::busyChanged);
    showPage();
}

void SensitivityView::build() {
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    setUpProgress(*m_progress, tr("Progress of the sensitivities"));
    m_compute->setAccessibleName(m_compute->text());
    m_stop->setAccessibleName(tr("Stop computing sensitivities"));
    m_plot->setEmptyText(tr("This run has no sums of matrices inside layers."));
    m_pages->addWidget(m_stateView);
    m_pages->addWidget(m_plot);
    m_split->addWidget(m_pages);
    m_split->addWidget(m_inspection);
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 2);
    m_split->setStretchFactor(1, 3);
    auto* head = new QHBoxLayout;
    head->addWidget(m_head, 1);
    head->addWidget(m_progress);
    head->addWidget(m_compute);
    head->addWidget(m_stop);
    head->addWidget(m_export);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 8, 8, 8);
    column->addLayout(head);
    column->addWidget(m_split, 1);
}

bool SensitivityView::computing() const { return m_run.busy(); }
bool SensitivityView::busy() const { return computing() || m_inspection->busy(); }

void SensitivityView::setDraft(const Spec& draft) {
    m_draft = draft;
    m_inspection->setDraft(draft);
    if (const std::string model = textOf(draft.params, "model"); model != m_model) {
        m_model = model;
        m_shownId = 0;
        m_run.clear();
        m_names.clear();
        m_modules.select({}); // perhaps there is none of that name
        m_plot->setSeries({});
        refresh();
    }
}

void SensitivityView::noteBusy() {
    if (m_wasBusy != computing()) {
        m_wasBusy = computing();
        emit busyChanged();
    }
}

void SensitivityView::refresh() {
    m_inspection->refresh();
    try {
        takeLatest();
        m_problem.clear();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
    }
    showPage();
    noteBusy();
}

void SensitivityView::takeLatest() {
    if (m_model.empty()) {
        return;
    }
    bool latest = true;
    for (const RunRow& row : m_context.reader().runs({.text = kRuns, .limit = kMostRuns})) {
        if (row.study != kStudy || textOf(row.spec.params, "model") != m_model) {
            continue;
        }
        if (latest) {
            m_run.take(row);
            latest = false;
        }
        if (row.state == RunState::Done) {
            if (row.id != m_shownId) {
                showMap(row);
            }
            return;
        }
    }
}

void SensitivityView::showMap(const RunRow& row) {
    const std::vector<CellRow> cells = m_context.reader().cells(row.id);
    const Json metrics = cells.empty() ? Json::object() : cells.front().metrics;
    const auto modules = metrics.find("modules");
    SensitivityMap map = sensitivityMap(modules != metrics.end() ? *modules : Json::object());
    m_plot->setAxes(map.axes);
    m_plot->setSeries(std::move(map.series));
    m_names = std::move(map.names);
    m_plot->fit();
    markModule();
    m_plot->setProvenance(tr("run %1").arg(row.id));
    m_headText = headline(row, metrics);
    m_shownId = row.id;
}

std::string SensitivityView::moduleOf(qint64 tile) const {
    const bool named = tile > 0 && tile <= static_cast<qint64>(m_names.size());
    return named ? m_names[static_cast<std::size_t>(tile) - 1] : std::string();
}

void SensitivityView::markModule() {
    const auto name = std::ranges::find(m_names, m_modules.module());
    m_plot->setSelection(
        name != m_names.end() ? std::vector<qint64>{name - m_names.begin() + 1}
                              : std::vector<qint64>{});
}

void SensitivityView::onEvents(std::span<const Event> events) {
    m_inspection->onEvents(events);
    const FollowedRun::Change change = m_run.take(events);
    if (change == FollowedRun::Change::Ended) {
        refresh(); // the sums are in the store
    } else if (change == FollowedRun::Change::Some) {
        showPage();
    }
    noteBusy();
}

void SensitivityView::noteCancel(qint64 runId) {
    m_inspection->noteCancel(runId);
    if (m_run.noteCancel(runId)) {
        showPage();
    }
}

void SensitivityView::compute() {
    if (!problem().isEmpty() || computing()) {
        return;
    }
    // As the sweep itself would compute them: it then finds them in the cache.
    Spec spec = m_draft;
    spec.study = kStudy;
    spec.params = {{"model", m_model}};
    spec.sweep = Json::object();
    spec.done.clear();
    spec.repeat = 1;
    const std::array<std::pair<const char*, const char*>, 4> same{
        {{"calibration", "text"},
         {"calibration_clean", "clean"},
         {"calibration_samples", "samples"},
         {"calibration_length", "length"}}};
    for (const auto& [name, of] : same) {
        if (const auto it = m_draft.params.find(name);
            it != m_draft.params.end() && !it->is_null() && *it != "") {
            spec.params[of] = *it;
        }
    }
    const QString name = shortModelName(QString::fromStdString(m_model));
    const qint64 id = m_context.submit(spec, tr("Sensitivities of %1").arg(name));
    if (id != 0) {
        m_run.begin(id);
        showPage();
        noteBusy();
    }
}

QString SensitivityView::problem() const {
    return runProblem(
        m_context, kStudy, tr("This engine cannot compute sensitivities."), !m_model.empty());
}

void SensitivityView::showButtons() {
    const QString why = problem();
    m_compute->setEnabled(why.isEmpty() && !computing());
    m_compute->setToolTip(
        !why.isEmpty() ? why
        : computing()  ? tr("Run %1 computes them").arg(m_run.id())
                       : tr("Backward passes over the calibration text; a sweep of squeezellm then "
                             "finds them in the cache"));
    m_run.showIn(*m_progress, *m_stop);
    m_compute->setVisible(m_shownId != 0 && !computing()); // else the page in the middle has it
    m_export->setVisible(m_shownId != 0);
    m_inspection->setVisible(m_shownId != 0 || !m_modules.module().empty());
}

void SensitivityView::showPage() {
    showButtons();
    const QString active = computing() ? m_run.activeText() : QString();
    const QString failed = m_run.failedAfter(m_shownId) ? m_run.endText() : QString();
    const QString name = shortModelName(QString::fromStdString(m_model));
    const QString button = problem().isEmpty() ? tr("Compute sensitivities") : QString();
    m_head->setText(
        computing()                          ? active
        : failed.isEmpty() || m_shownId == 0 ? m_headText
                                             : failed);
    if (!m_problem.isEmpty()) {
        showState(StateView::Kind::Error, tr("The run store could not be read."), {}, m_problem);
    } else if (m_shownId != 0) {
        m_pages->setCurrentWidget(m_plot);
        return;
    } else if (computing()) {
        showState(StateView::Kind::Loading, active, {}, {});
    } else if (!failed.isEmpty() && m_run.state() != RunState::Cancelled) {
        showState(StateView::Kind::Error, failed, button, {});
    } else if (m_model.empty() || !problem().isEmpty()) {
        showState(StateView::Kind::Empty, problem(), {}, {});
    } else {
        showState(
            StateView::Kind::Empty,
            tr("No sensitivities of %1 yet. They tell how much its loss hangs on each weight, and "
               "the map then shows which matrices must be kept well.")
                .arg(name),
            button, {});
    }
    m_head->clear();
}

void SensitivityView::showState(
    StateView::Kind kind, const QString& sentence, const QString& button, const QString& details) {
    m_stateView->show(kind, sentence, button, details);
    m_pages->setCurrentWidget(m_stateView);
}

QJsonObject SensitivityView::saveState() const {
    return {
        {QStringLiteral("inspection"), m_inspection->saveState()},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())}};
}

void SensitivityView::restoreState(const QJsonObject& state) {
    m_inspection->restoreState(state[QStringLiteral("inspection")].toObject());
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
}

void SensitivityView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh(); // what other programs have computed meanwhile
}

} // namespace lathe
