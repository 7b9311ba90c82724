// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"

#include <QAbstractTableModel>
#include <QString>

#include <functional>
#include <vector>

namespace lathe {

/// The events of one run as text, read page by page as the view is scrolled, and further as the run
/// goes on. A filter shows one kind alone.
class EventTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { TimeColumn, SeqColumn, CellColumn, KindColumn, TextColumn, ColumnCount };
    static constexpr int kPage = 256;
    /// Events after a sequence number, in order, at most so many.
    using Source = std::function<std::vector<Event>(std::int64_t afterSeq, int limit)>;

    using QAbstractTableModel::QAbstractTableModel;

    /// Starts anew; an empty source: no run.
    void setSource(Source source);
    /// Name of the kind ("log"), empty: all.
    void setKind(const QString& kind);
    /// Reads on: the run has said more since the end was reached.
    void poll();

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    bool canFetchMore(const QModelIndex& parent) const override;
    void fetchMore(const QModelIndex& parent) override;

signals:
    void failed(const QString& problem);

private:
    struct Row {
        double seconds = 0.0;
        qint64 seq = 0;
        int cell = -1;
        QString kind, text;
        bool grave = false;
    };
    void readPage();
    void readUntilShown();
    bool isShown(const Row& row) const { return m_kind.isEmpty() || row.kind == m_kind; }

    Source m_source;
    QString m_kind;
    std::vector<Row> m_rows;
    std::vector<std::size_t> m_shown; ///< rows that pass the filter
    std::int64_t m_lastSeq = 0;
    bool m_complete = true;
    bool m_reading = false; ///< a call that reads on is queued
};

/// Every kind of event that a store may hold, for the filter.
QStringList eventKinds();
/// One line that says what an event says.
QString eventText(const Payload& payload);

} // namespace lathe
