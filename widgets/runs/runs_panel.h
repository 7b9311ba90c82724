// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/panel.h"

class QSplitter;
class QStackedWidget;
class QTableView;

namespace lathe {

class CompareView;
class QueryBar;
class RunActions;
class RunDetails;
class RunListModel;
class StateView;
class StoreWorker;

/// Runs: the table of everything that has been run, newest first; the selected run in detail, or
/// two selected runs compared.
class RunsPanel : public Panel {
    Q_OBJECT
public:
    explicit RunsPanel(PanelContext& context, QWidget* parent = nullptr);
    ~RunsPanel() override;

    PanelInfo info() const override;
    void onEvents(std::span<const Event> events) override;
    QJsonObject saveState() const override;
    void restoreState(const QJsonObject& state) override;
    bool showRun(qint64 runId) override;
    bool editSpec(const Spec& spec) override;
    void triggerRun() override;

    RunListModel& list() { return *m_list; }
    RunDetails& details() { return *m_details; }
    CompareView& compare() { return *m_compare; }
    RunActions& actions() { return *m_actions; }
    QueryBar& query() { return *m_query; }
    /// Ids of the selected runs, newest first.
    const std::vector<qint64>& selected() const { return m_selected; }
    void select(const std::vector<qint64>& runIds);

private:
    QWidget* makeTop();
    void makeTable();
    void connectParts();
    void loaded(const QString& problem);
    void selectionChanged();
    void showSelected();
    void showComparison();
    void reselect();
    void refreshActions();
    void exportTable();
    void menu(const QPoint& at);
    void primaryClicked();

    PanelContext& m_context;
    StoreWorker* m_worker;
    RunListModel* m_list;
    RunActions* m_actions;
    QueryBar* m_query;
    QTableView* m_table;
    StateView* m_tableState;
    QStackedWidget* m_tablePages;
    RunDetails* m_details;
    CompareView* m_compare;
    StateView* m_detailState;
    QStackedWidget* m_detailPages;
    QSplitter* m_split;
    std::vector<qint64> m_selected;
    bool m_restoring = false; ///< the selection is being put back, not made
    bool m_filtered = false;  ///< the filter has changed, its answer is awaited
    bool m_ever = false;      ///< an answer of the store has arrived
};

} // namespace lathe
