// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"

#include <QAbstractTableModel>
#include <QDateTime>
#include <QString>

#include <deque>

namespace lathe {

/// The last 10 000 lines of the program, the engine and the runs.
class LogList : public QAbstractTableModel {
    Q_OBJECT
public:
    static constexpr int kMaxLines = 10000;
    enum Column { TimeColumn, LevelColumn, SourceColumn, TextColumn, ColumnCount };
    enum Role { LevelRole = Qt::UserRole };

    explicit LogList(QObject* parent = nullptr);
    void add(LogLevel level, const QString& source, const QString& text);
    QString lineText(int row) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Line {
        QDateTime at;
        LogLevel level;
        QString source, text;
    };
    std::deque<Line> m_lines;
};

} // namespace lathe
