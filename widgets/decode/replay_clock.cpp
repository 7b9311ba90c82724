// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/replay_clock.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr int kFrameMs = 16;
constexpr double kMostSlowdown = 1e6;

} // namespace

ReplayClock::ReplayClock(QObject* parent) : QObject(parent) {
    m_timer.setInterval(kFrameMs);
    m_timer.setTimerType(Qt::PreciseTimer);
    connect(&m_timer, &QTimer::timeout, this, &ReplayClock::tick);
}

void ReplayClock::setEnd(qint64 ns) {
    m_end = std::max<qint64>(ns, 0);
    if (m_position > m_end) {
        setPosition(m_end);
    }
}

void ReplayClock::setPosition(qint64 ns) {
    const qint64 position = std::clamp<qint64>(ns, 0, m_end);
    m_since.start();
    if (position != m_position) {
        m_position = position;
        emit moved(m_position);
    }
}

void ReplayClock::setSlowdown(double factor) {
    m_slowdown = std::clamp(factor, 1.0, kMostSlowdown);
    m_since.start();
}

void ReplayClock::play() {
    if (isPlaying() || (m_end == 0 && !m_open)) {
        return;
    }
    if (m_position >= m_end && !m_open) {
        setPosition(0);
    }
    m_since.start();
    m_timer.start();
    emit playingChanged();
}

void ReplayClock::pause() {
    if (isPlaying()) {
        m_timer.stop();
        emit playingChanged();
    }
}

void ReplayClock::tick() {
    const double elapsed = static_cast<double>(m_since.nsecsElapsed()) / m_slowdown;
    setPosition(m_position + std::max<qint64>(1, static_cast<qint64>(elapsed)));
    if (m_position >= m_end && !m_open) {
        pause();
    }
}

} // namespace lathe
