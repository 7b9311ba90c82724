// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/runs/run_compare.h"

#include <QAbstractTableModel>

namespace lathe {

/// Parameters and environment of two runs; equal rows are left out unless asked for. A differing
/// row carries a sign and is bold.
class PropertyDiffModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { GroupColumn, NameColumn, LeftColumn, RightColumn, ColumnCount };
    using QAbstractTableModel::QAbstractTableModel;

    void setComparison(
        std::vector<PropertyDifference> properties, const QString& left, const QString& right);
    void setShowEqual(bool show);
    int differing() const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    void choose();
    std::vector<PropertyDifference> m_all;
    std::vector<std::size_t> m_shown;
    QString m_left, m_right;
    bool m_showEqual = false;
};

/// Results of the cells that two runs share, with difference, percent and what that means.
class MetricDiffModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        CellColumn,
        MetricColumn,
        LeftColumn,
        RightColumn,
        DeltaColumn,
        PercentColumn,
        VerdictColumn,
        ColumnCount
    };
    using QAbstractTableModel::QAbstractTableModel;

    void
    setComparison(std::vector<MetricDifference> metrics, const QString& left, const QString& right);
    void setShowEqual(bool show);

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    void choose();
    QString text(const MetricDifference& row, int column) const;
    std::vector<MetricDifference> m_all;
    std::vector<std::size_t> m_shown;
    QString m_left, m_right;
    bool m_showEqual = false;
};

} // namespace lathe
