// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/log_list.h"

#include "widgets/base/theme.h"

namespace lathe {

namespace {

constexpr int kDropAtOnce = 500; ///< old lines leave in blocks: cheaper for views
constexpr qsizetype kLongestLine = 4000;

QString levelText(LogLevel level) {
    switch (level) {
    case LogLevel::Debug:
        return LogList::tr("debug");
    case LogLevel::Info:
        return LogList::tr("info");
    case LogLevel::Warning:
        return LogList::tr("warning");
    case LogLevel::Error:
        return LogList::tr("error");
    }
    return {};
}

} // namespace

LogList::LogList(QObject* parent) : QAbstractTableModel(parent) {}

void LogList::add(LogLevel level, const QString& source, const QString& text) {
    if (rowCount() >= kMaxLines) {
        beginRemoveRows({}, 0, kDropAtOnce - 1);
        m_lines.erase(m_lines.begin(), m_lines.begin() + kDropAtOnce);
        endRemoveRows();
    }
    const int row = rowCount();
    beginInsertRows({}, row, row);
    m_lines.push_back({QDateTime::currentDateTime(), level, source, text.left(kLongestLine)});
    endInsertRows();
}

QString LogList::lineText(int row) const {
    const Line& line = m_lines[static_cast<std::size_t>(row)];
    return line.at.toString(Qt::ISODateWithMs) + QLatin1Char('\t') + levelText(line.level) +
           QLatin1Char('\t') + line.source + QLatin1Char('\t') + line.text;
}

int LogList::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_lines.size());
}

int LogList::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant LogList::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) {
        return {};
    }
    const Line& line = m_lines[static_cast<std::size_t>(index.row())];
    if (role == LevelRole) {
        return static_cast<int>(line.level);
    }
    if (role == Qt::ToolTipRole && index.column() == TextColumn) {
        return line.text;
    }
    if (role == Qt::ForegroundRole && index.column() == LevelColumn) {
        switch (line.level) {
        case LogLevel::Error:
            return Theme::error();
        case LogLevel::Warning:
            return Theme::warning();
        default:
            return Theme::muted();
        }
    }
    if (role != Qt::DisplayRole) {
        return {};
    }
    switch (index.column()) {
    case TimeColumn:
        return line.at.toString(QStringLiteral("HH:mm:ss.zzz"));
    case LevelColumn:
        return levelText(line.level);
    case SourceColumn:
        return line.source;
    default:
        return line.text;
    }
}

QVariant LogList::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case TimeColumn:
        return tr("Time");
    case LevelColumn:
        return tr("Level");
    case SourceColumn:
        return tr("Source");
    case TextColumn:
        return tr("Message");
    default:
        return {};
    }
}

} // namespace lathe
