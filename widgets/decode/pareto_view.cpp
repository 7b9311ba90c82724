// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/pareto_view.h"

#include "engine/core/error.h"
#include "widgets/base/export_button.h"
#include "widgets/base/fold.h"
#include "widgets/base/panel.h"
#include "widgets/base/spec_form.h"
#include "widgets/base/theme.h"
#include "widgets/decode/drafter_text.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <array>
#include <set>

namespace lathe {

namespace {

/// What the grid's own form asks for, and what its study fills in; all else is of the panel's
/// draft.
constexpr std::array<const char*, 6> kOwnParams{"source",   "reference", "max_texts",
                                                "alpha_fb", "alpha_rb",  "beside"};

bool isOwn(const std::string& name) {
    return std::ranges::any_of(kOwnParams, [&](const char* own) { return name == own; });
}

std::set<std::string> hiddenParams(const StudyInfo& info) {
    std::set<std::string> hidden{"device", "target", "threads", "repeat", "seed"};
    for (const ParamSpec& param : info.params) {
        if (!isOwn(param.name)) {
            hidden.insert(param.name);
        }
    }
    return hidden;
}

} // namespace

ParetoView::ParetoView(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_context(context), m_head(new QLabel), m_progress(new QProgressBar),
      m_measure(new QPushButton), m_measurePresent(new QPushButton), m_stop(new QPushButton),
      m_form(new SpecForm(context)), m_quality(new QComboBox), m_time(new QComboBox),
      m_facts(new QLabel), m_take(new QPushButton), m_pages(new QStackedWidget),
      m_stateView(new StateView), m_plot(new PlotView), m_plotPage(new QWidget) {
    m_grid.bigBleu = std::numeric_limits<double>::quiet_NaN();
    auto* column = new QVBoxLayout(m_plotPage);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(makeChoices());
    column->addWidget(m_plot, 1);
    auto* below = new QHBoxLayout;
    below->addWidget(m_facts, 1);
    below->addWidget(m_take);
    column->addLayout(below);
    m_pages->addWidget(m_stateView);
    m_pages->addWidget(m_plotPage);
    auto* fold = new Fold(tr("Texts and grid"));
    fold->setContent(m_form);
    auto* whole = new QVBoxLayout(this);
    whole->addWidget(makeHead());
    whole->addWidget(fold);
    whole->addWidget(m_pages, 1);
    setFocusProxy(m_plot);
    connect(m_measure, &QPushButton::clicked, this, &ParetoView::measureGrid);
    connect(m_measurePresent, &QPushButton::clicked, this, &ParetoView::measurePresent);
    connect(m_stateView, &StateView::primaryClicked, this, &ParetoView::measureGrid);
    connect(m_stop, &QPushButton::clicked, this, [this] { m_context.cancel(m_run.id()); });
    connect(m_form, &SpecForm::edited, this, &ParetoView::showPage);
    connect(m_plot, &PlotView::pointSelected, this, &ParetoView::select);
    connect(m_plot, &PlotView::pointActivated, this, [this](qint64 id) {
        select(id);
        m_take->click();
    });
    connect(m_take, &QPushButton::clicked, this, [this] {
        if (m_selected > 0 && m_selected <= static_cast<qint64>(m_grid.points.size())) {
            const GridPoint& point = m_grid.points[static_cast<std::size_t>(m_selected - 1)];
            emit thresholdsChosen(point.fallback, point.rollback);
        }
    });
    showPage();
}

QWidget* ParetoView::makeHead() {
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    setUpProgress(*m_progress, tr("Progress of the grid"));
    m_measure->setIcon(Theme::icon(QStringLiteral("run")));
    m_measure->setText(tr("Measure the grid"));
    m_measurePresent->setIcon(Theme::icon(QStringLiteral("plus")));
    m_stop->setIcon(Theme::icon(QStringLiteral("stop")));
    m_stop->setText(tr("Stop"));
    m_stop->setAccessibleName(tr("Stop measuring the grid"));
    auto* part = new QWidget;
    auto* row = new QHBoxLayout(part);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_head, 1);
    row->addWidget(m_progress);
    row->addWidget(m_measurePresent);
    row->addWidget(m_measure);
    row->addWidget(m_stop);
    return part;
}

QWidget* ParetoView::makeChoices() {
    m_quality->addItems({tr("BLEU"), tr("chrF"), tr("ROUGE-Lsum"), tr("Agreement")});
    m_quality->setAccessibleName(tr("Quality"));
    m_time->addItems({tr("With encoders"), tr("Decoding alone")});
    m_time->setAccessibleName(tr("Whose time"));
    m_facts->setTextFormat(Qt::PlainText);
    m_facts->setWordWrap(true);
    m_take->setText(tr("Take these thresholds"));
    m_take->setToolTip(tr("Replay the present text with them (Enter on a point)"));
    m_plot->setProvenance({});
    m_plot->setEmptyText(tr("No pair of thresholds has been measured."));
    for (QComboBox* box : {m_quality, m_time}) {
        connect(box, &QComboBox::currentIndexChanged, this, &ParetoView::showPlot);
    }
    auto* part = new QWidget;
    auto* row = new QHBoxLayout(part);
    row->setContentsMargins(0, 0, 0, 0);
    for (const auto& [text, box] : {std::pair{tr("&Quality"), m_quality}, {tr("T&ime"), m_time}}) {
        auto* label = new QLabel(text);
        label->setBuddy(box);
        row->addWidget(label);
        row->addWidget(box);
    }
    row->addStretch(1);
    QToolButton* button = makeExportButton(tr("Export plot"));
    connect(button, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
    row->addWidget(button);
    return part;
}

void ParetoView::setStudy(const StudyInfo* info) {
    m_study = info != nullptr ? std::optional(*info) : std::nullopt;
    if (info != nullptr) {
        m_form->setStudy(*info, hiddenParams(*info));
    }
    showPage();
}

void ParetoView::setDraft(const Spec& decodeOnce) {
    m_draft = decodeOnce;
    if (GridPair pair = gridPair(shared(m_draft), study()); pair != m_pair) {
        m_pair = std::move(pair);
        m_asked = 0;
        refresh();
    } else {
        showPage();
    }
}

void ParetoView::setThresholds(double fallback, double rollback) {
    if (fallback != m_fallback || rollback != m_rollback) {
        m_fallback = fallback;
        m_rollback = rollback;
        showPlot();
        showPage();
    }
}

/// The draft's params that decode.pareto has, too. A strategy without thresholds has those of the
/// little model beside it.
Spec ParetoView::shared(const Spec& decodeOnce) const {
    Spec spec{
        .study = kGridStudy,
        .seed = decodeOnce.seed,
        .device = decodeOnce.device,
        .target = decodeOnce.target,
        .threads = decodeOnce.threads};
    for (const auto& [name, value] : decodeOnce.params.items()) {
        if (m_study && m_study->find(name) != nullptr && !isOwn(name) && !value.is_null()) {
            spec.params[name] = value;
        }
    }
    if (m_study && m_study->find("drafter") != nullptr) {
        spec.params["drafter"] = thresholdStrategy(textOf(decodeOnce.params, "strategy"));
    }
    return spec;
}

Spec ParetoView::sharedBack(const Spec& grid, Spec decodeOnce) const {
    const Spec old = shared(decodeOnce);
    for (const auto& [name, value] : old.params.items()) {
        decodeOnce.params.erase(name);
    }
    for (const auto& [name, value] : grid.params.items()) {
        if (!isOwn(name) && name != "drafter") {
            decodeOnce.params[name] = value;
        }
    }
    decodeOnce.params["strategy"] = gridPair(grid, study()).drafter;
    decodeOnce.seed = grid.seed;
    decodeOnce.device = grid.device;
    decodeOnce.target = grid.target;
    decodeOnce.threads = grid.threads;
    return decodeOnce;
}

/// What the form asks for, and what is shared with the draft.
Spec ParetoView::wanted() const {
    Spec spec = shared(m_draft);
    const Spec own = m_form->spec();
    spec.params.update(own.params);
    spec.sweep = own.sweep;
    std::erase_if(
        spec.params.get_ref<Json::object_t&>(), [](const auto& one) { return one.second == ""; });
    return spec;
}

void ParetoView::measureGrid() {
    if (problem().isEmpty() && !busy()) {
        submit(wanted());
    }
}

void ParetoView::measurePresent() {
    if (!problem().isEmpty() || busy() || m_fallback < 0.0) {
        return;
    }
    Spec spec = m_grid.isEmpty() ? wanted() : m_grid.spec; // on the texts of the others
    for (const char* name : {"alpha_fb", "alpha_rb", "beside"}) {
        spec.params.erase(name);
        spec.sweep.erase(name);
    }
    spec.done.clear();
    spec.params["alpha_fb"] = m_fallback;
    spec.params["alpha_rb"] = m_rollback;
    submit(spec);
}

void ParetoView::submit(const Spec& spec) {
    const qint64 id = m_context.submit(spec, tr("Thresholds: quality against speed"));
    if (id != 0) {
        m_run.begin(id);
        noteBusy();
        showPage();
    }
}

void ParetoView::noteBusy() {
    if (m_wasBusy != busy()) {
        m_wasBusy = busy();
        emit busyChanged();
    }
}

void ParetoView::onEvents(std::span<const Event> events) {
    const FollowedRun::Change change = m_run.take(events);
    if (change == FollowedRun::Change::Ended) {
        if (m_asked != 0) {
            m_asked = m_run.id();
        }
        refresh();
    } else if (change == FollowedRun::Change::Some) {
        showPage();
    }
    noteBusy();
}

void ParetoView::refresh() {
    try {
        m_grid = readGrid(m_context.reader(), m_pair, study(), m_asked);
        m_problem.clear();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
    }
    m_selected = 0;
    const QSignalBlocker quiet(m_quality);
    if (!m_grid.isEmpty() && !m_grid.hasReferences()) {
        m_quality->setCurrentIndex(static_cast<int>(GridQuality::Agreement));
    }
    m_quality->setEnabled(m_grid.hasReferences() || m_grid.isEmpty());
    m_quality->setToolTip(
        m_quality->isEnabled()
            ? QString()
            : tr("These texts have no references; only agreement with the big model is known"));
    showPlot();
    showPage();
}

bool ParetoView::showRun(qint64 runId) {
    const auto row = m_context.reader().run(runId);
    if (!row || row->study != kGridStudy) {
        return false;
    }
    m_asked = runId;
    m_run.take(*row);
    noteBusy();
    refresh();
    return true;
}

bool ParetoView::editSpec(const Spec& spec) {
    if (spec.study != kGridStudy) {
        return false;
    }
    m_form->setSpec(spec);
    showPage();
    return true;
}

void ParetoView::noteCancel(qint64 runId) {
    if (m_run.noteCancel(runId)) {
        showPage();
    }
}

void ParetoView::select(qint64 id) {
    m_selected = id;
    m_plot->setSelection(id > 0 ? std::vector<qint64>{id} : std::vector<qint64>{});
    showPage();
}

void ParetoView::showPlot() {
    const auto quality = static_cast<GridQuality>(m_quality->currentIndex());
    const auto time = static_cast<GridTime>(m_time->currentIndex());
    m_plot->setAxes(gridAxes(m_grid, quality, time));
    m_plot->setSeries(gridSeries(m_grid, quality, time, m_grid.find(m_fallback, m_rollback)));
    QStringList runs;
    for (const GridPoint& point : m_grid.points) {
        const QString run = QString::number(point.run);
        if (!runs.contains(run)) {
            runs << run;
        }
    }
    m_plot->setProvenance(runs.isEmpty() ? QString() : tr("Runs %1").arg(runs.join(", ")));
}

QString ParetoView::problem() const {
    return runProblem(
        m_context, kGridStudy, tr("This engine cannot measure grids of thresholds."),
        !textOf(m_draft.params, "big").empty() &&
            (!needsLittle(m_pair.drafter) || !textOf(m_draft.params, "little").empty()));
}

void ParetoView::showPage() {
    const QString why = problem();
    m_run.showIn(*m_progress, *m_stop);
    m_measure->setVisible(!busy() && !m_grid.isEmpty());
    m_measure->setEnabled(why.isEmpty());
    m_measure->setToolTip(
        why.isEmpty() ? tr("Decode all texts at every pair of thresholds, in turn with the big "
                           "model alone")
                      : why);
    const bool isMeasured = m_grid.find(m_fallback, m_rollback) != nullptr;
    m_measurePresent->setVisible(!busy() && !m_grid.isEmpty() && m_fallback >= 0.0 && !isMeasured);
    m_measurePresent->setEnabled(why.isEmpty());
    m_measurePresent->setText(
        tr("Add %1, %2").arg(QLocale().toString(m_fallback), QLocale().toString(m_rollback)));
    m_measurePresent->setToolTip(
        tr("Measure the present thresholds, fallback and rollback, on the same texts"));
    const bool selected = m_selected > 0 && m_selected <= static_cast<qint64>(m_grid.points.size());
    m_take->setEnabled(selected);
    m_facts->setText(
        selected ? pointFacts(m_grid, m_grid.points[static_cast<std::size_t>(m_selected - 1)])
                 : tr("Click a point, or step through them with N, to see its numbers."));
    if (!m_grid.isEmpty() && m_problem.isEmpty()) {
        const std::string drafter = textOf(m_grid.spec.params, "drafter");
        const QString pair = pairText(m_grid.spec.params, drafter);
        m_head->setText(
            busy() ? m_run.activeText()
            : m_run.failedAfter(m_grid.points.back().run)
                ? m_run.endText()
                : tr("%1 · %2 pairs of thresholds on %3 texts")
                      .arg(pair)
                      .arg(m_grid.points.size())
                      .arg(m_grid.texts));
        m_head->setToolTip(m_head->text());
        m_pages->setCurrentWidget(m_plotPage);
        return;
    }
    m_head->clear();
    const QString button = why.isEmpty() && !busy() ? tr("Measure the grid") : QString();
    if (!m_problem.isEmpty()) {
        m_stateView->show(
            StateView::Kind::Error, tr("The stored runs could not be read."), {}, m_problem);
    } else if (busy()) {
        m_stateView->show(StateView::Kind::Loading, m_run.activeText());
    } else if (m_run.failedAfter(0) && m_run.state() != RunState::Cancelled) {
        m_stateView->show(StateView::Kind::Error, m_run.endText(), button);
    } else {
        m_stateView->show(
            StateView::Kind::Empty,
            why.isEmpty() ? tr("Nothing is known of this pair yet. A grid decodes the bundled "
                               "sentences, or texts of your own, at each pair of thresholds and "
                               "shows quality against speed.")
                          : why,
            button);
    }
    m_pages->setCurrentWidget(m_stateView);
}

void ParetoView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh(); // what other programs have measured meanwhile
}

QJsonObject ParetoView::saveState() const {
    return {
        {QStringLiteral("quality"), m_quality->currentIndex()},
        {QStringLiteral("time"), m_time->currentIndex()}};
}

void ParetoView::restoreState(const QJsonObject& state) {
    for (const auto& [name, box] :
         {std::pair{QStringLiteral("quality"), m_quality}, {QStringLiteral("time"), m_time}}) {
        const int index = state[name].toInt(0);
        box->setCurrentIndex(index >= 0 && index < box->count() ? index : 0);
    }
}

} // namespace lathe
