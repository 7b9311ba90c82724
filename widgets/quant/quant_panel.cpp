// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/quant_panel.h"

#include "engine/core/error.h"
#include "widgets/base/state_view.h"
#include "widgets/quant/budget_view.h"
#include "widgets/quant/module_selection.h"
#include "widgets/quant/sensitivity_view.h"
#include "widgets/quant/sweep_controls.h"
#include "widgets/quant/sweep_results.h"

#include <QHBoxLayout>
#include <QSplitter>
#include <QStackedWidget>
#include <QTabWidget>

namespace lathe {

namespace {

constexpr const char* kStudy = "quant.sweep";
constexpr const char* kSweeps = "study:quant.sweep"; ///< as a query of the store
constexpr int kControlsWidth = 300;

/// Values of a parameter, for a title: "rtn, kmeans".
QString valuesText(const Spec& spec, const std::string& name) {
    QStringList texts;
    if (const auto swept = spec.sweep.find(name); swept != spec.sweep.end()) {
        for (const Json& value : *swept) {
            texts << QString::fromStdString(valueText(value));
        }
    } else if (const auto one = spec.params.find(name); one != spec.params.end()) {
        texts << QString::fromStdString(valueText(*one));
    }
    return texts.join(QStringLiteral(", "));
}

} // namespace

QuantPanel::QuantPanel(PanelContext& context, QWidget* parent)
    : Panel(parent), m_context(context), m_split(new QSplitter(Qt::Horizontal)),
      m_controls(new SweepControls(context)), m_pages(new QStackedWidget), m_state(new StateView),
      m_modules(new ModuleSelection(this)), m_results(new SweepResults(*m_modules)),
      m_sensitivities(new SensitivityView(context, *m_modules)), m_budget(new BudgetView(context)),
      m_views(new QTabWidget) {
    m_pages->addWidget(m_state);
    m_pages->addWidget(m_results);
    m_split->addWidget(m_controls);
    m_views->addTab(m_pages, tr("Sweep"));
    m_views->addTab(m_sensitivities, tr("Sensitivities"));
    m_views->addTab(m_budget, tr("Budget"));
    m_views->setDocumentMode(true);
    m_split->addWidget(m_views);
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 0);
    m_split->setStretchFactor(1, 1);
    m_split->setSizes({kControlsWidth, 4 * kControlsWidth});
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_split);
    connect(m_controls, &SweepControls::runRequested, this, &QuantPanel::triggerRun);
    connect(m_controls, &SweepControls::stopRequested, this, &QuantPanel::stop);
    connect(m_state, &StateView::primaryClicked, this, &QuantPanel::primaryClicked);
    connect(m_controls, &SweepControls::edited, this, [this] {
        m_sensitivities->setDraft(m_controls->draft());
        m_budget->setDraft(m_controls->draft());
    });
    connect(m_sensitivities, &SensitivityView::busyChanged, this, &Panel::busyChanged);
    connect(m_budget, &BudgetView::busyChanged, this, &Panel::busyChanged);
    connect(m_budget, &BudgetView::moduleSelected, m_modules, &ModuleSelection::select);
    connect(m_modules, &ModuleSelection::changed, m_budget, &BudgetView::selectModule);
    connect(&context, &PanelContext::engineChanged, this, &QuantPanel::takeStudy);
    connect(&context, &PanelContext::modelsChanged, this, &QuantPanel::showPage);
    connect(&context, &PanelContext::runsChanged, this, &QuantPanel::takeRuns);
    connect(&context, &PanelContext::cancelAsked, this, &QuantPanel::noteCancel);
    takeStudy();
    showLatest();
}

PanelInfo QuantPanel::info() const {
    return {
        .id = QStringLiteral("quant"),
        .title = tr("Quantization"),
        .icon = QStringLiteral(":/icons/quantize.svg"),
        .shortcut = QKeySequence(Qt::CTRL | Qt::Key_1)};
}

void QuantPanel::takeStudy() {
    const StudyInfo* study = m_context.study(kStudy);
    if ((study != nullptr) != m_studyKnown) {
        m_studyKnown = study != nullptr;
        m_controls->setStudy(study);
    }
    m_sensitivities->setDraft(m_controls->draft());
    m_sensitivities->refresh(); // whether they can be computed hangs on the engine
    m_budget->setDraft(m_controls->draft());
    m_budget->refresh();
    showPage();
}

void QuantPanel::showLatest() {
    try {
        const auto rows = m_context.reader().runs({.text = kSweeps, .limit = 1});
        if (!rows.empty()) {
            load(rows.front().id);
        }
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
    }
}

bool QuantPanel::load(qint64 runId) {
    try {
        const auto row = m_context.reader().run(runId);
        if (!row || row->study != kStudy) {
            return false;
        }
        m_fed = m_fed && m_run.id == runId;
        m_run.load(*row, m_context.reader().cells(runId));
        m_problem.clear();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
        return false;
    }
    noteActive(runId, m_run.isActive());
    m_results->setRun(m_run);
    showPage();
    return true;
}

bool QuantPanel::busy() const {
    return !m_active.empty() || m_sensitivities->busy() || m_budget->busy();
}

void QuantPanel::takeRuns() {
    if (m_sensitivities->isVisible()) {
        m_sensitivities->refresh();
    }
    if (m_budget->isVisible()) {
        m_budget->refresh();
    }
    if (m_run.id == 0) {
        showLatest();
    } else if (m_run.isActive() && !m_fed) {
        load(m_run.id); // run by another program: only the store tells
    }
}

bool QuantPanel::showRun(qint64 runId) {
    if (!load(runId)) {
        return false;
    }
    m_views->setCurrentWidget(m_pages);
    return true;
}

bool QuantPanel::editSpec(const Spec& spec) {
    if (spec.study != kStudy) {
        return false;
    }
    m_controls->setDraft(spec);
    m_controls->setFocus();
    return true;
}

bool QuantPanel::useModel(const QString& path) {
    Spec spec = m_controls->draft();
    spec.params["model"] = path.toStdString();
    m_controls->setDraft(spec);
    showPage();
    return true;
}

void QuantPanel::noteCancel(qint64 runId) {
    m_sensitivities->noteCancel(runId);
    m_budget->noteCancel(runId);
    if (runId == m_run.id && m_run.isActive()) {
        m_run.cancelling = true;
        m_results->update(m_run, SweepRun::Head, {});
    }
}

void QuantPanel::onEvents(std::span<const Event> events) {
    m_sensitivities->onEvents(events);
    m_budget->onEvents(events);
    int changes = SweepRun::Nothing;
    std::set<int> cells;
    for (const Event& event : events) {
        const auto* state = std::get_if<RunChanged>(&event.payload);
        if (state != nullptr && m_active.contains(event.runId) && isFinal(state->state)) {
            noteActive(event.runId, false);
        }
        int cell = -1;
        const int change = m_run.apply(event, &cell);
        changes |= change;
        if (cell >= 0) {
            cells.insert(cell);
        } else if ((change & SweepRun::Cells) != 0) {
            for (const auto& [index, closed] : m_run.cells) {
                cells.insert(index); // the end of a run closes what was running
            }
        }
    }
    if (changes == SweepRun::Nothing) {
        return;
    }
    m_fed = true;
    m_results->update(m_run, changes, cells); // once per batch, however much it says
    if (changes != SweepRun::Phase) {
        showPage();
    }
}

void QuantPanel::noteActive(qint64 runId, bool active) {
    const bool before = busy();
    if (active) {
        m_active.insert(runId);
    } else {
        m_active.erase(runId);
    }
    if (before != busy()) {
        emit busyChanged();
    }
}

QString QuantPanel::titleOf(const Spec& spec) const {
    return tr("%1 at %2 bit").arg(valuesText(spec, "method"), valuesText(spec, "bits"));
}

void QuantPanel::triggerRun() {
    if (const QString problem = m_controls->problem(); !problem.isEmpty()) {
        m_context.showMessage(problem);
        return;
    }
    submit(m_controls->draft());
}

void QuantPanel::submit(const Spec& spec) {
    const qint64 id = m_context.submit(spec, titleOf(spec));
    if (id != 0 && load(id)) {
        m_context.showRun(id);
    }
}

void QuantPanel::stop() {
    // The one on screen if it runs, else whichever of this panel does.
    if (m_run.isActive()) {
        m_context.cancel(m_run.id);
    } else if (!m_active.empty()) {
        m_context.cancel(*m_active.begin());
    }
}

void QuantPanel::showState(
    int kind, const QString& sentence, Primary primary, const QString& details) {
    m_primary = primary;
    const bool canRun = primary == Primary::RunAgain || m_controls->problem().isEmpty();
    const QString button = primary == Primary::None || !canRun ? QString()
                           : primary == Primary::Run           ? tr("Start the sweep")
                                                               : tr("Run again");
    m_state->show(static_cast<StateView::Kind>(kind), sentence, button, details);
    m_pages->setCurrentWidget(m_state);
}

void QuantPanel::showPage() {
    m_controls->setActiveRun(
        m_run.isActive()   ? m_run.id
        : m_active.empty() ? 0
                           : *m_active.begin());
    const auto empty = static_cast<int>(StateView::Kind::Empty);
    const auto loading = static_cast<int>(StateView::Kind::Loading);
    const auto error = static_cast<int>(StateView::Kind::Error);
    if (!m_problem.isEmpty()) {
        showState(error, tr("The run store could not be read."), Primary::None, m_problem);
        return;
    }
    if (m_run.id == 0) {
        if (m_context.engine() == nullptr) {
            showState(loading, tr("The engine is starting…"), Primary::None);
        } else if (!m_studyKnown) {
            showState(error, tr("This engine has no quantization sweep."), Primary::None);
        } else if (m_context.models().empty()) {
            showState(
                empty, tr("Open a model on the left: a folder or a GGUF file."), Primary::None);
        } else {
            showState(
                empty,
                tr("No sweep yet. Choose methods and bits on the left; each point of the plot then "
                   "shows what a setting costs and what it saves."),
                Primary::Run);
        }
        return;
    }
    if (isFinal(m_run.state) && m_run.doneCount() == 0) {
        if (m_run.state == RunState::Cancelled) {
            showState(
                empty, tr("Run %1 was stopped before its first cell was finished.").arg(m_run.id),
                Primary::RunAgain);
            return;
        }
        QString details = m_run.message;
        for (const auto& [index, cell] : m_run.cells) {
            if (details.isEmpty()) {
                details = cell.message;
            }
        }
        showState(
            error, tr("Run %1 ended without a result: %2").arg(m_run.id).arg(details),
            Primary::RunAgain);
        return;
    }
    m_pages->setCurrentWidget(m_results);
}

void QuantPanel::primaryClicked() {
    if (m_primary == Primary::RunAgain) {
        Spec spec = m_run.spec;
        spec.done.clear(); // from the start, also when that run had gone on with another
        submit(spec);
    } else if (m_primary == Primary::Run) {
        triggerRun();
    }
}

QJsonObject QuantPanel::saveState() const {
    const std::string draft = dumpJson(toJson(m_controls->draft()));
    return {
        {QStringLiteral("draft"), QString::fromStdString(draft)},
        {QStringLiteral("run"), QString::number(m_run.id)},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())},
        {QStringLiteral("results"), m_results->saveState()},
        {QStringLiteral("sensitivities"), m_sensitivities->saveState()},
        {QStringLiteral("budget"), m_budget->saveState()}};
}

void QuantPanel::restoreState(const QJsonObject& state) {
    const std::string draft = state[QStringLiteral("draft")].toString().toStdString();
    if (!draft.empty()) {
        try {
            const Spec spec = specFromJson(parseJson(draft, "stored draft of a sweep"));
            if (spec.study == kStudy) {
                m_controls->setDraft(spec);
            }
        } catch (const Error&) {
            // A damaged draft gives way to the first one.
            m_context.showMessage(tr("The stored draft of the sweep could not be read"));
        }
    }
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
    m_results->restoreState(state[QStringLiteral("results")].toObject());
    m_sensitivities->restoreState(state[QStringLiteral("sensitivities")].toObject());
    m_budget->restoreState(state[QStringLiteral("budget")].toObject());
    const qint64 id = state[QStringLiteral("run")].toString().toLongLong();
    if (id > 0 && id != m_run.id) {
        load(id);
    }
}

} // namespace lathe
