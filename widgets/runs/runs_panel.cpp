// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/runs_panel.h"

#include "engine/core/error.h"
#include "widgets/base/row_table.h"
#include "widgets/base/state_view.h"
#include "widgets/runs/compare_view.h"
#include "widgets/runs/query_bar.h"
#include "widgets/runs/run_actions.h"
#include "widgets/runs/run_details.h"
#include "widgets/runs/run_files.h"
#include "widgets/runs/run_list_model.h"
#include "widgets/runs/spec_dialog.h"
#include "widgets/runs/store_worker.h"

#include <QAction>
#include <QFileDialog>
#include <QHeaderView>
#include <QMenu>
#include <QScopeGuard>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

/// Left to right as shown, with widths in average characters.
constexpr std::pair<int, int> kColumns[] = {
    {RunTableModel::IdColumn, 6},        {RunTableModel::StartedColumn, 20},
    {RunTableModel::StateColumn, 18},    {RunTableModel::StudyColumn, 13},
    {RunTableModel::TitleColumn, 24},    {RunListModel::ModelColumn, 12},
    {RunListModel::KeyMetricColumn, 36}, {RunTableModel::CellsColumn, 8},
    {RunTableModel::DurationColumn, 11}, {RunTableModel::DeviceColumn, 12},
    {RunTableModel::TagsColumn, 12},     {RunTableModel::NotesColumn, 20}};

} // namespace

RunsPanel::RunsPanel(PanelContext& context, QWidget* parent)
    : Panel(parent), m_context(context),
      m_worker(new StoreWorker(context.storePath().toStdString(), this)),
      m_list(new RunListModel(context, *m_worker, this)),
      m_actions(new RunActions(context, *m_worker, this)), m_query(new QueryBar),
      m_table(new QTableView), m_tableState(new StateView), m_tablePages(new QStackedWidget),
      m_details(new RunDetails(context, *m_worker)), m_compare(new CompareView),
      m_detailState(new StateView), m_detailPages(new QStackedWidget),
      m_split(new QSplitter(Qt::Vertical)) {
    makeTable();
    m_tablePages->addWidget(m_table);
    m_tablePages->addWidget(m_tableState);
    m_tableState->show(StateView::Kind::Loading, tr("Reading the runs…"));
    m_tablePages->setCurrentWidget(m_tableState);
    for (QWidget* page : std::initializer_list<QWidget*>{m_detailState, m_details, m_compare}) {
        m_detailPages->addWidget(page);
    }
    m_split->addWidget(m_tablePages);
    m_split->addWidget(m_detailPages);
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 1);
    m_split->setStretchFactor(1, 1);
    m_tablePages->setMinimumHeight(120);
    m_detailPages->setMinimumHeight(180);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 8, 8, 0);
    column->addWidget(makeTop());
    column->addWidget(m_split, 1);
    setFocusProxy(m_table);
    connectParts();
    showSelected();
}

RunsPanel::~RunsPanel() { m_details->flushNotes(); }

QWidget* RunsPanel::makeTop() {
    auto* top = new QWidget;
    auto* column = new QVBoxLayout(top);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(m_query);
    auto* row = new QHBoxLayout;
    row->setSpacing(4);
    for (QAction* action : m_actions->all()) {
        auto* button = new QToolButton;
        button->setDefaultAction(action);
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setAutoRaise(true);
        button->setFocusPolicy(Qt::StrongFocus);
        button->setAccessibleName(action->text());
        row->addWidget(button);
    }
    row->addStretch(1);
    column->addLayout(row);
    return top;
}

void RunsPanel::makeTable() {
    m_table->setObjectName(QStringLiteral("runTable"));
    m_tableState->setObjectName(QStringLiteral("tableState"));
    m_table->setModel(m_list);
    styleRowTable(*m_table);
    m_table->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_table->setContextMenuPolicy(Qt::CustomContextMenu);
    m_table->setAccessibleName(tr("Runs, newest first"));
    m_table->setAccessibleDescription(tr("Select two runs with Ctrl to compare them"));
    QHeaderView* header = m_table->horizontalHeader();
    header->setSectionsMovable(true);
    const int unit = m_table->fontMetrics().averageCharWidth();
    int place = 0;
    for (const auto& [column, characters] : kColumns) {
        header->moveSection(header->visualIndex(column), place++);
        header->resizeSection(column, characters * unit + 14);
    }
}

void RunsPanel::connectParts() {
    connect(m_query, &QueryBar::queryChanged, this, [this](const QString& query) {
        m_filtered = true;
        m_list->setQuery(query);
    });
    connect(m_query, &QueryBar::exportRequested, this, &RunsPanel::exportTable);
    connect(m_list, &RunTableModel::loaded, this, &RunsPanel::loaded);
    connect(m_list, &QAbstractItemModel::modelReset, this, &RunsPanel::reselect);
    connect(
        m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this,
        &RunsPanel::selectionChanged);
    connect(m_table, &QTableView::customContextMenuRequested, this, &RunsPanel::menu);
    connect(m_table, &QTableView::doubleClicked, this, [this](const QModelIndex& index) {
        m_context.showRun(index.data(RunTableModel::RunIdRole).toLongLong());
    });
    connect(m_actions, &RunActions::tagRequested, m_details, &RunDetails::editTags);
    connect(m_actions, &RunActions::noteRequested, m_details, &RunDetails::editNotes);
    connect(m_actions, &RunActions::submitted, this, [this](qint64 id) {
        showRun(id);
        m_context.showRun(id);
    });
    auto* find = new QShortcut(QKeySequence(QKeySequence::Find), this);
    find->setContext(Qt::WidgetWithChildrenShortcut);
    connect(find, &QShortcut::activated, m_query, &QueryBar::focusQuery);
    connect(m_tableState, &StateView::primaryClicked, this, &RunsPanel::primaryClicked);
    connect(&m_context, &PanelContext::runsChanged, this, [this] {
        if (!m_list->isLoading()) {
            m_list->refresh();
        }
        m_details->refresh();
        refreshActions();
    });
    connect(&m_context, &PanelContext::engineChanged, this, [this] {
        if (m_selected.size() == 2) {
            showComparison();
        }
    });
}

PanelInfo RunsPanel::info() const {
    return {
        .id = QStringLiteral("runs"),
        .title = tr("Runs"),
        .icon = QStringLiteral(":/icons/runs.svg"),
        .shortcut = QKeySequence(Qt::CTRL | Qt::Key_3)};
}

void RunsPanel::onEvents(std::span<const Event> events) {
    m_details->onEvents(events);
    const bool ended = std::ranges::any_of(events, [this](const Event& event) {
        return std::holds_alternative<RunChanged>(event.payload) &&
               std::ranges::find(m_selected, event.runId) != m_selected.end();
    });
    if (ended) {
        refreshActions();
    }
}

/// The rows that the actions judge by are those of the moment.
void RunsPanel::refreshActions() {
    if (m_selected.size() == 1 && m_details->row() && m_details->row()->id == m_selected.front()) {
        m_actions->setSelected({*m_details->row()});
    }
}

void RunsPanel::loaded(const QString& problem) {
    m_ever = true;
    const QScopeGuard answered([this] { m_filtered = false; });
    m_query->setProblem(problem);
    m_query->setCount(m_list->rowCount(), problem.isEmpty() ? m_list->total() : -1);
    if (m_list->rowCount() > 0) {
        m_tablePages->setCurrentWidget(m_table);
        const bool hidden =
            std::ranges::none_of(m_selected, [this](qint64 id) { return m_list->rowOf(id) >= 0; });
        if (m_selected.empty() || (m_filtered && hidden)) {
            select({m_list->row(0)->id}); // never an empty half of a window
        } else {
            reselect();
        }
        return;
    }
    if (!problem.isEmpty()) {
        m_tableState->show(StateView::Kind::Error, problem, tr("Clear the filter"));
    } else if (!m_list->query().isEmpty()) {
        m_tableState->show(
            StateView::Kind::Empty, tr("No run passes the filter “%1”.").arg(m_list->query()),
            tr("Clear the filter"));
    } else {
        m_tableState->show(
            StateView::Kind::Empty,
            tr("Nothing has been run yet. Every run stands here with its parameters, environment "
               "and results."),
            tr("Set up a quantization sweep"));
    }
    m_tablePages->setCurrentWidget(m_tableState);
}

void RunsPanel::primaryClicked() {
    if (!m_query->query().isEmpty()) {
        m_query->setQuery(QString());
    } else {
        m_context.editSpec(Spec{.study = "quant.sweep"});
    }
}

void RunsPanel::select(const std::vector<qint64>& runIds) {
    m_selected = runIds;
    reselect();
    showSelected();
}

void RunsPanel::reselect() {
    QItemSelection selection;
    for (const qint64 id : m_selected) {
        if (const int row = m_list->rowOf(id); row >= 0) {
            const QModelIndex index = m_list->index(row, 0);
            selection.select(index, index);
        }
    }
    m_restoring = true;
    m_table->selectionModel()->select(
        selection, QItemSelectionModel::ClearAndSelect | QItemSelectionModel::Rows);
    if (!selection.isEmpty() && !m_table->currentIndex().isValid()) {
        m_table->selectionModel()->setCurrentIndex(
            selection.indexes().front(), QItemSelectionModel::NoUpdate);
    }
    m_restoring = false;
}

void RunsPanel::selectionChanged() {
    if (m_restoring) {
        return;
    }
    m_selected.clear();
    for (const QModelIndex& index : m_table->selectionModel()->selectedRows()) {
        m_selected.push_back(index.data(RunTableModel::RunIdRole).toLongLong());
    }
    std::ranges::sort(m_selected, std::greater<>());
    showSelected();
}

void RunsPanel::showSelected() {
    std::vector<RunRow> rows;
    for (const qint64 id : m_selected) {
        if (const RunRow* row = m_list->row(m_list->rowOf(id))) {
            rows.push_back(*row);
        }
    }
    if (m_selected.size() == 1 && m_details->showRun(m_selected.front())) {
        m_actions->setSelected({*m_details->row()});
        m_detailPages->setCurrentWidget(m_details);
        return;
    }
    m_actions->setSelected(std::move(rows));
    if (m_selected.size() == 2) {
        showComparison();
        return;
    }
    m_detailState->show(
        StateView::Kind::Empty,
        m_selected.size() > 2
            ? tr("%1 runs are selected. Two can be compared.").arg(m_selected.size())
            : tr("Select a run to see its details, or two (with Ctrl) to compare them."));
    m_detailPages->setCurrentWidget(m_detailState);
}

void RunsPanel::showComparison() {
    try {
        ComparedRun sides[2]; // older run first
        for (std::size_t i = 0; i < 2; ++i) {
            const qint64 id = m_selected[1 - i];
            const auto row = m_context.reader().run(id);
            if (!row) {
                throw InputError("the store has no run " + std::to_string(id));
            }
            sides[i] = {*row, m_context.reader().cells(id)};
        }
        m_compare->show(sides[0], sides[1], m_context.study(sides[0].row.study));
        m_detailPages->setCurrentWidget(m_compare);
    } catch (const Error& e) {
        m_detailState->show(
            StateView::Kind::Error, tr("The runs could not be compared."), {},
            QString::fromUtf8(e.what()));
        m_detailPages->setCurrentWidget(m_detailState);
    }
}

bool RunsPanel::showRun(qint64 runId) {
    try {
        if (!m_context.reader().run(runId)) {
            return false;
        }
    } catch (const Error& e) {
        m_context.showMessage(QString::fromUtf8(e.what()));
        return false;
    }
    // Newer than what is loaded, or older than the loaded pages: the details need no row.
    select({runId});
    if (m_list->rowOf(runId) < 0) {
        m_list->refresh();
    }
    return true;
}

bool RunsPanel::editSpec(const Spec& spec) {
    const StudyInfo* study = m_context.study(spec.study);
    if (study == nullptr) {
        return false;
    }
    auto* dialog = new SpecDialog(m_context, *study, spec, this);
    connect(dialog, &SpecDialog::submitted, this, [this](qint64 id) { showRun(id); });
    dialog->open();
    return true;
}

void RunsPanel::triggerRun() {
    if (m_actions->runAgain()->isEnabled()) {
        m_actions->runAgain()->trigger();
    } else {
        m_context.showMessage(m_actions->runAgain()->toolTip());
    }
}

void RunsPanel::menu(const QPoint& at) {
    auto* popup = new QMenu(this);
    popup->setAttribute(Qt::WA_DeleteOnClose);
    for (QAction* action : m_actions->all()) {
        popup->addAction(action);
    }
    popup->popup(m_table->viewport()->mapToGlobal(at));
}

void RunsPanel::exportTable() {
    auto* dialog = new QFileDialog(this, tr("Export the runs"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setNameFilters({tr("Comma-separated values (*.csv)")});
    dialog->setDefaultSuffix(QStringLiteral("csv"));
    dialog->selectFile(QStringLiteral("runs.csv"));
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
        writeRunsCsv(
            *m_worker, this, m_list->query(), path,
            [this](const QString& file, const QString& problem) {
                m_context.showMessage(problem.isEmpty() ? tr("Written: %1").arg(file) : problem);
            });
    });
    dialog->open();
}

QJsonObject RunsPanel::saveState() const {
    m_details->flushNotes();
    return {
        {QStringLiteral("query"), m_query->query()},
        {QStringLiteral("tab"), m_details->currentTab()},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())},
        {QStringLiteral("header"),
         QString::fromLatin1(m_table->horizontalHeader()->saveState().toBase64())}};
}

void RunsPanel::restoreState(const QJsonObject& state) {
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
    QHeaderView* header = m_table->horizontalHeader();
    const QByteArray before = header->saveState();
    const QByteArray stored =
        QByteArray::fromBase64(state[QStringLiteral("header")].toString().toLatin1());
    if (!header->restoreState(stored) || header->count() != RunListModel::AllColumns) {
        header->restoreState(before);
    }
    m_details->setCurrentTab(state[QStringLiteral("tab")].toInt());
    m_query->setQuery(state[QStringLiteral("query")].toString());
}

} // namespace lathe
