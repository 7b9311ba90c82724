// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/run_table_model.h"

#include "engine/core/error.h"
#include "widgets/base/theme.h"

#include <QDateTime>
#include <QLocale>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace lathe {

struct RunTableModel::Answer {
    int generation = 0;
    bool replace = false;
    int limit = 0;
    std::vector<RunRow> rows;
    qint64 total = -1;
    QString problem;
};

/// Owns the thread and the connection of the queries. Answers go back as queued calls.
class RunTableModel::Worker {
public:
    struct Question {
        RunQuery query;
        int generation = 0;
        bool replace = false;
    };

    Worker(std::filesystem::path store, RunTableModel& model)
        : m_store(std::move(store)), m_model(model),
          m_thread([this](std::stop_token stop) { work(std::move(stop)); }) {}

    void ask(Question question) {
        {
            const std::scoped_lock lock(m_mutex);
            m_questions.push_back(std::move(question));
        }
        m_changed.notify_one();
    }

private:
    void work(std::stop_token stop) {
        while (true) {
            Question question;
            {
                std::unique_lock lock(m_mutex);
                if (!m_changed.wait(lock, stop, [this] { return !m_questions.empty(); })) {
                    return;
                }
                question = std::move(m_questions.front());
                m_questions.pop_front();
            }
            Answer answer = read(question);
            QMetaObject::invokeMethod(
                &m_model,
                [model = &m_model, answer = std::move(answer)]() mutable {
                    model->take(std::move(answer));
                },
                Qt::QueuedConnection);
        }
    }

    Answer read(const Question& question) {
        Answer answer{question.generation, question.replace, question.query.limit, {}, -1, {}};
        try {
            if (!m_reader) {
                m_reader.emplace(m_store);
            }
            answer.rows = m_reader->runs(question.query);
            if (question.replace) {
                answer.total = m_reader->countRuns(question.query);
            }
        } catch (const Error& e) {
            answer.problem = QString::fromUtf8(e.what());
        }
        return answer;
    }

    std::filesystem::path m_store;
    RunTableModel& m_model;
    std::mutex m_mutex;
    std::condition_variable_any m_changed;
    std::deque<Question> m_questions;
    std::optional<RunReader> m_reader; ///< of the thread
    std::jthread m_thread;
};

RunTableModel::RunTableModel(const std::filesystem::path& store, QObject* parent)
    : QAbstractTableModel(parent), m_worker(std::make_unique<Worker>(store, *this)) {
    ask(0, kPage, true);
}

RunTableModel::~RunTableModel() = default;

void RunTableModel::ask(qint64 beforeId, int limit, bool replace) {
    ++m_pending;
    m_worker->ask(
        {{.text = m_query.toStdString(), .beforeId = beforeId, .limit = limit},
         m_generation,
         replace});
}

void RunTableModel::setQuery(const QString& text) {
    m_query = text;
    ++m_generation;
    ask(0, kPage, true);
}

void RunTableModel::refresh() {
    ask(0, std::max(kPage, static_cast<int>(m_rows.size()) + 1), true);
}

bool RunTableModel::canFetchMore(const QModelIndex& parent) const {
    return !parent.isValid() && !m_complete && !isLoading() && !m_rows.empty();
}

void RunTableModel::fetchMore(const QModelIndex& parent) {
    if (canFetchMore(parent)) {
        ask(m_rows.back().id, kPage, false);
    }
}

void RunTableModel::take(Answer answer) {
    --m_pending;
    if (answer.generation != m_generation) {
        return; // of a query that was replaced meanwhile
    }
    if (answer.problem.isEmpty()) {
        m_complete = static_cast<int>(answer.rows.size()) < answer.limit;
        if (answer.replace) {
            m_total = answer.total;
            replaceRows(std::move(answer.rows));
        } else if (!answer.rows.empty()) {
            const int first = static_cast<int>(m_rows.size());
            beginInsertRows({}, first, first + static_cast<int>(answer.rows.size()) - 1);
            std::ranges::move(answer.rows, std::back_inserter(m_rows));
            endInsertRows();
        }
    }
    emit loaded(answer.problem);
}

void RunTableModel::replaceRows(std::vector<RunRow> rows) {
    // Usually some runs are new on top and the others stand where they stood.
    const qint64 top = m_rows.empty() ? 0 : m_rows.front().id;
    const auto fresh =
        std::ranges::find_if(rows, [top](const RunRow& row) { return row.id <= top; });
    const auto added = static_cast<std::size_t>(fresh - rows.begin());
    const std::size_t common = std::min(rows.size() - added, m_rows.size());
    bool same = !m_rows.empty() && rows.size() - added >= m_rows.size();
    for (std::size_t i = 0; same && i < common; ++i) {
        same = rows[added + i].id == m_rows[i].id;
    }
    if (!same) {
        beginResetModel();
        m_rows = std::move(rows);
        endResetModel();
        return;
    }
    const std::size_t known = m_rows.size();
    if (added > 0) {
        beginInsertRows({}, 0, static_cast<int>(added) - 1);
        m_rows.insert(
            m_rows.begin(), std::make_move_iterator(rows.begin()), std::make_move_iterator(fresh));
        endInsertRows();
    }
    std::move(
        fresh, fresh + static_cast<std::ptrdiff_t>(known),
        m_rows.begin() + static_cast<std::ptrdiff_t>(added));
    if (known > 0) {
        emit dataChanged(
            index(static_cast<int>(added), 0),
            index(static_cast<int>(added + known) - 1, ColumnCount - 1));
    }
    if (const std::size_t total = rows.size(); total > m_rows.size()) {
        const std::size_t have = m_rows.size();
        beginInsertRows({}, static_cast<int>(have), static_cast<int>(total) - 1);
        m_rows.insert(
            m_rows.end(), std::make_move_iterator(rows.begin() + static_cast<std::ptrdiff_t>(have)),
            std::make_move_iterator(rows.end()));
        endInsertRows();
    }
}

const RunRow* RunTableModel::row(int row) const {
    return row >= 0 && row < static_cast<int>(m_rows.size())
               ? &m_rows[static_cast<std::size_t>(row)]
               : nullptr;
}

int RunTableModel::rowOf(qint64 runId) const {
    const auto it = std::ranges::find(m_rows, runId, &RunRow::id);
    return it == m_rows.end() ? -1 : static_cast<int>(it - m_rows.begin());
}

int RunTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int RunTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

namespace {

double secondsOf(const RunRow& row) {
    return row.startedMs > 0 && row.finishedMs >= row.startedMs
               ? static_cast<double>(row.finishedMs - row.startedMs) / 1e3
               : -1.0;
}

QString timeText(qint64 ms) {
    return ms > 0 ? QLocale().toString(
                        QDateTime::fromMSecsSinceEpoch(ms), QStringLiteral("yyyy-MM-dd HH:mm:ss"))
                  : QString();
}

} // namespace

QVariant RunTableModel::text(const RunRow& row, int column) const {
    switch (column) {
    case IdColumn:
        return QString::number(row.id);
    case StartedColumn:
        return timeText(row.startedMs > 0 ? row.startedMs : row.createdMs);
    case StudyColumn:
        return QString::fromStdString(row.study);
    case TitleColumn:
        return QString::fromStdString(row.title);
    case StateColumn:
        return runStateText(row.state);
    case CellsColumn:
        return row.cellsTotal > 0 ? tr("%1 / %2").arg(row.cellsDone).arg(row.cellsTotal)
                                  : QString();
    case DurationColumn:
        return durationText(secondsOf(row));
    case DeviceColumn:
        return QString::fromStdString(row.device);
    case TagsColumn:
        return QString::fromStdString(row.tags);
    case NotesColumn:
        return QString::fromStdString(row.notes).section(QLatin1Char('\n'), 0, 0);
    default:
        return {};
    }
}

QVariant RunTableModel::sortValue(const RunRow& row, int column) const {
    switch (column) {
    case IdColumn:
        return static_cast<qlonglong>(row.id);
    case StartedColumn:
        return static_cast<qlonglong>(row.startedMs > 0 ? row.startedMs : row.createdMs);
    case CellsColumn:
        return row.cellsDone;
    case DurationColumn:
        return secondsOf(row);
    default:
        return text(row, column);
    }
}

QVariant RunTableModel::data(const QModelIndex& index, int role) const {
    const RunRow* found = row(index.row());
    if (found == nullptr || !index.isValid()) {
        return {};
    }
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return text(*found, column);
    case Qt::ToolTipRole:
        return column == StateColumn && !found->message.empty()
                   ? QVariant(QString::fromStdString(found->message))
                   : text(*found, column);
    case Qt::DecorationRole:
        return column == StateColumn ? QVariant(Theme::icon(runStateIcon(found->state)))
                                     : QVariant();
    case Qt::ForegroundRole:
        return column == StateColumn ? QVariant(runStateColour(found->state)) : QVariant();
    case Qt::TextAlignmentRole:
        return column == IdColumn || column == CellsColumn || column == DurationColumn
                   ? QVariant(Qt::AlignRight | Qt::AlignVCenter)
                   : QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    case RunIdRole:
        return static_cast<qlonglong>(found->id);
    case SortRole:
        return sortValue(*found, column);
    default:
        return {};
    }
}

QVariant RunTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case IdColumn:
        return tr("Run");
    case StartedColumn:
        return tr("Started");
    case StudyColumn:
        return tr("Study");
    case TitleColumn:
        return tr("Title");
    case StateColumn:
        return tr("State");
    case CellsColumn:
        return tr("Cells");
    case DurationColumn:
        return tr("Duration");
    case DeviceColumn:
        return tr("Device");
    case TagsColumn:
        return tr("Tags");
    case NotesColumn:
        return tr("Notes");
    default:
        return {};
    }
}

QString runStateText(RunState state) {
    switch (state) {
    case RunState::Queued:
        return RunTableModel::tr("waiting");
    case RunState::Running:
        return RunTableModel::tr("running");
    case RunState::Done:
        return RunTableModel::tr("done");
    case RunState::Failed:
        return RunTableModel::tr("failed");
    case RunState::Cancelled:
        return RunTableModel::tr("cancelled");
    case RunState::Crashed:
        return RunTableModel::tr("crashed");
    case RunState::Interrupted:
        return RunTableModel::tr("interrupted");
    }
    return {};
}

QString runStateIcon(RunState state) {
    switch (state) {
    case RunState::Queued:
        return QStringLiteral("pause");
    case RunState::Running:
        return QStringLiteral("play");
    case RunState::Done:
        return QStringLiteral("check");
    case RunState::Cancelled:
        return QStringLiteral("cancel");
    case RunState::Interrupted:
        return QStringLiteral("warning");
    default:
        return QStringLiteral("error");
    }
}

QColor runStateColour(RunState state) {
    switch (state) {
    case RunState::Done:
        return Theme::success();
    case RunState::Failed:
    case RunState::Crashed:
        return Theme::error();
    case RunState::Interrupted:
        return Theme::warning();
    case RunState::Running:
        return Theme::isDark() ? Theme::palette(true).color(QPalette::Link)
                               : Theme::palette(false).color(QPalette::Link);
    default:
        return Theme::muted();
    }
}

QString durationText(double seconds) {
    if (!(seconds >= 0.0)) {
        return {};
    }
    const QLocale locale;
    if (seconds < 1.0) {
        return RunTableModel::tr("%1 ms").arg(locale.toString(seconds * 1e3, 'f', 0));
    }
    if (seconds < 60.0) {
        return RunTableModel::tr("%1 s").arg(locale.toString(seconds, 'f', 1));
    }
    const auto whole = static_cast<qint64>(seconds);
    if (whole < 3600) {
        return RunTableModel::tr("%1 min %2 s")
            .arg(whole / 60)
            .arg(whole % 60, 2, 10, QLatin1Char('0'));
    }
    return RunTableModel::tr("%1 h %2 min")
        .arg(whole / 3600)
        .arg(whole / 60 % 60, 2, 10, QLatin1Char('0'));
}

} // namespace lathe
