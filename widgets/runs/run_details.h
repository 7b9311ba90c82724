// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"
#include "experiments/store/run_reader.h"

#include <QTimer>
#include <QWidget>

#include <optional>
#include <span>

class QComboBox;
class QLabel;
class QTableView;
class QTabWidget;
class QToolButton;
class QTreeView;

namespace lathe {

class EventTableModel;
class PanelContext;
class PropertyTreeModel;
class ResultTableModel;
class RunNotes;
class RunPlots;
class StoreWorker;

/// Everything about one run in tabs: parameters, environment, cells, events, plots, notes. A tab
/// reads when it is looked at.
class RunDetails : public QWidget {
    Q_OBJECT
public:
    enum Tab { ParametersTab, EnvironmentTab, CellsTab, EventsTab, PlotsTab, NotesTab };

    RunDetails(PanelContext& context, StoreWorker& worker, QWidget* parent = nullptr);
    ~RunDetails() override;

    /// Reads the run's row and cells. False: the store has no such run.
    bool showRun(qint64 runId);
    /// Reads the row anew: state, tags, notes.
    void refresh();
    /// Events of the shown run.
    void onEvents(std::span<const Event> events);
    const std::optional<RunRow>& row() const { return m_row; }
    int currentTab() const;
    void setCurrentTab(int tab);
    void editTags();
    void editNotes();
    void flushNotes();

    const ResultTableModel& cells() const { return *m_cells; }
    const EventTableModel& events() const { return *m_events; }
    const RunPlots& plots() const { return *m_plots; }

private:
    void changeEvent(QEvent* event) override;
    QTreeView* makeTree(PropertyTreeModel* model, const QString& name);
    QTableView* makeTable(QAbstractItemModel* model, const QString& name);
    QWidget* makeEventsPage();
    QWidget* makeCellsPage();
    void showHead();
    void showProperties();
    void showPlots();
    void loadTab();
    void loadCurves();
    const StudyInfo* study() const;

    PanelContext& m_context;
    StoreWorker& m_worker;
    std::optional<RunRow> m_row;
    qint64 m_eventsOf = 0, m_curvesOf = 0; ///< run whose events or curves have been read
    QTimer m_pollTimer;                    ///< events and curves of a run that goes on
    QLabel* m_icon;
    QLabel* m_head;
    QTabWidget* m_tabs;
    PropertyTreeModel* m_parameters;
    PropertyTreeModel* m_environment;
    QTreeView* m_parameterTree;
    QTreeView* m_environmentTree;
    ResultTableModel* m_cells;
    EventTableModel* m_events;
    QComboBox* m_kind;
    RunPlots* m_plots;
    RunNotes* m_notes;
};

} // namespace lathe
