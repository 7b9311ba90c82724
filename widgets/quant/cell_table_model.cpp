// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/cell_table_model.h"

#include "widgets/base/cell_state.h"
#include "widgets/base/theme.h"
#include "widgets/quant/measures.h"

#include <QLocale>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool isTextColumn(int column) {
    return column == CellTableModel::MethodColumn || column == CellTableModel::MatrixColumn ||
           column == CellTableModel::StateColumn;
}

} // namespace

const Measure* CellTableModel::measureOf(int column) {
    switch (column) {
    case PerplexityColumn:
        return &qualityMeasures()[0];
    case KlColumn:
        return &qualityMeasures()[1];
    case OverKmeansColumn:
        return &overKmeansMeasure();
    case PredictedColumn:
        return &predictedMeasure();
    case BitsPerByteColumn:
        return &qualityMeasures()[2];
    case AgreementColumn:
        return &qualityMeasures()[3];
    case SizeColumn:
        return &costMeasures()[0];
    case AverageBitsColumn:
        return &costMeasures()[1];
    case SecondsColumn:
        return &secondsMeasure();
    default:
        return nullptr;
    }
}

void CellTableModel::setRun(const SweepRun& run) {
    beginResetModel();
    m_cells.clear();
    for (const auto& [index, cell] : run.cells) {
        m_cells.push_back(cell);
    }
    findBest();
    endResetModel();
}

void CellTableModel::updateCell(const SweepCell& cell) {
    const auto at = std::ranges::lower_bound(m_cells, cell.index, {}, &SweepCell::index);
    const int row = static_cast<int>(at - m_cells.begin());
    if (at != m_cells.end() && at->index == cell.index) {
        *at = cell;
        emit dataChanged(index(row, 0), index(row, ColumnCount - 1));
    } else {
        beginInsertRows({}, row, row);
        m_cells.insert(at, cell);
        endInsertRows();
    }
    const auto before = m_best;
    findBest();
    for (std::size_t column = 0; column < m_best.size(); ++column) {
        const bool bothNone = std::isnan(before[column]) && std::isnan(m_best[column]);
        if (!bothNone && before[column] != m_best[column]) {
            const int c = static_cast<int>(column);
            emit dataChanged(index(0, c), index(rowCount() - 1, c));
        }
    }
}

void CellTableModel::findBest() {
    m_best.fill(kNaN);
    for (int column = 0; column < ColumnCount; ++column) {
        const Measure* measure = measureOf(column);
        double& best = m_best[static_cast<std::size_t>(column)];
        int candidates = 0;
        for (const SweepCell& cell : m_cells) {
            const double value =
                measure != nullptr && !cell.isFloat() && cell.state == CellState::Done
                    ? cell.value(measure->metric)
                    : kNaN;
            if (std::isfinite(value)) {
                ++candidates;
                const bool better = measure->better > 0 ? value > best : value < best;
                best = std::isnan(best) || better ? value : best;
            }
        }
        if (candidates < 2) {
            best = kNaN; // the best of one says nothing
        }
    }
}

bool CellTableModel::isBest(int row, int column) const {
    const Measure* measure = measureOf(column);
    const SweepCell* found = cell(row);
    return measure != nullptr && !found->isFloat() && found->state == CellState::Done &&
           found->value(measure->metric) == m_best[static_cast<std::size_t>(column)];
}

const SweepCell* CellTableModel::cell(int row) const {
    return row >= 0 && row < static_cast<int>(m_cells.size())
               ? &m_cells[static_cast<std::size_t>(row)]
               : nullptr;
}

int CellTableModel::rowOf(int cellIndex) const {
    const auto it = std::ranges::find(m_cells, cellIndex, &SweepCell::index);
    return it == m_cells.end() ? -1 : static_cast<int>(it - m_cells.begin());
}

int CellTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_cells.size());
}

int CellTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

bool CellTableModel::isUsed(int column) const {
    return std::ranges::any_of(m_cells, [column](const SweepCell& cell) {
        switch (column) {
        case SparsityColumn:
            return cell.sparsity > 0.0;
        case MatrixColumn:
            return !cell.matrix.empty();
        case OverKmeansColumn:
        case PredictedColumn:
            return isMeasured(*measureOf(column), cell);
        default:
            return true;
        }
    });
}

/// What was chosen, of the columns before the results.
QString CellTableModel::settingText(const SweepCell& cell, int column) const {
    switch (column) {
    case MethodColumn:
        return cell.methodName();
    case BitsColumn:
        return cell.bits > 0 ? QString::number(cell.bits) : QString();
    case GroupColumn:
        return cell.isFloat()   ? QString()
               : cell.group > 0 ? QString::number(cell.group)
                                : tr("row");
    case SparsityColumn:
        return cell.sparsity > 0.0 ? QLocale().toString(cell.sparsity, 'g', 4) : QString();
    case MatrixColumn:
        return cell.matrixName();
    default:
        return {};
    }
}

QString CellTableModel::text(const SweepCell& cell, int column) const {
    if (column < PerplexityColumn) {
        return settingText(cell, column);
    }
    if (column == StateColumn) {
        if (cell.isCancelled()) {
            return tr("cancelled");
        }
        return cell.state == CellState::Failed && !cell.message.isEmpty()
                   ? tr("failed: %1").arg(cell.message)
                   : cellStateText(cell.state);
    }
    const Measure* measure = measureOf(column);
    if (measure == nullptr || cell.state != CellState::Done) {
        return {};
    }
    const bool optional = measure == &overKmeansMeasure() || measure == &predictedMeasure();
    if (optional && !isMeasured(*measure, cell)) {
        return {};
    }
    const QString interval = column == PerplexityColumn ? intervalText(*measure, cell) : QString();
    const QString value = measureText(*measure, cell);
    return interval.isEmpty() ? value : tr("%1  (%2)").arg(value, interval);
}

QString CellTableModel::toolTip(int row, int column) const {
    const SweepCell& found = *cell(row);
    const Measure* measure = measureOf(column);
    if (column == StateColumn) {
        return found.message.isEmpty() ? cellStateText(found.state) : found.message;
    }
    if (const std::string file = sweptFile(found.method); column == MethodColumn && !file.empty()) {
        return QString::fromStdString(file);
    }
    if (column == GroupColumn && found.group == 0 && !found.isFloat()) {
        return tr("One scale or table for a whole row of the matrix");
    }
    if (measure == nullptr || found.state != CellState::Done) {
        return {};
    }
    QStringList lines{
        tr("%1: %2 %3")
            .arg(measureTitle(*measure), measureText(*measure, found), measureUnit(*measure))
            .trimmed()};
    if (const QString interval = intervalText(*measure, found); !interval.isEmpty()) {
        lines << tr("95 % interval: %1").arg(interval);
    }
    if (isBest(row, column)) {
        lines << tr("Best of the quantized settings");
    }
    return lines.join(QLatin1Char('\n'));
}

QVariant CellTableModel::sortValue(const SweepCell& cell, int column) const {
    if (const Measure* measure = measureOf(column)) {
        const double value = cell.value(measure->metric);
        // Rows without a value come last.
        return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
    }
    switch (column) {
    case BitsColumn:
        return cell.bits;
    case GroupColumn:
        return cell.group;
    case SparsityColumn:
        return cell.sparsity;
    default:
        return text(cell, column);
    }
}

QVariant CellTableModel::data(const QModelIndex& index, int role) const {
    const SweepCell* found = index.isValid() ? cell(index.row()) : nullptr;
    if (found == nullptr) {
        return {};
    }
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return isBest(index.row(), column) ? tr("★ %1").arg(text(*found, column))
                                           : text(*found, column);
    case Qt::ToolTipRole:
        return toolTip(index.row(), column);
    case Qt::AccessibleTextRole:
        return isBest(index.row(), column) ? tr("%1, best").arg(text(*found, column))
                                           : text(*found, column);
    case Qt::DecorationRole:
        return column == StateColumn ? QVariant(Theme::icon(
                                           found->isCancelled() ? QStringLiteral("cancel")
                                                                : cellStateIcon(found->state)))
                                     : QVariant();
    case Qt::ForegroundRole:
        return column == StateColumn && found->state == CellState::Failed && !found->isCancelled()
                   ? QVariant(Theme::error())
                   : QVariant();
    case Qt::TextAlignmentRole:
        return isTextColumn(column) ? QVariant(Qt::AlignLeft | Qt::AlignVCenter)
                                    : QVariant(Qt::AlignRight | Qt::AlignVCenter);
    case Qt::EditRole: // bare, for files
        if (const Measure* measure = measureOf(column)) {
            const double value = found->value(measure->metric) * measure->factor;
            return std::isfinite(value) ? QVariant(value) : QVariant(QString());
        }
        return column == GroupColumn      ? QVariant(found->group)
               : column == SparsityColumn ? QVariant(found->sparsity)
                                          : text(*found, column);
    case CellRole:
        return found->index;
    case SortRole:
        return sortValue(*found, column);
    default:
        return {};
    }
}

QVariant CellTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section < 0 || section >= ColumnCount) {
        return {};
    }
    if (role == Qt::TextAlignmentRole) {
        return isTextColumn(section) ? QVariant(Qt::AlignLeft | Qt::AlignVCenter)
                                     : QVariant(Qt::AlignRight | Qt::AlignVCenter);
    }
    if (role == Qt::ToolTipRole && measureOf(section) != nullptr) {
        return measureOf(section)->better > 0 ? tr("Higher is better") : tr("Lower is better");
    }
    if (role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case MethodColumn:
        return tr("Method");
    case BitsColumn:
        return tr("Bits");
    case GroupColumn:
        return tr("Group");
    case SparsityColumn:
        return tr("Sparse (%)");
    case MatrixColumn:
        return tr("Only matrix");
    case PerplexityColumn:
        return tr("Perplexity (95 %)");
    case KlColumn:
        return tr("KL (nat)");
    case OverKmeansColumn:
        return tr("KL / k-means");
    case PredictedColumn:
        return tr("Predicted KL");
    case AgreementColumn:
        return tr("Top-1 (%)");
    case BitsPerByteColumn:
        return tr("Bits/byte");
    case SizeColumn:
        return tr("Size (MiB)");
    case AverageBitsColumn:
        return tr("Avg bits");
    case SecondsColumn:
        return tr("Time (s)");
    default:
        return tr("State");
    }
}

} // namespace lathe
