// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_panel.h"

#include "engine/core/error.h"
#include "widgets/base/followed_run.h"
#include "widgets/base/state_view.h"
#include "widgets/decode/decode_controls.h"
#include "widgets/decode/drafter_text.h"
#include "widgets/decode/live_view.h"
#include "widgets/decode/pareto_view.h"
#include "widgets/decode/replay_bar.h"
#include "widgets/decode/what_if_link.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QSplitter>
#include <QStackedWidget>
#include <QTabWidget>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr const char* kRuns = "study:decode.once"; ///< as a query of the store
constexpr int kControlsWidth = 300;
constexpr int kRecentRuns = 50;
constexpr int kRecentLength = 44; ///< characters

QString elided(const QString& text) {
    return text.size() > kRecentLength ? text.left(kRecentLength - 1) + QChar(0x2026) : text;
}

QString number(double value) { return QLocale().toString(value, 'g', 3); }

} // namespace

DecodePanel::DecodePanel(PanelContext& context, QWidget* parent)
    : Panel(parent), m_context(context), m_split(new QSplitter(Qt::Horizontal)),
      m_controls(new DecodeControls(context)), m_head(new QLabel), m_recent(new QComboBox),
      m_pages(new QStackedWidget), m_state(new StateView), m_live(new LiveView),
      m_pareto(new ParetoView(context)), m_views(new QTabWidget),
      m_whatIf(new WhatIfLink(context, this)) {
    m_split->addWidget(m_controls);
    m_views->addTab(makeLivePage(), tr("Decoding"));
    m_views->addTab(m_pareto, tr("Quality against speed"));
    m_views->setDocumentMode(true);
    m_split->addWidget(m_views);
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 0);
    m_split->setStretchFactor(1, 1);
    m_split->setSizes({kControlsWidth, 4 * kControlsWidth});
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_split);
    connect(m_controls, &DecodeControls::runRequested, this, &DecodePanel::triggerRun);
    connect(m_controls, &DecodeControls::stopRequested, this, &DecodePanel::stop);
    connect(m_controls, &DecodeControls::edited, this, [this] {
        m_pareto->setDraft(m_controls->draft());
        showPage();
    });
    connect(m_state, &StateView::primaryClicked, this, &DecodePanel::triggerRun);
    connect(m_live, &LiveView::thresholdsMoved, this, &DecodePanel::moveThresholds);
    connect(m_live, &LiveView::measuredWanted, this, &DecodePanel::showMeasured);
    connect(m_live, &LiveView::runWanted, this, [this] {
        submit(withThresholds(m_live->thresholds()));
    });
    connect(m_whatIf, &WhatIfLink::answered, this, &DecodePanel::takeAnswer);
    connect(m_whatIf, &WhatIfLink::failed, this, [this](const QString& why) {
        m_live->setNote(tr("Other thresholds cannot be replayed: %1").arg(why), false);
    });
    connect(m_pareto, &ParetoView::busyChanged, this, &Panel::busyChanged);
    connect(
        m_pareto, &ParetoView::thresholdsChosen, this, [this](double fallback, double rollback) {
            m_views->setCurrentIndex(0);
            m_live->setThresholds({fallback, rollback});
            moveThresholds({fallback, rollback}, true);
        });
    connect(&context, &PanelContext::engineChanged, this, &DecodePanel::takeStudy);
    connect(&context, &PanelContext::modelsChanged, this, &DecodePanel::showPage);
    connect(&context, &PanelContext::runsChanged, this, &DecodePanel::takeRuns);
    connect(&context, &PanelContext::cancelAsked, this, &DecodePanel::noteCancel);
    connect(m_recent, &QComboBox::activated, this, [this](int index) {
        load(m_recent->itemData(index).toLongLong(), true);
    });
    takeStudy();
    showLatest();
}

QWidget* DecodePanel::makeLivePage() {
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_recent->setAccessibleName(tr("Stored runs"));
    m_recent->setToolTip(tr("Replay a stored run"));
    m_recent->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_recent->setMinimumContentsLength(kRecentLength / 2);
    m_pages->addWidget(m_state);
    m_pages->addWidget(m_live);
    auto* page = new QWidget;
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 0, 0, 0);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(9, 6, 9, 0);
    row->addWidget(m_head, 1);
    row->addWidget(m_recent);
    column->addLayout(row);
    column->addWidget(m_pages, 1);
    return page;
}

PanelInfo DecodePanel::info() const {
    return {
        .id = QStringLiteral("decode"),
        .title = tr("Decoding"),
        .icon = QStringLiteral(":/icons/decode.svg"),
        .shortcut = QKeySequence(Qt::CTRL | Qt::Key_2)};
}

void DecodePanel::takeStudy() {
    const StudyInfo* study = m_context.study(kDecodeStudy);
    if ((study != nullptr) != m_studyKnown) {
        m_studyKnown = study != nullptr;
        m_controls->setStudy(study);
        m_pareto->setStudy(m_context.study(kGridStudy));
    }
    m_pareto->setDraft(m_controls->draft());
    showPage();
    demonstrate();
}

void DecodePanel::showLatest() {
    try {
        const auto rows = m_context.reader().runs({.text = kRuns, .limit = 1});
        if (!rows.empty()) {
            load(rows.front().id, false);
        }
        fillRecent();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
    }
}

void DecodePanel::fillRecent() {
    m_recent->clear();
    for (const RunRow& row : m_context.reader().runs({.text = kRuns, .limit = kRecentRuns})) {
        const QString source = QString::fromStdString(textOf(row.spec.params, "source"));
        m_recent->addItem(
            tr("%1: %2").arg(row.id).arg(elided(source.simplified())),
            static_cast<qlonglong>(row.id));
    }
    m_recent->setVisible(m_recent->count() > 0);
    m_recent->setCurrentIndex(m_recent->findData(static_cast<qlonglong>(m_run.id())));
}

bool DecodePanel::load(qint64 runId, bool play) {
    try {
        const auto row = m_context.reader().run(runId);
        if (!row || row->study != kDecodeStudy) {
            return false;
        }
        m_fed = m_fed && m_run.id() == runId;
        m_run.load(*row, m_context.reader());
        m_problem.clear();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
        return false;
    }
    m_whatIf->forget();
    noteActive(runId, m_run.isActive());
    m_live->showRun(m_run, play);
    m_recent->setCurrentIndex(m_recent->findData(static_cast<qlonglong>(runId)));
    askCandidates();
    showPage();
    return true;
}

/// Once, at the very first sight of the panel, where nothing is stored and nothing else runs.
void DecodePanel::demonstrate() {
    if (m_demonstrated || !isVisible() || !m_studyKnown || m_run.id() != 0 ||
        !m_controls->problem().isEmpty()) {
        return;
    }
    try {
        for (const char* active : {"state:running", "state:queued"}) {
            if (!m_context.reader().runs({.text = active, .limit = 1}).empty()) {
                return;
            }
        }
    } catch (const Error&) {
        return; // showPage says why
    }
    m_demonstrated = true;
    triggerRun();
}

void DecodePanel::showEvent(QShowEvent* event) {
    Panel::showEvent(event);
    takeRuns(); // what came while the panel was hidden
    demonstrate();
}

bool DecodePanel::busy() const { return !m_active.empty() || m_pareto->busy(); }

void DecodePanel::takeRuns() {
    if (m_pareto->isVisible()) {
        m_pareto->refresh();
    }
    try {
        if (isVisible()) {
            fillRecent();
        }
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
        return;
    }
    if (m_run.id() == 0) {
        showLatest();
    } else if (m_run.isActive() && !m_fed) {
        load(m_run.id(), false); // run by another program: only the store tells
    }
}

bool DecodePanel::showRun(qint64 runId) {
    if (load(runId, true)) {
        m_views->setCurrentIndex(0);
        return true;
    }
    if (m_pareto->showRun(runId)) {
        m_views->setCurrentWidget(m_pareto);
        return true;
    }
    return false;
}

void DecodePanel::setDraft(const Spec& spec) {
    m_controls->setDraft(spec);
    m_pareto->setDraft(m_controls->draft());
}

bool DecodePanel::editSpec(const Spec& spec) {
    if (m_pareto->editSpec(spec)) {
        setDraft(m_pareto->sharedBack(spec, m_controls->draft()));
        m_views->setCurrentWidget(m_pareto);
        return true;
    }
    if (spec.study != kDecodeStudy) {
        return false;
    }
    setDraft(spec);
    m_controls->setFocus();
    return true;
}

void DecodePanel::noteCancel(qint64 runId) {
    m_pareto->noteCancel(runId);
    if (runId == m_run.id()) {
        m_run.noteCancel();
        showPage();
    }
}

void DecodePanel::onEvents(std::span<const Event> events) {
    m_pareto->onEvents(events);
    int changes = DecodeRun::Nothing;
    for (const Event& event : events) {
        const auto* state = std::get_if<RunChanged>(&event.payload);
        if (state != nullptr && m_active.contains(event.runId) && isFinal(state->state)) {
            noteActive(event.runId, false);
        }
        changes |= m_run.apply(event);
    }
    if (changes == DecodeRun::Nothing) {
        return;
    }
    m_fed = true;
    showPage();
    m_live->update(m_run, changes); // once per batch, however much it says
    if ((changes & DecodeRun::Whole) != 0) {
        askCandidates();
    }
}

void DecodePanel::noteActive(qint64 runId, bool active) {
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

void DecodePanel::triggerRun() {
    if (const QString problem = m_controls->problem(); !problem.isEmpty()) {
        m_context.showMessage(problem);
        return;
    }
    submit(m_controls->draft());
}

void DecodePanel::submit(const Spec& spec) {
    const QString source = QString::fromStdString(textOf(spec.params, "source"));
    const qint64 id = m_context.submit(spec, elided(source.simplified()));
    if (id != 0) {
        m_context.showRun(id);
    }
}

void DecodePanel::stop() {
    if (m_run.isActive()) {
        m_context.cancel(m_run.id());
    } else if (!m_active.empty()) {
        m_context.cancel(*m_active.begin());
    }
}

/// The shown run with these thresholds in place of its own, or in place of a strategy without any.
Spec DecodePanel::withThresholds(const Thresholds& thresholds) const {
    Spec spec = m_run.spec();
    spec.params["strategy"] = thresholdStrategy(textOf(spec.params, "strategy"));
    spec.params["alpha_fb"] = thresholds.fallback;
    spec.params["alpha_rb"] = thresholds.rollback;
    spec.params.erase("out");
    spec.done.clear();
    return spec;
}

void DecodePanel::moveThresholds(const Thresholds& thresholds, bool done) {
    m_pareto->setThresholds(thresholds.fallback, thresholds.rollback);
    if (done) {
        m_controls->setThresholds(thresholds.fallback, thresholds.rollback);
    }
    if (!m_run.isMeasured()) {
        return; // the lines stand where the next run will have them
    }
    const std::string strategy = textOf(m_run.spec().params, "strategy");
    if (thresholdsOf(m_run.metrics()) == thresholds &&
        (strategy.empty() || hasThresholds(strategy))) {
        showMeasured();
        return;
    }
    m_whatIf->ask(withThresholds(thresholds), m_run.metrics().value("costs", Json()));
}

/// What both models would have written, for the cards of tokens: the measured thresholds again.
void DecodePanel::askCandidates() {
    if (!m_run.isMeasured()) {
        return;
    }
    if (const auto used = thresholdsOf(m_run.metrics())) {
        m_pareto->setThresholds(used->fallback, used->rollback);
    }
    if (m_context.engine() != nullptr && m_run.metrics().contains("costs")) {
        m_whatIf->ask(m_run.spec(), m_run.metrics().at("costs"));
    }
}

void DecodePanel::takeAnswer(const Spec& spec, const Json& result) {
    try {
        if (toJson(spec) == toJson(m_run.spec())) {
            m_live->takeCandidates(result);
            return;
        }
        m_live->showWhatIf(result);
    } catch (const Error& e) {
        m_live->setNote(QString::fromUtf8(e.what()), false);
        return;
    }
    const auto used = thresholdsOf(result);
    const auto computed = result.value("computed", std::int64_t{0});
    m_live->setNote(
        tr("Fallback %1, rollback %2: the exact text, replayed from what both models say (%3 new "
           "prefixes, %4 ms). Times are modelled from run %5.")
            .arg(
                number(used ? used->fallback : 0.0), number(used ? used->rollback : 0.0),
                QLocale().toString(static_cast<qlonglong>(computed)))
            .arg(m_whatIf->lastMs())
            .arg(m_run.id()),
        false);
}

void DecodePanel::showMeasured() {
    m_whatIf->forget();
    m_live->showMeasured();
    askCandidates();
}

void DecodePanel::showState(
    int kind, const QString& sentence, bool canRun, const QString& details) {
    const bool possible = canRun && m_controls->problem().isEmpty();
    m_state->show(
        static_cast<StateView::Kind>(kind), sentence, possible ? tr("Decode it") : QString(),
        details);
    m_pages->setCurrentWidget(m_state);
}

void DecodePanel::showPage() {
    m_controls->setActiveRun(
        m_run.isActive()   ? m_run.id()
        : m_active.empty() ? 0
                           : *m_active.begin());
    m_head->setText(m_run.id() != 0 ? m_run.headline() : QString());
    m_head->setToolTip(m_head->text());
    const auto empty = static_cast<int>(StateView::Kind::Empty);
    const auto loading = static_cast<int>(StateView::Kind::Loading);
    const auto error = static_cast<int>(StateView::Kind::Error);
    if (!m_problem.isEmpty()) {
        showState(error, tr("The stored run could not be read."), true, m_problem);
    } else if (m_run.id() == 0) {
        if (m_context.engine() == nullptr) {
            showState(loading, tr("The engine is starting…"), false);
        } else if (!m_studyKnown) {
            showState(error, tr("This engine cannot decode with two models."), false);
        } else {
            showState(
                empty,
                tr("No text has been decoded yet. The little model drafts it token by token; the "
                   "big one keeps, replaces or undoes what it sees."),
                true);
        }
    } else if (!m_run.story().isEmpty()) {
        m_pages->setCurrentWidget(m_live);
    } else if (m_run.isActive()) {
        showState(loading, m_run.headline(), false);
    } else if (m_run.state() == RunState::Cancelled) {
        showState(empty, tr("Run %1 was stopped before its first token.").arg(m_run.id()), true);
    } else {
        showState(
            error, tr("Run %1 ended without a text: %2").arg(m_run.id()).arg(m_run.message()),
            true);
    }
}

QJsonObject DecodePanel::saveState() const {
    return {
        {QStringLiteral("draft"), QString::fromStdString(dumpJson(toJson(m_controls->draft())))},
        {QStringLiteral("run"), QString::number(m_run.id())},
        {QStringLiteral("page"), m_views->currentIndex()},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())},
        {QStringLiteral("live"), m_live->saveState()},
        {QStringLiteral("pareto"), m_pareto->saveState()}};
}

void DecodePanel::restoreState(const QJsonObject& state) {
    const std::string draft = state[QStringLiteral("draft")].toString().toStdString();
    if (!draft.empty()) {
        try {
            const Spec spec = specFromJson(parseJson(draft, "stored draft of a decoding"));
            if (spec.study == kDecodeStudy) {
                setDraft(spec);
            }
        } catch (const Error&) {
            // A damaged draft gives way to the first one.
            m_context.showMessage(tr("The stored draft of the decoding could not be read"));
        }
    }
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
    m_live->restoreState(state[QStringLiteral("live")].toObject());
    m_pareto->restoreState(state[QStringLiteral("pareto")].toObject());
    m_views->setCurrentIndex(std::clamp(state[QStringLiteral("page")].toInt(0), 0, 1));
    const qint64 id = state[QStringLiteral("run")].toString().toLongLong();
    if (id > 0 && id != m_run.id()) {
        load(id, false);
    }
}

} // namespace lathe
