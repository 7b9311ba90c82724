// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

#include <QAbstractTableModel>
#include <QString>

#include <filesystem>
#include <memory>
#include <vector>

namespace lathe {

/// The runs of a store, newest first, read page by page on a worker thread with its own connection:
/// the GUI thread never waits for a query. Views ask for more by scrolling (fetchMore).
class RunTableModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column {
        IdColumn,
        StartedColumn,
        StudyColumn,
        TitleColumn,
        StateColumn,
        CellsColumn,
        DurationColumn,
        DeviceColumn,
        TagsColumn,
        NotesColumn,
        ColumnCount
    };
    /// RunIdRole: qint64. SortRole: a value that sorts as the column means (numbers, times).
    enum Role { RunIdRole = Qt::UserRole, SortRole };
    static constexpr int kPage = 256;

    explicit RunTableModel(const std::filesystem::path& store, QObject* parent = nullptr);
    ~RunTableModel() override;

    /// The query of RunQuery::text; the answer replaces the rows.
    void setQuery(const QString& text);
    QString query() const { return m_query; }
    /// Reads the loaded part anew; rows keep their places, so selections and scrolling stay.
    void refresh();
    /// Runs that the query matches, loaded or not; -1 while it is not known.
    qint64 total() const { return m_total; }
    bool isLoading() const { return m_pending > 0; }
    const RunRow* row(int row) const;
    /// -1 when that run is not among the loaded rows.
    int rowOf(qint64 runId) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;
    bool canFetchMore(const QModelIndex& parent) const override;
    void fetchMore(const QModelIndex& parent) override;

signals:
    /// An answer arrived; `problem` says why a query cannot be read (its term is named).
    void loaded(const QString& problem);

private:
    struct Answer;
    class Worker;
    void ask(qint64 beforeId, int limit, bool replace);
    void take(Answer answer);
    void replaceRows(std::vector<RunRow> rows);
    QVariant text(const RunRow& row, int column) const;
    QVariant sortValue(const RunRow& row, int column) const;

    QString m_query;
    std::vector<RunRow> m_rows;
    qint64 m_total = -1;
    bool m_complete = false;
    int m_pending = 0;
    int m_generation = 0;
    std::unique_ptr<Worker> m_worker; ///< last: its thread stops before the rest goes
};

/// "queued", "running" ... translated, and the icon and colour that go with it.
QString runStateText(RunState state);
QString runStateIcon(RunState state);
QColor runStateColour(RunState state);
/// "1 min 12 s", "340 ms"; empty for a negative duration.
QString durationText(double seconds);

} // namespace lathe
