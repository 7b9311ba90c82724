// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/result_table_model.h"

#include "widgets/base/cell_state.h"
#include "widgets/base/theme.h"

#include <QLocale>

#include <algorithm>
#include <cmath>

namespace lathe {

void ResultTableModel::setCells(std::vector<CellRow> cells, const StudyInfo* info) {
    beginResetModel();
    m_cells = std::move(cells);
    m_info = info != nullptr ? std::optional(*info) : std::nullopt;
    m_params = varyingParams(m_cells);
    m_metrics = metricNames(m_cells, info);
    endResetModel();
}

void ResultTableModel::updateCell(const CellRow& cell) {
    std::vector<CellRow> cells = m_cells;
    const auto at = std::ranges::lower_bound(cells, cell.index, {}, &CellRow::index);
    const bool present = at != cells.end() && at->index == cell.index;
    const int row = static_cast<int>(at - cells.begin());
    if (present) {
        *at = cell;
    } else {
        cells.insert(at, cell);
    }
    if (varyingParams(cells) != m_params || metricNames(cells, info()) != m_metrics) {
        const std::optional<StudyInfo> kept = m_info;
        setCells(std::move(cells), kept ? &*kept : nullptr);
    } else if (present) {
        m_cells = std::move(cells);
        emit dataChanged(index(row, 0), index(row, columnCount() - 1));
    } else {
        beginInsertRows({}, row, row);
        m_cells = std::move(cells);
        endInsertRows();
    }
}

int ResultTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_cells.size());
}

int ResultTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0
                            : FixedColumns + static_cast<int>(m_params.size() + m_metrics.size());
}

const Json& ResultTableModel::valueAt(const QModelIndex& index) const {
    const CellRow& cell = m_cells[static_cast<std::size_t>(index.row())];
    const auto at = static_cast<std::size_t>(index.column() - FixedColumns);
    return at < m_params.size() ? member(cell.params, m_params[at])
                                : member(cell.metrics, m_metrics[at - m_params.size()]);
}

QVariant ResultTableModel::stateData(const CellRow& cell, int role) const {
    switch (role) {
    case Qt::DisplayRole:
    case Qt::ToolTipRole:
        return cell.message.empty()
                   ? cellStateText(cell.state)
                   : tr("%1: %2").arg(
                         cellStateText(cell.state), QString::fromStdString(cell.message));
    case Qt::DecorationRole:
        return Theme::icon(cellStateIcon(cell.state));
    case Qt::ForegroundRole:
        return cell.state == CellState::Failed ? QVariant(Theme::error()) : QVariant();
    default:
        return {};
    }
}

QVariant ResultTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount() || index.column() >= columnCount()) {
        return {};
    }
    const CellRow& cell = m_cells[static_cast<std::size_t>(index.row())];
    if (index.column() == StateColumn) {
        return stateData(cell, role);
    }
    if (index.column() == NumberColumn) {
        if (role == Qt::TextAlignmentRole) {
            return QVariant(Qt::AlignRight | Qt::AlignVCenter);
        }
        return role == Qt::DisplayRole ? QVariant(QString::number(cell.index + 1)) : QVariant();
    }
    const Json& value = valueAt(index);
    switch (role) {
    case Qt::DisplayRole:
        // Nothing is known yet of a cell that still runs.
        return value.is_null() && cell.state != CellState::Done
                   ? QString()
                   : valueForPeople(value).replace(QLatin1Char('\n'), QLatin1Char(' '));
    case Qt::EditRole:
        return value.is_number() ? QVariant(value.get<double>())
               : value.is_null() ? QVariant(QString())
                                 : QVariant(valueForPeople(value));
    case Qt::ToolTipRole:
        return valueForPeople(value);
    case Qt::TextAlignmentRole:
        return value.is_string() ? QVariant(Qt::AlignLeft | Qt::AlignVCenter)
                                 : QVariant(Qt::AlignRight | Qt::AlignVCenter);
    default:
        return {};
    }
}

QVariant ResultTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= columnCount()) {
        return {};
    }
    const bool fixed = section < FixedColumns;
    const auto at = static_cast<std::size_t>(std::max(0, section - FixedColumns));
    if (role == Qt::ToolTipRole && !fixed && at >= m_params.size()) {
        const MetricInfo* metric = findMetric(info(), m_metrics[at - m_params.size()]);
        return metric != nullptr ? QVariant(QString::fromStdString(metric->help)) : QVariant();
    }
    if (role != Qt::DisplayRole) {
        return {};
    }
    if (fixed) {
        return section == NumberColumn ? tr("Cell") : tr("State");
    }
    return at < m_params.size() ? QString::fromStdString(m_params[at])
                                : metricTitle(info(), m_metrics[at - m_params.size()]);
}

} // namespace lathe
