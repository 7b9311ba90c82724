// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_details.h"

#include "engine/core/error.h"
#include "widgets/base/export_button.h"
#include "widgets/base/panel.h"
#include "widgets/base/row_table.h"
#include "widgets/base/run_table_model.h"
#include "widgets/base/table_csv.h"
#include "widgets/base/theme.h"
#include "widgets/runs/event_table_model.h"
#include "widgets/runs/property_tree_model.h"
#include "widgets/runs/result_table_model.h"
#include "widgets/runs/run_notes.h"
#include "widgets/runs/run_plots.h"
#include "widgets/runs/store_worker.h"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QTabWidget>
#include <QTableView>
#include <QToolButton>
#include <QTreeView>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr int kPollMs = 250;
constexpr int kIconSize = 18;
constexpr int kNameWidth = 220;
constexpr int kMaxColumnWidth = 360;

} // namespace

RunDetails::RunDetails(PanelContext& context, StoreWorker& worker, QWidget* parent)
    : QWidget(parent), m_context(context), m_worker(worker), m_icon(new QLabel), m_head(new QLabel),
      m_tabs(new QTabWidget), m_parameters(new PropertyTreeModel(this)),
      m_environment(new PropertyTreeModel(this)),
      m_parameterTree(makeTree(m_parameters, tr("Parameters of the run"))),
      m_environmentTree(makeTree(m_environment, tr("Environment of the run"))),
      m_cells(new ResultTableModel(this)), m_events(new EventTableModel(this)),
      m_kind(new QComboBox), m_plots(new RunPlots), m_notes(new RunNotes) {
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_head->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_tabs->setAccessibleName(tr("Parts of the run"));
    m_tabs->setDocumentMode(true);
    m_tabs->addTab(m_parameterTree, tr("Parameters"));
    m_tabs->addTab(m_environmentTree, tr("Environment"));
    m_tabs->addTab(makeCellsPage(), tr("Cells"));
    m_tabs->addTab(makeEventsPage(), tr("Events"));
    m_tabs->addTab(m_plots, tr("Plots"));
    m_tabs->addTab(m_notes, tr("Tags and notes"));
    auto* head = new QHBoxLayout;
    head->setContentsMargins(8, 4, 8, 0);
    head->addWidget(m_icon);
    head->addWidget(m_head, 1);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->addLayout(head);
    column->addWidget(m_tabs, 1);
    m_pollTimer.setSingleShot(true);
    m_pollTimer.setInterval(kPollMs);
    connect(&m_pollTimer, &QTimer::timeout, this, [this] {
        m_curvesOf = 0;
        if (m_tabs->currentIndex() == EventsTab) {
            m_events->poll();
        }
        loadTab();
    });
    connect(m_tabs, &QTabWidget::currentChanged, this, &RunDetails::loadTab);
    connect(m_notes, &RunNotes::tagsEdited, &context, &PanelContext::setTags);
    connect(m_notes, &RunNotes::notesEdited, &context, &PanelContext::setNotes);
    connect(m_events, &EventTableModel::failed, &context, &PanelContext::showMessage);
    connect(&context, &PanelContext::engineChanged, this, [this] {
        if (m_row) {
            m_cells->setCells(std::vector<CellRow>(m_cells->cells()), study());
            showProperties();
            showPlots();
        }
    });
}

RunDetails::~RunDetails() = default;

QTreeView* RunDetails::makeTree(PropertyTreeModel* model, const QString& name) {
    auto* tree = new QTreeView;
    tree->setModel(model);
    tree->setAlternatingRowColors(true);
    tree->setUniformRowHeights(true);
    tree->setAccessibleName(name);
    tree->setFrameShape(QFrame::NoFrame);
    tree->header()->resizeSection(0, kNameWidth);
    tree->header()->setHighlightSections(false);
    return tree;
}

QTableView* RunDetails::makeTable(QAbstractItemModel* model, const QString& name) {
    auto* table = new QTableView;
    table->setModel(model);
    styleRowTable(*table);
    table->setFrameShape(QFrame::NoFrame);
    table->setAccessibleName(name);
    return table;
}

QWidget* RunDetails::makeCellsPage() {
    auto* page = new QWidget;
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 4, 0, 0);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 0, 8, 0);
    row->addStretch(1);
    auto* button = makeExportButton(tr("Export table"), {}, tr("Export the cells as CSV"));
    row->addWidget(button);
    column->addLayout(row);
    QTableView* table = makeTable(m_cells, tr("Cells of the run"));
    column->addWidget(table, 1);
    const auto fit = [table] {
        table->resizeColumnsToContents();
        for (int section = 0; section < table->horizontalHeader()->count(); ++section) {
            if (table->columnWidth(section) > kMaxColumnWidth) {
                table->setColumnWidth(section, kMaxColumnWidth);
            }
        }
    };
    connect(m_cells, &QAbstractItemModel::modelReset, table, fit);
    connect(button, &QToolButton::clicked, this, [this] {
        exportTableInteractively(this, *m_cells, tr("cells-%1").arg(m_row ? m_row->id : 0));
    });
    return page;
}

QWidget* RunDetails::makeEventsPage() {
    auto* page = new QWidget;
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 4, 0, 0);
    m_kind->addItem(tr("All kinds"), QString());
    for (const QString& kind : eventKinds()) {
        m_kind->addItem(kind, kind);
    }
    m_kind->setAccessibleName(tr("Kind of event"));
    auto* label = new QLabel(tr("Show"));
    label->setBuddy(m_kind);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(8, 0, 8, 0);
    row->addWidget(label);
    row->addWidget(m_kind);
    row->addStretch(1);
    column->addLayout(row);
    QTableView* table = makeTable(m_events, tr("Events of the run"));
    column->addWidget(table, 1);
    connect(m_kind, &QComboBox::currentIndexChanged, this, [this] {
        m_events->setKind(m_kind->currentData().toString());
    });
    return page;
}

const StudyInfo* RunDetails::study() const {
    return m_row ? m_context.study(m_row->study) : nullptr;
}

bool RunDetails::showRun(qint64 runId) {
    std::vector<CellRow> cells;
    try {
        std::optional<RunRow> row = m_context.reader().run(runId);
        if (!row) {
            return false;
        }
        cells = m_context.reader().cells(runId);
        m_row = std::move(row);
    } catch (const Error& e) {
        m_context.showMessage(QString::fromUtf8(e.what()));
        return false;
    }
    m_eventsOf = 0;
    m_curvesOf = 0;
    m_events->setSource({});
    m_cells->setCells(std::move(cells), study());
    showHead();
    showProperties();
    showPlots();
    m_notes->showRun(
        runId, QString::fromStdString(m_row->tags), QString::fromStdString(m_row->notes));
    loadTab();
    return true;
}

void RunDetails::refresh() {
    if (!m_row) {
        return;
    }
    try {
        std::optional<RunRow> row = m_context.reader().run(m_row->id);
        if (!row) {
            return;
        }
        const bool cellsMoved = row->cellsDone != m_row->cellsDone || row->state != m_row->state;
        const bool environmentCame = row->environment != m_row->environment;
        m_row = std::move(row);
        if (cellsMoved) {
            m_cells->setCells(m_context.reader().cells(m_row->id), study());
            showPlots();
            m_pollTimer.start();
        }
        if (environmentCame) {
            showProperties();
        }
    } catch (const Error& e) {
        m_context.showMessage(QString::fromUtf8(e.what()));
        return;
    }
    showHead();
    m_notes->showRun(
        m_row->id, QString::fromStdString(m_row->tags), QString::fromStdString(m_row->notes));
}

void RunDetails::onEvents(std::span<const Event> events) {
    if (!m_row) {
        return;
    }
    bool any = false;
    for (const Event& event : events) {
        if (event.runId != m_row->id || std::holds_alternative<Progress>(event.payload)) {
            continue;
        }
        any = true;
        if (const auto* cell = std::get_if<CellChanged>(&event.payload);
            cell != nullptr && event.cell >= 0) {
            m_cells->updateCell(
                {.index = event.cell,
                 .key = cell->key,
                 .message = cell->message,
                 .state = cell->state,
                 .params = cell->params,
                 .metrics = cell->metrics});
            m_row->cellsDone = static_cast<int>(
                std::ranges::count(m_cells->cells(), CellState::Done, &CellRow::state));
        } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
            m_row->state = run->state;
            m_row->message = run->message;
            showHead();
        }
    }
    if (any && !m_pollTimer.isActive()) {
        m_pollTimer.start();
    }
}

void RunDetails::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_row) {
        showHead();
    }
}

void RunDetails::showHead() {
    m_icon->setPixmap(Theme::pixmap(
        runStateIcon(m_row->state), runStateColour(m_row->state), kIconSize, devicePixelRatioF()));
    QStringList parts{tr("Run %1").arg(m_row->id)};
    const StudyInfo* info = study();
    parts << QString::fromStdString(info != nullptr ? info->title : m_row->study);
    if (!m_row->title.empty()) {
        parts << QString::fromStdString(m_row->title);
    }
    parts << runStateText(m_row->state);
    if (!m_row->message.empty()) {
        parts << QString::fromStdString(m_row->message);
    }
    m_head->setText(parts.join(QStringLiteral(" · ")));
    m_head->setToolTip(m_head->text());
}

void RunDetails::showProperties() {
    m_parameters->setNodes(parameterNodes(m_row->spec, study()));
    m_environment->setNodes(jsonNodes(m_row->environment));
    m_parameterTree->expandAll();
    m_environmentTree->expandAll();
}

void RunDetails::showPlots() { m_plots->setCells(m_row->id, m_cells->cells(), study()); }

void RunDetails::loadTab() {
    if (!m_row) {
        return;
    }
    if (m_tabs->currentIndex() == EventsTab && m_eventsOf != m_row->id) {
        m_eventsOf = m_row->id;
        m_events->setSource([this, id = m_row->id](std::int64_t after, int limit) {
            return m_context.reader().events(id, after, limit);
        });
    }
    if (m_tabs->currentIndex() == PlotsTab) {
        showPlots();
        if (m_curvesOf != m_row->id) {
            loadCurves();
        }
    }
}

void RunDetails::loadCurves() {
    m_curvesOf = m_row->id;
    m_worker.ask(this, [this, id = m_row->id](RunReader& reader) {
        // Shared, so that handing it on copies no table.
        auto metrics = std::make_shared<std::vector<MetricRow>>(reader.metrics(id));
        return [this, id, metrics] {
            if (m_row && m_row->id == id) {
                m_plots->setCurves(std::move(*metrics));
            }
        };
    });
}

int RunDetails::currentTab() const { return m_tabs->currentIndex(); }

void RunDetails::setCurrentTab(int tab) {
    if (tab >= 0 && tab < m_tabs->count()) {
        m_tabs->setCurrentIndex(tab);
    }
}

void RunDetails::editTags() {
    m_tabs->setCurrentWidget(m_notes);
    m_notes->editTags();
}

void RunDetails::editNotes() {
    m_tabs->setCurrentWidget(m_notes);
    m_notes->editNotes();
}

void RunDetails::flushNotes() { m_notes->flush(); }

} // namespace lathe
