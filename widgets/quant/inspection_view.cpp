// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/inspection_view.h"

#include "engine/core/error.h"
#include "widgets/base/model_name.h"
#include "widgets/base/panel.h"
#include "widgets/base/plot_data.h"
#include "widgets/base/theme.h"
#include "widgets/quant/module_selection.h"
#include "widgets/quant/row_view.h"
#include "widgets/quant/tile_view.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QSplitter>
#include <QStackedWidget>
#include <QVBoxLayout>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

constexpr const char* kStudy = "quant.inspect";
constexpr int kMostRuns = 256; ///< of one matrix, looked through
constexpr int kEventPage = 10000;
constexpr int kSettleMs = 300;
constexpr int kIconSize = 16;
constexpr int kTilesWidth = 420;

} // namespace

InspectionView::InspectionView(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_context(context), m_icon(new QLabel), m_head(new QLabel),
      m_progress(new QProgressBar), m_inspect(new QPushButton), m_stop(new QPushButton),
      m_pages(new QStackedWidget), m_stateView(new StateView),
      m_split(new QSplitter(Qt::Horizontal)), m_tiles(new TileView), m_row(new RowView) {
    build();
    m_settle.setSingleShot(true);
    m_settle.setInterval(kSettleMs);
    connect(&m_settle, &QTimer::timeout, this, &InspectionView::startIfQuick);
    connect(m_inspect, &QPushButton::clicked, this, &InspectionView::inspect);
    connect(m_stateView, &StateView::primaryClicked, this, &InspectionView::inspect);
    connect(m_stop, &QPushButton::clicked, this, [this] { m_context.cancel(m_run.id()); });
    connect(m_tiles, &TileView::edited, this, &InspectionView::wantOther);
    connect(m_tiles, &TileView::rowChosen, this, [this](int row) { chooseRow(row, false); });
    connect(m_tiles, &TileView::rowActivated, this, [this](int row) { chooseRow(row, true); });
    connect(m_row, &RowView::rowChosen, this, [this](int row) { chooseRow(row, false); });
    showPage();
}

void InspectionView::build() {
    m_pages->addWidget(m_stateView);
    m_pages->addWidget(m_split);
    m_split->addWidget(m_tiles);
    m_split->addWidget(m_row);
    m_split->setChildrenCollapsible(false);
    m_split->setSizes({kTilesWidth, 3 * kTilesWidth / 2});
    m_split->setStretchFactor(0, 2);
    m_split->setStretchFactor(1, 3);
    m_tiles->setFocusProxy(const_cast<PlotView*>(&m_tiles->plot()));
    setFocusProxy(m_tiles);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(makeHead());
    column->addWidget(m_pages, 1);
}

QWidget* InspectionView::makeHead() {
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    setUpProgress(*m_progress, tr("Progress of the inspection"));
    m_inspect->setIcon(Theme::icon(QStringLiteral("run")));
    m_inspect->setText(tr("Look into it"));
    m_inspect->setAccessibleName(tr("Look into the matrix"));
    m_stop->setIcon(Theme::icon(QStringLiteral("stop")));
    m_stop->setText(tr("Stop"));
    m_stop->setAccessibleName(tr("Stop looking into the matrix"));
    m_stop->setToolTip(tr("End the run; what is shown stays"));
    auto* part = new QWidget;
    auto* row = new QHBoxLayout(part);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_icon);
    row->addWidget(m_head, 1);
    row->addWidget(m_progress);
    row->addWidget(m_inspect);
    row->addWidget(m_stop);
    return part;
}

bool InspectionView::busy() const { return m_run.busy(); }

void InspectionView::setDraft(const Spec& draft) {
    const Spec before = wanted();
    m_draft = draft;
    const std::string model = textOf(draft.params, "model");
    if (model != m_model) {
        m_model = model;
        m_wantedRow = -1;
    }
    if (const Spec now = wanted(); now.params != before.params || now.seed != before.seed) {
        wantOther();
    }
}

void InspectionView::setModule(const std::string& module) {
    if (module != m_module) {
        m_module = module;
        m_wantedRow = -1;
        wantOther();
    }
}

void InspectionView::chooseRow(int row, bool now) {
    if (row != m_wantedRow && !(m_wantedRow < 0 && m_shown && row == m_shown->row)) {
        m_wantedRow = row;
        wantOther();
    }
    if (now) {
        inspect();
    }
}

Spec InspectionView::wanted() const {
    Spec spec = m_draft;
    spec.study = kStudy;
    spec.params = {
        {"model", m_model},
        {"tensor", m_module},
        {"row", m_wantedRow},
        {"method", m_tiles->method()},
        {"bits", m_tiles->bits()}};
    for (const char* name :
         {"calibration", "calibration_clean", "calibration_samples", "calibration_length"}) {
        if (const auto it = m_draft.params.find(name);
            it != m_draft.params.end() && !it->is_null() && *it != "") {
            spec.params[name] = *it;
        }
    }
    spec.sweep = Json::object();
    spec.done.clear();
    spec.repeat = 1;
    return spec;
}

/// Of the same numbers as what is wanted, whatever was left to the defaults.
bool InspectionView::isWanted(const Spec& spec) const {
    const Spec mine = wanted();
    const StudyInfo* study = m_context.study(kStudy);
    return spec.study == kStudy && spec.seed == mine.seed &&
           (study == nullptr
                ? spec.params == mine.params
                : withDefaults(spec, *study).params == withDefaults(mine, *study).params);
}

bool InspectionView::isStale() const { return m_shown && !isWanted(m_shownSpec); }

void InspectionView::wantOther() {
    if (m_shown && (textOf(m_shownSpec.params, "tensor") != m_module ||
                    textOf(m_shownSpec.params, "model") != m_model)) {
        m_shown.reset();
    }
    refresh();
}

void InspectionView::refresh() {
    try {
        takeStored();
        m_problem.clear();
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
    }
    showPage();
    noteBusy();
    m_settle.start();
}

/// The latest finished run of what is wanted, else of the same matrix with other settings; and how
/// the latest run of what is wanted stands.
void InspectionView::takeStored() {
    if (m_model.empty() || m_module.empty()) {
        return;
    }
    std::optional<RunRow> exact, other, latest;
    const std::string query = std::string("study:") + kStudy + " tensor:" + m_module;
    for (RunRow& row : m_context.reader().runs({.text = query, .limit = kMostRuns})) {
        if (row.study != kStudy || textOf(row.spec.params, "model") != m_model) {
            continue;
        }
        const bool same = isWanted(row.spec);
        if (same && !latest) {
            latest = row;
        }
        std::optional<RunRow>& place = same ? exact : other;
        if (row.state == RunState::Done && !place) {
            place = std::move(row);
        }
    }
    if (!busy()) {
        m_runSpec = latest ? latest->spec : Spec{};
        m_run.clear();
        if (latest) {
            m_run.take(*latest);
        }
    }
    const std::optional<RunRow>& best = exact ? exact : other;
    if (best && (exact || !m_shown) && best->id != shownId()) {
        load(*best);
    }
}

void InspectionView::load(const RunRow& row) {
    const std::vector<CellRow> cells = m_context.reader().cells(row.id);
    std::vector<Event> events;
    std::int64_t after = 0;
    for (;;) {
        std::vector<Event> page = m_context.reader().events(row.id, after, kEventPage);
        const bool last = page.size() < std::size_t{kEventPage};
        after = page.empty() ? after : page.back().seq;
        std::ranges::move(page, std::back_inserter(events));
        if (last) {
            break;
        }
    }
    m_shown = MatrixInspection::read(
        row.id, cells.empty() ? Json::object() : cells.front().metrics, events);
    m_shownSpec = row.spec;
    m_tiles->setInspection(*m_shown);
    m_row->setInspection(*m_shown);
}

void InspectionView::onEvents(std::span<const Event> events) {
    const bool anyEnded = std::ranges::any_of(events, [](const Event& event) {
        const auto* run = std::get_if<RunChanged>(&event.payload);
        return run != nullptr && isFinal(run->state);
    });
    const FollowedRun::Change change = m_run.take(events);
    if (change == FollowedRun::Change::Ended) {
        if (m_run.state() != RunState::Done && !m_givesWay) {
            m_refused = m_runSpec;
        }
        m_givesWay = false;
        refresh(); // the numbers are in the store
    } else if (change == FollowedRun::Change::Some) {
        showPage();
    }
    noteBusy();
    if (anyEnded) {
        m_settle.start();
    }
}

void InspectionView::noteCancel(qint64 runId) {
    if (m_run.noteCancel(runId)) {
        showPage();
    }
}

void InspectionView::noteBusy() {
    if (m_wasBusy != busy()) {
        m_wasBusy = busy();
        emit busyChanged();
    }
}

/// A model that is done in a moment, and an engine that has nothing else to do.
bool InspectionView::isQuick() {
    const std::vector<ModelInfo> models = m_context.models();
    const auto model = std::ranges::find(models, m_model, &ModelInfo::name);
    if (model == models.end() || model->source != "bundled") {
        return false;
    }
    for (const char* active : {"state:running", "state:queued"}) {
        if (!m_context.reader().runs({.text = active, .limit = 1}).empty()) {
            return false;
        }
    }
    return true;
}

void InspectionView::startIfQuick() {
    if (!isVisible() || m_module.empty() || !problem().isEmpty() || !m_problem.isEmpty() ||
        isWanted(m_refused) || (m_shown && !isStale())) {
        return;
    }
    if (busy()) {
        if (!isWanted(m_runSpec) && !m_run.cancelling()) {
            m_givesWay = true; // goes on with what is wanted once it has ended
            m_context.cancel(m_run.id());
        }
        return;
    }
    try {
        if (isQuick()) {
            inspect();
        }
    } catch (const Error& e) {
        m_problem = QString::fromUtf8(e.what());
        showPage();
    }
}

void InspectionView::inspect() {
    if (!problem().isEmpty() || busy() || m_module.empty() || (m_shown && !isStale())) {
        return;
    }
    m_refused = {};
    const Spec spec = wanted();
    const qint64 id = m_context.submit(spec, tr("Inspection of %1").arg(shortModuleName(m_module)));
    if (id != 0) {
        m_run.begin(id);
        m_runSpec = spec;
        showPage();
        noteBusy();
    }
}

QString InspectionView::problem() const {
    return runProblem(
        m_context, kStudy, tr("This engine cannot look into matrices."), !m_model.empty());
}

/// "layers.0.mlp.down_proj · 128 × 352 · squeezellm 4 bit: predicted KL 12.3 µ nat · run 12"
QString InspectionView::headText() const {
    return QStringList{
        shortModuleName(m_module), tr("%1 × %2").arg(m_shown->rows).arg(m_shown->columns),
        tr("%1 %2 bit: predicted KL divergence %3 nat")
            .arg(
                QString::fromStdString(textOf(m_shownSpec.params, "method")),
                QString::fromStdString(valueText(m_shownSpec.params.value("bits", Json()))),
                siNumber(m_shown->predictedKl, 3)),
        tr("run %1").arg(m_shown->runId)}
        .join(QStringLiteral(" · "));
}

void InspectionView::showPage() {
    const bool known = m_shown.has_value();
    const bool failed = m_run.failedAfter(shownId());
    const QString name = shortModuleName(m_module);
    const QString active = m_run.activeText();
    const QString failure = m_run.endText();
    const QString why = problem();
    const QString button = why.isEmpty() ? tr("Look into %1").arg(name) : QString();
    const bool stale = isStale();
    m_run.showIn(*m_progress, *m_stop);
    m_inspect->setVisible(known && stale && !busy()); // else the page in the middle has it
    m_inspect->setEnabled(why.isEmpty());
    m_inspect->setToolTip(
        why.isEmpty() ? tr("Compute the tiles and the row of the settings below") : why);
    m_icon->setVisible(known && stale);
    m_icon->setPixmap(
        Theme::pixmap(QStringLiteral("warning"), Theme::warning(), kIconSize, devicePixelRatioF()));
    if (known && m_problem.isEmpty()) {
        m_head->setText(
            !stale   ? headText()
            : busy() ? tr("%1 · below is still run %2").arg(active).arg(m_shown->runId)
            : failed ? tr("%1 · below is run %2").arg(failure).arg(m_shown->runId)
                     : tr("Below is run %1, of other settings").arg(m_shown->runId));
        m_head->setToolTip(m_head->text());
        m_pages->setCurrentWidget(m_split);
        return;
    }
    m_head->setText(name);
    if (!m_problem.isEmpty()) {
        showState(
            StateView::Kind::Error, tr("The stored run could not be read."), button, m_problem);
    } else if (m_module.empty()) {
        showState(
            StateView::Kind::Empty,
            tr("Click a cell of the map, or step through it with N, to look into that matrix: "
               "where "
               "in it sensitivities and errors lie, and which tables its rows get."),
            {});
    } else if (busy()) {
        showState(StateView::Kind::Loading, active, {});
    } else if (failed && m_run.state() != RunState::Cancelled) {
        showState(StateView::Kind::Error, failure, button);
    } else {
        showState(
            StateView::Kind::Empty,
            why.isEmpty() ? tr("Nobody has looked into %1 with these settings yet.").arg(name)
                          : why,
            button);
    }
}

void InspectionView::showState(
    StateView::Kind kind, const QString& sentence, const QString& button, const QString& details) {
    m_stateView->show(kind, sentence, button, details);
    m_pages->setCurrentWidget(m_stateView);
}

void InspectionView::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh(); // what other programs have computed meanwhile
}

QJsonObject InspectionView::saveState() const {
    return {
        {QStringLiteral("tiles"), m_tiles->saveState()},
        {QStringLiteral("bits"), m_row->bits()},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())}};
}

void InspectionView::restoreState(const QJsonObject& state) {
    m_tiles->restoreState(state[QStringLiteral("tiles")].toObject());
    m_row->setBits(state[QStringLiteral("bits")].toInt(m_row->bits()));
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
}

} // namespace lathe
