// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_list_model.h"

#include "widgets/base/model_name.h"
#include "widgets/base/panel.h"
#include "widgets/runs/store_worker.h"

namespace lathe {

QString modelOfRun(const RunRow& row) {
    QStringList names;
    for (const char* param : {"model", "big", "little"}) {
        const Json& one = member(row.spec.params, param);
        const Json& swept = member(row.spec.sweep, param);
        for (const Json& value : swept.is_array() ? swept : Json::array({one})) {
            if (value.is_string()) {
                names << shortModelName(QString::fromStdString(value.get<std::string>()));
            }
        }
    }
    return names.join(QStringLiteral(", "));
}

RunListModel::RunListModel(PanelContext& context, StoreWorker& worker, QObject* parent)
    : RunTableModel(context.storePath().toStdString(), parent), m_context(context),
      m_worker(worker) {
    connect(&context, &PanelContext::engineChanged, this, &RunListModel::forget);
    // The base announces its own columns; those beside them may have changed as well.
    connect(
        this, &QAbstractItemModel::dataChanged, this,
        [this](const QModelIndex& from, const QModelIndex& to) {
            if (from.column() == 0 && to.column() == RunTableModel::ColumnCount - 1) {
                emit dataChanged(index(from.row(), ModelColumn), index(to.row(), KeyMetricColumn));
            }
        });
}

int RunListModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : AllColumns;
}

void RunListModel::forget() {
    m_known.clear();
    if (rowCount() > 0) {
        emit dataChanged(index(0, KeyMetricColumn), index(rowCount() - 1, KeyMetricColumn));
    }
}

QString RunListModel::keyMetric(const RunRow& row) const {
    if (row.cellsDone == 0) {
        return {};
    }
    Known& known = m_known[row.id];
    if (known.cellsDone != row.cellsDone && !known.asked) {
        const StudyInfo* study = m_context.study(row.study);
        const auto metric = study != nullptr ? keyMetricOf(*study) : std::nullopt;
        if (!metric) {
            return {};
        }
        known.asked = true;
        auto* self = const_cast<RunListModel*>(this);
        m_worker.ask(
            self, [self, metric = *metric, id = row.id, done = row.cellsDone](RunReader& reader) {
                const QString text = keyMetricText(reader.cells(id), metric);
                return [self, id, done, text] { self->take(id, done, text); };
            });
    }
    return known.text;
}

void RunListModel::take(qint64 runId, int cellsDone, const QString& text) {
    m_known[runId] = {cellsDone, text, false};
    if (const int row = rowOf(runId); row >= 0) {
        emit dataChanged(index(row, KeyMetricColumn), index(row, KeyMetricColumn));
    }
}

QVariant RunListModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.column() < RunTableModel::ColumnCount) {
        return RunTableModel::data(index, role);
    }
    const RunRow* found = row(index.row());
    if (found == nullptr) {
        return {};
    }
    switch (role) {
    case Qt::DisplayRole:
    case Qt::ToolTipRole:
    case SortRole:
        return index.column() == ModelColumn ? modelOfRun(*found) : keyMetric(*found);
    case RunIdRole:
        return static_cast<qlonglong>(found->id);
    case Qt::TextAlignmentRole:
        return QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    default:
        return {};
    }
}

QVariant RunListModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole ||
        section < RunTableModel::ColumnCount) {
        return RunTableModel::headerData(section, orientation, role);
    }
    return section == ModelColumn ? tr("Model") : tr("Best result");
}

} // namespace lathe
