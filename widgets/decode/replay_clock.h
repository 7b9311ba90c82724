// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

namespace lathe {

/// Runs through a recorded time: as fast as it was, or slowed down. The engine never waits for it:
/// what is shown slowly was measured at full speed.
class ReplayClock : public QObject {
    Q_OBJECT
public:
    explicit ReplayClock(QObject* parent = nullptr);

    /// Of what is replayed; may grow while it plays.
    void setEnd(qint64 ns);
    qint64 end() const { return m_end; }
    qint64 position() const { return m_position; }
    void setPosition(qint64 ns); ///< cut to 0 .. end
    /// 1: true time; 1000: a millisecond takes a second. @throws nothing; cut to 1 .. 1e6
    void setSlowdown(double factor);
    double slowdown() const { return m_slowdown; }
    bool isPlaying() const { return m_timer.isActive(); }
    void play(); ///< from the start when it stands at the end
    void pause();
    /// Waits at the end for what is still to come.
    void setOpenEnded(bool open) { m_open = open; }

signals:
    void moved(qint64 ns);
    void playingChanged();

private:
    void tick();

    QTimer m_timer;
    QElapsedTimer m_since;
    qint64 m_end = 0, m_position = 0;
    double m_slowdown = 1.0;
    bool m_open = false;
};

} // namespace lathe
