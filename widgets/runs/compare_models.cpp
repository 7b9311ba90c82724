// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/compare_models.h"

#include "widgets/base/theme.h"

#include <QFont>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

QString signedNumber(double value, char format, int digits) {
    if (!std::isfinite(value)) {
        return QStringLiteral("–");
    }
    const QString number = QLocale().toString(std::abs(value), format, digits);
    return value > 0.0 ? QLatin1Char('+') + number : value < 0.0 ? QChar(0x2212) + number : number;
}

QString verdictText(MetricDifference::Verdict verdict) {
    switch (verdict) {
    case MetricDifference::Verdict::Equal:
        return MetricDiffModel::tr("equal");
    case MetricDifference::Verdict::Better:
        return MetricDiffModel::tr("▲ better");
    case MetricDifference::Verdict::Worse:
        return MetricDiffModel::tr("▼ worse");
    case MetricDifference::Verdict::None:
        break;
    }
    return {};
}

} // namespace

void PropertyDiffModel::setComparison(
    std::vector<PropertyDifference> properties, const QString& left, const QString& right) {
    beginResetModel();
    m_all = std::move(properties);
    m_left = left;
    m_right = right;
    choose();
    endResetModel();
}

void PropertyDiffModel::setShowEqual(bool show) {
    beginResetModel();
    m_showEqual = show;
    choose();
    endResetModel();
}

void PropertyDiffModel::choose() {
    m_shown.clear();
    for (std::size_t i = 0; i < m_all.size(); ++i) {
        if (m_showEqual || m_all[i].differs) {
            m_shown.push_back(i);
        }
    }
}

int PropertyDiffModel::differing() const {
    return static_cast<int>(std::ranges::count(m_all, true, &PropertyDifference::differs));
}

int PropertyDiffModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_shown.size());
}

int PropertyDiffModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant PropertyDiffModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) {
        return {};
    }
    const PropertyDifference& row = m_all[m_shown[static_cast<std::size_t>(index.row())]];
    if (role == Qt::FontRole) {
        QFont font;
        font.setBold(row.differs && index.column() >= LeftColumn);
        return font;
    }
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole) {
        return {};
    }
    switch (index.column()) {
    case GroupColumn:
        return row.group;
    case NameColumn:
        return row.differs && m_showEqual && role == Qt::DisplayRole ? tr("≠ %1").arg(row.name)
                                                                     : row.name;
    case LeftColumn:
        return row.left;
    default:
        return row.right;
    }
}

QVariant PropertyDiffModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case GroupColumn:
        return tr("Part");
    case NameColumn:
        return tr("Name");
    case LeftColumn:
        return m_left;
    default:
        return m_right;
    }
}

void MetricDiffModel::setComparison(
    std::vector<MetricDifference> metrics, const QString& left, const QString& right) {
    beginResetModel();
    m_all = std::move(metrics);
    m_left = left;
    m_right = right;
    choose();
    endResetModel();
}

void MetricDiffModel::setShowEqual(bool show) {
    beginResetModel();
    m_showEqual = show;
    choose();
    endResetModel();
}

void MetricDiffModel::choose() {
    m_shown.clear();
    for (std::size_t i = 0; i < m_all.size(); ++i) {
        if (m_showEqual || m_all[i].verdict != MetricDifference::Verdict::Equal) {
            m_shown.push_back(i);
        }
    }
}

int MetricDiffModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_shown.size());
}

int MetricDiffModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QString MetricDiffModel::text(const MetricDifference& row, int column) const {
    switch (column) {
    case CellColumn:
        return row.cell;
    case MetricColumn:
        return row.title;
    case LeftColumn:
        return valueForPeople(row.left);
    case RightColumn:
        return valueForPeople(row.right);
    case DeltaColumn:
        return row.left.is_string() ? QString() : signedNumber(row.delta, 'g', 4);
    case PercentColumn:
        return row.left.is_string() ? QString() : signedNumber(row.percent, 'f', 2);
    default:
        return row.left.is_string() && row.left != row.right ? tr("different")
                                                             : verdictText(row.verdict);
    }
}

QVariant MetricDiffModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) {
        return {};
    }
    const MetricDifference& row = m_all[m_shown[static_cast<std::size_t>(index.row())]];
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return text(row, column).replace(QLatin1Char('\n'), QLatin1Char(' '));
    case Qt::ToolTipRole:
        return text(row, column);
    case Qt::TextAlignmentRole:
        return column >= LeftColumn && column <= PercentColumn && !row.left.is_string()
                   ? QVariant(Qt::AlignRight | Qt::AlignVCenter)
                   : QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    case Qt::ForegroundRole:
        if (column == VerdictColumn && row.verdict == MetricDifference::Verdict::Better) {
            return Theme::success();
        }
        return column == VerdictColumn && row.verdict == MetricDifference::Verdict::Worse
                   ? QVariant(Theme::warning())
                   : QVariant();
    default:
        return {};
    }
}

QVariant MetricDiffModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) {
        return {};
    }
    if (role == Qt::TextAlignmentRole) {
        return section >= LeftColumn && section <= PercentColumn
                   ? QVariant(Qt::AlignRight | Qt::AlignVCenter)
                   : QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    }
    if (role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case CellColumn:
        return tr("Cell");
    case MetricColumn:
        return tr("Result");
    case LeftColumn:
        return m_left;
    case RightColumn:
        return m_right;
    case DeltaColumn:
        return tr("Difference");
    case PercentColumn:
        return tr("%");
    default:
        return tr("Second run is");
    }
}

} // namespace lathe
