// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/eta.h"
#include "engine/core/event.h"
#include "engine/core/spec.h"

#include <QAbstractTableModel>
#include <QElapsedTimer>
#include <QString>

#include <span>
#include <vector>

namespace lathe {

/// The runs of this session: waiting, running, and the last finished ones.
class JobList : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        RunColumn,
        BarColumn,
        DoneColumn,
        ElapsedColumn,
        LeftColumn,
        StateColumn,
        CancelColumn,
        ColumnCount
    };
    /// FractionRole: 0..1, negative when unknown; PhaseRole: what it does now.
    enum Role { RunIdRole = Qt::UserRole, FractionRole, PhaseRole, ActiveRole };

    explicit JobList(QObject* parent = nullptr);

    void add(qint64 runId, const Spec& spec, const QString& title);
    /// Shown at once, before the engine answers.
    void cancelAsked(qint64 runId);
    void onEvents(std::span<const Event> events);
    /// Repaints the elapsed times; called once a second while something runs.
    void tick();
    void clearFinished();
    int activeCount() const; ///< waiting and running
    bool isActive(qint64 runId) const;
    qint64 runningId() const; ///< 0: none
    /// What "stop" means without a choice: the running job, else the one that has waited longest;
    /// 0: none.
    qint64 stoppableId() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

signals:
    void activeChanged();

private:
    struct Job {
        qint64 id = 0;
        QString title;
        QString phase;
        QString message;
        RunState state = RunState::Queued;
        bool cancelling = false;
        double fraction = -1.0;
        int cellsDone = 0, cellsTotal = 1;
        double seconds = 0.0; ///< run time at the last event
        QElapsedTimer since;  ///< the last event
        EtaEstimator eta;
    };
    Job* find(qint64 runId);
    void take(Job& job, const Event& event);
    QString text(const Job& job, int column) const;
    QString leftText(const Job& job) const;
    double elapsed(const Job& job) const;

    std::vector<Job> m_jobs; ///< newest first
};

} // namespace lathe
