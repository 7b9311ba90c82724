// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

#include <QString>

#include <span>

class QProgressBar;
class QPushButton;

namespace lathe {

class PanelContext;

/// The run that a page of the panel started or waits for: how it stands, as the store and the
/// events tell.
class FollowedRun {
public:
    enum class Change { None, Some, Ended };

    qint64 id() const { return m_id; } ///< 0: none
    RunState state() const { return m_state; }
    bool busy() const { return m_id != 0 && !isFinal(m_state); }
    bool cancelling() const { return m_cancelling; }

    void clear() { *this = {}; }
    /// As the store has it.
    void take(const RunRow& row);
    /// It was submitted just now.
    void begin(qint64 id);
    Change take(std::span<const Event> events);
    /// Its cancelling was asked for. @return whether it is this run, and still active
    bool noteCancel(qint64 id);

    /// "Run 12 · layer 3 of 5"
    QString activeText() const;
    /// "Run 12 failed: why"
    QString endText() const;
    /// It ended otherwise than it should, after the run that is shown.
    bool failedAfter(qint64 shownId) const;
    /// Both are visible while it is active.
    void showIn(QProgressBar& progress, QPushButton& stop) const;

private:
    qint64 m_id = 0;
    RunState m_state = RunState::Done;
    QString m_message;
    QString m_phase;
    double m_fraction = 0.0;
    bool m_cancelling = false;
};

/// A bar of the head of a page.
void setUpProgress(QProgressBar& progress, const QString& accessibleName);
/// @param fraction anything; clamped to [0, 1]
void showFraction(QProgressBar& progress, double fraction);

/// What keeps a run of `study` from being started; empty: nothing.
/// @param absent what to say when the engine has no such study
QString runProblem(PanelContext& context, const char* study, const QString& absent, bool hasModel);

/// The text at a key; empty when there is none.
std::string textOf(const Json& object, const std::string& name);

} // namespace lathe
