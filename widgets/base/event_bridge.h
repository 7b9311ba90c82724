// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event_sink.h"

#include <QObject>
#include <QTimer>

#include <mutex>
#include <span>
#include <vector>

namespace lathe {

/// The only EventSink with Qt: collects events from any thread and hands them to the GUI thread in
/// batches every 16 ms. Progress of a run keeps the latest only; everything else is never dropped.
class EventBridge : public QObject, public EventSink {
    Q_OBJECT
public:
    explicit EventBridge(QObject* parent = nullptr);
    void post(Event event) noexcept override;

signals:
    void eventsReady(std::span<const lathe::Event> events);

private:
    void drain();

    std::mutex m_mutex;
    std::vector<Event> m_waiting;
    bool m_armed = false;
};

} // namespace lathe
