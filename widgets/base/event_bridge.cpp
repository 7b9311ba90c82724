// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/event_bridge.h"

#include <QMetaObject>

#include <algorithm>

namespace lathe {

namespace {
constexpr int kFrameMs = 16;
} // namespace

EventBridge::EventBridge(QObject* parent) : QObject(parent) {
    m_timer.setSingleShot(true);
    m_timer.setTimerType(Qt::PreciseTimer);
    connect(&m_timer, &QTimer::timeout, this, &EventBridge::drain);
}

void EventBridge::post(Event event) noexcept {
    bool arms = false;
    {
        const std::scoped_lock lock(m_mutex);
        if (std::holds_alternative<Progress>(event.payload)) {
            const auto [it, fresh] = m_progress.try_emplace(event.runId, m_waiting.size());
            if (!fresh) {
                m_waiting[it->second].reset();
                it->second = m_waiting.size();
            }
        }
        m_waiting.emplace_back(std::move(event));
        arms = !std::exchange(m_armed, true);
    }
    if (arms) {
        QMetaObject::invokeMethod(this, &EventBridge::arm, Qt::QueuedConnection);
    }
}

void EventBridge::arm() {
    // The first event after a pause is shown at once, a stream of them frame by frame.
    const qint64 since = m_lastDrain.isValid() ? m_lastDrain.elapsed() : kFrameMs;
    m_timer.start(static_cast<int>(std::clamp<qint64>(kFrameMs - since, 0, kFrameMs)));
}

void EventBridge::drain() {
    m_lastDrain.start();
    if (m_handed == m_batch.size()) {
        std::vector<std::optional<Event>> taken;
        {
            const std::scoped_lock lock(m_mutex);
            taken.swap(m_waiting);
            m_progress.clear();
            m_armed = false;
        }
        m_batch.clear();
        m_handed = 0;
        for (std::optional<Event>& event : taken) {
            if (event) {
                m_batch.push_back(std::move(*event));
            }
        }
    }
    const std::size_t count = std::min(kBatch, m_batch.size() - m_handed);
    const std::span<const Event> batch(m_batch.data() + m_handed, count);
    m_handed += count;
    if (!batch.empty()) {
        emit eventsReady(batch);
    }
    if (m_handed < m_batch.size()) {
        m_timer.start(kFrameMs);
    }
}

void EventBridge::flush() {
    const auto waits = [this] {
        const std::scoped_lock lock(m_mutex);
        return m_handed < m_batch.size() || !m_waiting.empty();
    };
    while (waits()) {
        drain();
    }
}

} // namespace lathe
