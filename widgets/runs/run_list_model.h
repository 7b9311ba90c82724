// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/run_table_model.h"
#include "widgets/runs/cell_values.h"

#include <map>

namespace lathe {

class PanelContext;
class StoreWorker;

/// The table of runs with two columns more: the model, and the best value of the metric by which
/// the study is known. That value is read by the worker for the rows that are looked at.
class RunListModel : public RunTableModel {
    Q_OBJECT
public:
    enum ExtraColumn { ModelColumn = RunTableModel::ColumnCount, KeyMetricColumn, AllColumns };

    RunListModel(PanelContext& context, StoreWorker& worker, QObject* parent = nullptr);

    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Known {
        int cellsDone = -1; ///< as of this many finished cells
        QString text;
        bool asked = false;
    };
    QString keyMetric(const RunRow& row) const;
    void take(qint64 runId, int cellsDone, const QString& text);
    void forget();

    PanelContext& m_context;
    StoreWorker& m_worker;
    mutable std::map<qint64, Known> m_known;
};

/// The run's model, a path shortened to its last part; empty when it has none.
QString modelOfRun(const RunRow& row);

} // namespace lathe
