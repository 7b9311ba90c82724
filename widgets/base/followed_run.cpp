// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/followed_run.h"

#include "widgets/base/panel.h"
#include "widgets/base/run_table_model.h"

#include <QCoreApplication>
#include <QProgressBar>
#include <QPushButton>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr int kProgressSteps = 1000;

QString tr(const char* text) { return QCoreApplication::translate("FollowedRun", text); }

} // namespace

void FollowedRun::take(const RunRow& row) {
    m_id = row.id;
    m_state = row.state;
    m_message = QString::fromStdString(row.message);
}

void FollowedRun::begin(qint64 id) {
    clear();
    m_id = id;
    m_state = RunState::Queued;
}

FollowedRun::Change FollowedRun::take(std::span<const Event> events) {
    Change change = Change::None;
    for (const Event& event : events) {
        if (event.runId != m_id || m_id == 0) {
            continue;
        }
        if (const auto* progress = std::get_if<Progress>(&event.payload)) {
            m_phase = QString::fromStdString(progress->phase);
            m_fraction = progress->fraction;
            change = std::max(change, Change::Some);
        } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
            m_state = run->state;
            m_message = QString::fromStdString(run->message);
            change = std::max(change, isFinal(run->state) ? Change::Ended : Change::Some);
        }
    }
    if (change == Change::Ended) {
        m_cancelling = false;
        m_phase.clear();
    }
    return change;
}

bool FollowedRun::noteCancel(qint64 id) {
    const bool mine = id == m_id && busy();
    m_cancelling = m_cancelling || mine;
    return mine;
}

QString FollowedRun::activeText() const {
    const QString phase = m_cancelling        ? tr("cancelling…")
                          : m_phase.isEmpty() ? runStateText(m_state)
                                              : m_phase;
    return tr("Run %1 · %2").arg(m_id).arg(phase);
}

QString FollowedRun::endText() const {
    return tr("Run %1 %2: %3").arg(m_id).arg(runStateText(m_state), m_message);
}

bool FollowedRun::failedAfter(qint64 shownId) const {
    return m_id > shownId && m_state != RunState::Done && !busy();
}

void FollowedRun::showIn(QProgressBar& progress, QPushButton& stop) const {
    progress.setVisible(busy());
    showFraction(progress, m_fraction);
    stop.setVisible(busy());
    stop.setEnabled(!m_cancelling);
}

void setUpProgress(QProgressBar& progress, const QString& accessibleName) {
    progress.setRange(0, kProgressSteps);
    progress.setFixedWidth(160);
    progress.setAccessibleName(accessibleName);
}

void showFraction(QProgressBar& progress, double fraction) {
    const double done = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
    progress.setValue(static_cast<int>(std::lround(done * kProgressSteps)));
}

QString runProblem(PanelContext& context, const char* study, const QString& absent, bool hasModel) {
    if (context.engine() == nullptr) {
        return tr("The engine has not started yet.");
    }
    if (context.study(study) == nullptr) {
        return absent;
    }
    return hasModel ? QString() : tr("Choose a model on the left.");
}

std::string textOf(const Json& object, const std::string& name) {
    const auto it = object.find(name);
    return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

} // namespace lathe
