// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/store/event_log.h"

#include <algorithm>
#include <chrono>

namespace lathe::test {

namespace {

/// Far beyond what any of these tests needs on a busy machine.
constexpr std::chrono::seconds kPatience{60};

} // namespace

void EventLog::post(Event event) noexcept {
    if (onEvent) {
        onEvent(event);
    }
    {
        const std::lock_guard lock(m_mutex);
        m_events.push_back(std::move(event));
    }
    m_changed.notify_all();
}

std::vector<Event> EventLog::events() const {
    const std::lock_guard lock(m_mutex);
    return m_events;
}

bool EventLog::waitFor(const std::function<bool(const Event&)>& passes) {
    std::unique_lock lock(m_mutex);
    return m_changed.wait_for(
        lock, kPatience, [&] { return std::ranges::any_of(m_events, passes); });
}

RunChanged EventLog::waitForEnd(std::int64_t runId) {
    RunChanged end;
    waitFor([&](const Event& event) {
        const RunChanged* change = event.runId == runId ? endIn(event) : nullptr;
        end = change != nullptr ? *change : end;
        return change != nullptr;
    });
    return end;
}

const RunChanged* endIn(const Event& event) {
    const auto* change = std::get_if<RunChanged>(&event.payload);
    return change != nullptr && isFinal(change->state) ? change : nullptr;
}

} // namespace lathe::test
