// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event_sink.h"

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace lathe {

/// The only EventSink with Qt: collects events from any thread and hands them to the GUI thread in
/// batches every 16 ms. Progress of a run keeps the latest only; everything else is never dropped.
/// A batch holds at most kBatch events, the rest follows in the next: a flood never stalls the
/// window.
class EventBridge : public QObject, public EventSink {
    Q_OBJECT
public:
    static constexpr std::size_t kBatch = 1000;

    explicit EventBridge(QObject* parent = nullptr);
    void post(Event event) noexcept override;
    /// Hands over what is waiting now, on the GUI thread (shutdown and tests).
    void flush();

signals:
    void eventsReady(std::span<const lathe::Event> events);

private:
    void arm();
    void drain();

    std::mutex m_mutex;
    std::vector<std::optional<Event>> m_waiting;    ///< empty: progress that a later one replaced
    std::map<std::int64_t, std::size_t> m_progress; ///< run -> index of its progress in m_waiting
    bool m_armed = false;
    std::vector<Event> m_batch; ///< GUI thread: taken, not handed over yet
    std::size_t m_handed = 0;
    QTimer m_timer;
    QElapsedTimer m_lastDrain;
};

} // namespace lathe
