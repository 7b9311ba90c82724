// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

namespace lathe::test {

/// Keeps every event, and lets a test wait for one.
class EventLog : public EventSink {
public:
    void post(Event event) noexcept override;

    std::vector<Event> events() const;
    /// Waits until an event that passes has been posted. @return false when none came for long
    bool waitFor(const std::function<bool(const Event&)>& passes);
    /// Waits for the run's end. @return how it ended; Queued when it did not
    RunChanged waitForEnd(std::int64_t runId);

    std::function<void(const Event&)> onEvent; ///< called on the posting thread, before it is kept

private:
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    std::vector<Event> m_events;
};

/// The RunChanged of an event that ends a run; null for all others.
const RunChanged* endIn(const Event& event);

} // namespace lathe::test
