// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/pending_texts.h"

#include "engine/core/json.h"

#include <QDockWidget>
#include <QTimer>

class QLabel;
class QPlainTextEdit;
class QStackedWidget;
class QTabWidget;
class QTreeWidget;
class QTreeWidgetItem;

namespace lathe {

class PanelContext;
class StateView;
struct RunRow;

/// The run of the moment: parameters (changed ones bold), environment, artifacts, notes.
class InspectorDock : public QDockWidget {
    Q_OBJECT
public:
    /// The context's store has to be open before `show` is called.
    explicit InspectorDock(PanelContext& context, QWidget* parent = nullptr);
    ~InspectorDock() override; ///< a note that is not stored yet goes to the store
    void showRun(qint64 runId);
    void refresh();

private:
    void showEvent(QShowEvent* event) override;
    void fillParameters(const RunRow& row);
    void fillEnvironment(const RunRow& row);
    void fillArtifacts(qint64 runId);
    void saveNotes();

    PanelContext& m_context;
    qint64 m_run = 0;
    PendingTexts m_pendingNotes;
    qint64 m_notesOf = 0; ///< run whose notes the editor holds
    bool m_notesEdited = false;
    bool m_stale = false;
    QStackedWidget* m_pages;
    StateView* m_empty;
    QLabel* m_title;
    QTabWidget* m_tabs;
    QTreeWidget* m_parameters;
    QTreeWidget* m_environment;
    QTreeWidget* m_artifacts;
    QPlainTextEdit* m_notes;
    QTimer m_saveTimer;
};

} // namespace lathe
