// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/runs/cell_values.h"

#include <QAbstractTableModel>

#include <optional>
#include <vector>

namespace lathe {

/// The cells of a run of any study: number, state, the parameters that vary, and every result.
class ResultTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    using QAbstractTableModel::QAbstractTableModel;

    /// `info` may be null; it gives titles, units and the order of results.
    void setCells(std::vector<CellRow> cells, const StudyInfo* info);
    /// Adds or replaces one cell; columns that are new reset the model.
    void updateCell(const CellRow& cell);
    const std::vector<CellRow>& cells() const { return m_cells; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    enum FixedColumn { NumberColumn, StateColumn, FixedColumns };
    const Json& valueAt(const QModelIndex& index) const;
    const StudyInfo* info() const { return m_info ? &*m_info : nullptr; }
    QVariant stateData(const CellRow& cell, int role) const;

    std::vector<CellRow> m_cells;
    std::optional<StudyInfo> m_info;
    std::vector<std::string> m_params, m_metrics;
};

} // namespace lathe
