// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/json.h"

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include <array>
#include <map>

namespace lathe {

/// Measures how long the GUI thread leaves its event loop waiting: a timer of 5 ms that comes late
/// was held up by something. Also keeps the first time of named moments since the program's start
/// ("window", "engine", "cell").
class Heartbeat : public QObject {
    Q_OBJECT
public:
    static constexpr int kPeriodMs = 5;
    static constexpr std::array<int, 9> kBoundsMs{1, 2, 5, 10, 16, 33, 50, 100, 200};

    explicit Heartbeat(QObject* parent = nullptr);
    void start();
    /// Counts one beat that came `lateMs` too late.
    void record(double lateMs);
    /// Remembers the moment when it happens for the first time.
    void mark(const QString& name);
    /// {"beats", "max_ms", "max_at_ms", "over_50_ms", "histogram": [{"up_to_ms", "count"}],
    /// "marks"}.
    Json report() const;
    /// @return an empty text, or why the file could not be written.
    QString writeTo(const QString& path) const;

private:
    void beat();

    QTimer m_timer;
    QElapsedTimer m_since;
    std::array<qint64, kBoundsMs.size() + 1> m_counts{};
    double m_maxMs = 0.0;
    double m_maxAtMs = 0.0;
    qint64 m_beats = 0;
    std::map<QString, double> m_marks;
};

/// Milliseconds since this process was executed, by the kernel's record (10 ms steps at its start).
double millisecondsSinceStart();

} // namespace lathe
