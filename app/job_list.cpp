// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/job_list.h"

#include "engine/core/grid.h"
#include "widgets/base/run_table_model.h"
#include "widgets/base/theme.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {
constexpr std::size_t kKept = 200; ///< finished jobs beyond are forgotten here (the store has them)
} // namespace

JobList::JobList(QObject* parent) : QAbstractTableModel(parent) {}

void JobList::add(qint64 runId, const Spec& spec, const QString& title) {
    if (m_jobs.size() >= kKept && isFinal(m_jobs.back().state)) {
        const int last = static_cast<int>(m_jobs.size()) - 1;
        beginRemoveRows({}, last, last);
        m_jobs.pop_back();
        endRemoveRows();
    }
    Job job;
    job.id = runId;
    job.title = title.isEmpty() ? QString::fromStdString(spec.study) : title;
    job.cellsTotal = static_cast<int>(std::min<std::size_t>(expandGrid(spec).size(), 1000000));
    beginInsertRows({}, 0, 0);
    m_jobs.insert(m_jobs.begin(), std::move(job));
    endInsertRows();
    emit activeChanged();
}

JobList::Job* JobList::find(qint64 runId) {
    const auto it = std::ranges::find(m_jobs, runId, &Job::id);
    return it == m_jobs.end() ? nullptr : &*it;
}

void JobList::cancelAsked(qint64 runId) {
    if (Job* job = find(runId); job != nullptr && !isFinal(job->state)) {
        job->cancelling = true;
        const int row = static_cast<int>(job - m_jobs.data());
        emit dataChanged(index(row, 0), index(row, ColumnCount - 1));
    }
}

void JobList::onEvents(std::span<const Event> events) {
    std::vector<std::size_t> touched;
    const int before = activeCount();
    for (const Event& event : events) {
        Job* job = find(event.runId);
        if (job == nullptr) {
            continue;
        }
        take(*job, event);
        const auto row = static_cast<std::size_t>(job - m_jobs.data());
        if (std::ranges::find(touched, row) == touched.end()) {
            touched.push_back(row);
        }
    }
    for (const std::size_t row : touched) {
        emit dataChanged(
            index(static_cast<int>(row), 0), index(static_cast<int>(row), ColumnCount - 1));
    }
    if (activeCount() != before || !touched.empty()) {
        emit activeChanged();
    }
}

void JobList::take(Job& job, const Event& event) {
    const double seconds = std::chrono::duration<double>(event.at).count();
    if (seconds >= job.seconds) {
        job.seconds = seconds;
        job.since.start();
    }
    if (const auto* progress = std::get_if<Progress>(&event.payload)) {
        job.phase = QString::fromStdString(progress->phase);
        job.fraction =
            std::isfinite(progress->fraction) ? std::clamp(progress->fraction, 0.0, 1.0) : -1.0;
        job.eta.report(progress->fraction, seconds);
    } else if (const auto* cell = std::get_if<CellChanged>(&event.payload)) {
        job.cellsDone += cell->state != CellState::Running ? 1 : 0;
        job.cellsTotal = std::max(job.cellsTotal, job.cellsDone);
    } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
        job.state = run->state;
        job.message = QString::fromStdString(run->message);
        if (const auto cells = run->record.find("cells");
            cells != run->record.end() && cells->is_number_unsigned()) {
            job.cellsTotal =
                static_cast<int>(std::min<std::uint64_t>(cells->get<std::uint64_t>(), 1000000));
        }
        if (isFinal(run->state)) {
            job.cancelling = false;
            job.phase.clear();
            job.fraction = run->state == RunState::Done ? 1.0 : job.fraction;
        }
    }
}

void JobList::tick() {
    for (std::size_t i = 0; i < m_jobs.size(); ++i) {
        if (m_jobs[i].state == RunState::Running) {
            const int row = static_cast<int>(i);
            emit dataChanged(index(row, ElapsedColumn), index(row, LeftColumn));
        }
    }
}

void JobList::clearFinished() {
    beginResetModel();
    std::erase_if(m_jobs, [](const Job& job) { return isFinal(job.state); });
    endResetModel();
}

int JobList::activeCount() const {
    return static_cast<int>(
        std::ranges::count_if(m_jobs, [](const Job& job) { return !isFinal(job.state); }));
}

bool JobList::isActive(qint64 runId) const {
    return std::ranges::any_of(
        m_jobs, [runId](const Job& job) { return job.id == runId && !isFinal(job.state); });
}

qint64 JobList::runningId() const {
    const auto it = std::ranges::find(m_jobs, RunState::Running, &Job::state);
    return it == m_jobs.end() ? 0 : it->id;
}

qint64 JobList::stoppableId() const {
    if (const qint64 running = runningId(); running != 0) {
        return running;
    }
    const auto oldest = std::find_if(
        m_jobs.rbegin(), m_jobs.rend(), [](const Job& job) { return !isFinal(job.state); });
    return oldest == m_jobs.rend() ? 0 : oldest->id;
}

int JobList::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_jobs.size());
}

int JobList::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

double JobList::elapsed(const Job& job) const {
    const bool running = job.state == RunState::Running && job.since.isValid();
    return job.seconds + (running ? static_cast<double>(job.since.elapsed()) / 1e3 : 0.0);
}

QString JobList::leftText(const Job& job) const {
    if (job.state != RunState::Running || job.cancelling) {
        return {};
    }
    const auto range = job.eta.remaining();
    if (!range) {
        return tr("estimating…");
    }
    const QString high = durationText(std::ceil(range->highSeconds));
    if (range->highSeconds - range->lowSeconds < 1.0) {
        return tr("about %1").arg(high);
    }
    return tr("%1 to %2").arg(durationText(std::floor(range->lowSeconds)), high);
}

QString JobList::text(const Job& job, int column) const {
    switch (column) {
    case RunColumn:
        return tr("#%1 %2").arg(job.id).arg(job.title);
    case BarColumn:
        return job.fraction >= 0.0 ? tr("%1 %").arg(std::floor(job.fraction * 100.0)) : QString();
    case DoneColumn:
        return tr("%1 / %2").arg(job.cellsDone).arg(job.cellsTotal);
    case ElapsedColumn:
        return job.state == RunState::Queued ? QString() : durationText(elapsed(job));
    case LeftColumn:
        return leftText(job);
    case StateColumn:
        return job.cancelling ? tr("cancelling…") : runStateText(job.state);
    default:
        return {};
    }
}

QVariant JobList::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) {
        return {};
    }
    const Job& job = m_jobs[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return text(job, index.column());
    case Qt::ToolTipRole:
        return job.message.isEmpty() ? job.phase : job.message;
    case Qt::DecorationRole:
        return index.column() == StateColumn ? QVariant(Theme::icon(runStateIcon(job.state)))
                                             : QVariant();
    case Qt::ForegroundRole:
        return index.column() == StateColumn ? QVariant(runStateColour(job.state)) : QVariant();
    case Qt::TextAlignmentRole:
        return index.column() == DoneColumn || index.column() == ElapsedColumn
                   ? QVariant(Qt::AlignRight | Qt::AlignVCenter)
                   : QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    case RunIdRole:
        return job.id;
    case FractionRole:
        return job.fraction;
    case PhaseRole:
        return job.phase;
    case ActiveRole:
        return !isFinal(job.state) && !job.cancelling;
    default:
        return {};
    }
}

QVariant JobList::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case RunColumn:
        return tr("Run");
    case BarColumn:
        return tr("Progress");
    case DoneColumn:
        return tr("Cells");
    case ElapsedColumn:
        return tr("Elapsed");
    case LeftColumn:
        return tr("Remaining");
    case StateColumn:
        return tr("State");
    default:
        return {};
    }
}

} // namespace lathe
