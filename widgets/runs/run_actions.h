// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

#include <QObject>

#include <vector>

class QAction;
class QWidget;

namespace lathe {

class PanelContext;
class StoreWorker;

/// What may be done with the selected run: one set of actions for buttons, context menu and keys.
/// An action that cannot be done now says why in its tool tip.
class RunActions : public QObject {
    Q_OBJECT
public:
    RunActions(PanelContext& context, StoreWorker& worker, QWidget* owner);

    void setSelected(std::vector<RunRow> rows);
    /// In the order of buttons and menu; null stands for a separator.
    const std::vector<QAction*>& all() const { return m_all; }
    QAction* runAgain() const { return m_again; }
    QAction* resume() const { return m_resume; }
    QAction* duplicate() const { return m_duplicate; }
    QAction* copyCommand() const { return m_copy; }
    QAction* exportJson() const { return m_json; }
    QAction* showInPanel() const { return m_show; }
    QAction* stop() const { return m_stop; }

signals:
    void tagRequested();
    void noteRequested();
    void submitted(qint64 runId);

private:
    QAction*
    add(const QString& text, const QString& icon, const QKeySequence& key, const QString& tip);
    void refresh();
    void allow(QAction* action, const QString& reason);
    void copy();
    void resumeRun();
    void saveJson();

    PanelContext& m_context;
    StoreWorker& m_worker;
    QWidget* m_owner;
    std::vector<RunRow> m_rows;
    std::vector<QAction*> m_all;
    QAction *m_again, *m_resume, *m_duplicate, *m_copy, *m_json, *m_show, *m_stop, *m_tag, *m_note;
};

} // namespace lathe
