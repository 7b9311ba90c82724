// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDockWidget>

class QPushButton;
class QStackedWidget;
class QTreeView;

namespace lathe {

class JobList;
class StateView;

/// The queue: what waits, runs and just ended, with progress, time left and cancel.
class JobsDock : public QDockWidget {
    Q_OBJECT
public:
    explicit JobsDock(JobList& jobs, QWidget* parent = nullptr);

signals:
    void cancelRequested(qint64 runId);
    void cancelAllRequested();
    void openRequested(qint64 runId);

private:
    QWidget* makeButtons();
    void placeButtons();
    void refresh();
    qint64 selected() const;

    JobList& m_jobs;
    QStackedWidget* m_pages;
    StateView* m_empty;
    QTreeView* m_view;
    QPushButton* m_cancel;
    QPushButton* m_cancelAll;
    QPushButton* m_clear;
    QPushButton* m_open;
};

} // namespace lathe
