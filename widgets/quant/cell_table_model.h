// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/sweep_run.h"

#include <QAbstractTableModel>

#include <array>
#include <vector>

namespace lathe {

struct Measure;

/// The settings of a sweep, one row each, in the order of the sweep. The best value of a column
/// among the quantized settings carries a star.
class CellTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        MethodColumn,
        BitsColumn,
        GroupColumn,
        SparsityColumn,
        MatrixColumn,
        PerplexityColumn,
        KlColumn,
        OverKmeansColumn,
        PredictedColumn,
        AgreementColumn,
        BitsPerByteColumn,
        SizeColumn,
        AverageBitsColumn,
        SecondsColumn,
        StateColumn,
        ColumnCount
    };
    /// CellRole: the cell's index. SortRole: a number or text that sorts as the column means.
    enum Role { CellRole = Qt::UserRole, SortRole };

    using QAbstractTableModel::QAbstractTableModel;

    void setRun(const SweepRun& run);
    /// Adds or replaces the row of one cell.
    void updateCell(const SweepCell& cell);
    const SweepCell* cell(int row) const;
    int rowOf(int cellIndex) const; ///< -1: no such cell

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

    static const Measure* measureOf(int column); ///< null for columns that are no measure
    /// Whether any row has something to say in it: the columns of what only some sweeps have need
    /// not be shown in others.
    bool isUsed(int column) const;

private:
    void findBest();
    bool isBest(int row, int column) const;
    QString text(const SweepCell& cell, int column) const;
    QString settingText(const SweepCell& cell, int column) const;
    QString toolTip(int row, int column) const;
    QVariant sortValue(const SweepCell& cell, int column) const;

    std::vector<SweepCell> m_cells;
    std::array<double, ColumnCount> m_best{}; ///< NaN: none
};

} // namespace lathe
