// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_queue.h"

#include <algorithm>

namespace lathe {

namespace {

/// A word of the queue itself, about a run that the service never saw: number 0 before it starts,
/// 1 when it ends without having started.
Event stateEvent(std::int64_t runId, RunState state, std::string message) {
    return Event{runId, -1, isFinal(state) ? 1 : 0, {}, RunChanged{state, std::move(message)}};
}

} // namespace

void RunQueue::setService(RunService& service) {
    const std::lock_guard lock(m_mutex);
    m_service = &service;
}

std::int64_t RunQueue::submit(Spec spec, std::string_view title, bool front) {
    const std::int64_t id = m_writer.insertRun(spec, title);
    // Told like everything else, so that views show the waiting run.
    m_writer.post(stateEvent(id, RunState::Queued, {}));
    {
        const std::lock_guard lock(m_mutex);
        if (front) {
            m_waiting.emplace_front(id, std::move(spec));
        } else {
            m_waiting.emplace_back(id, std::move(spec));
        }
    }
    startNext();
    return id;
}

void RunQueue::cancel(std::int64_t runId) {
    bool waiting = false;
    bool sent = false;
    {
        const std::lock_guard lock(m_mutex);
        waiting =
            std::erase_if(m_waiting, [runId](const auto& run) { return run.first == runId; }) > 0;
        sent = m_active == runId && m_sent;
        m_cancelOnceSent = m_cancelOnceSent || (m_active == runId && !m_sent);
    }
    if (waiting) {
        m_writer.post(stateEvent(runId, RunState::Cancelled, "cancelled before it started"));
        m_changed.notify_all();
    } else if (sent) {
        m_service->cancel(runId);
    }
}

void RunQueue::cancelAll() {
    for (const std::int64_t id : waiting()) {
        cancel(id);
    }
    if (const auto id = active()) {
        cancel(*id);
    }
}

std::vector<std::int64_t> RunQueue::waiting() const {
    const std::lock_guard lock(m_mutex);
    std::vector<std::int64_t> ids;
    for (const auto& [id, spec] : m_waiting) {
        ids.push_back(id);
    }
    return ids;
}

std::optional<std::int64_t> RunQueue::active() const {
    const std::lock_guard lock(m_mutex);
    return m_active;
}

void RunQueue::waitIdle() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [this] { return m_waiting.empty() && !m_active; });
}

void RunQueue::post(Event event) noexcept {
    const auto* change = std::get_if<RunChanged>(&event.payload);
    const bool ended = change != nullptr && isFinal(change->state);
    const std::int64_t runId = event.runId;
    m_writer.post(std::move(event));
    if (!ended) {
        return;
    }
    {
        const std::lock_guard lock(m_mutex);
        if (m_active == runId) {
            m_active.reset();
        }
    }
    startNext();
    m_changed.notify_all();
}

void RunQueue::startNext() {
    for (;;) {
        std::pair<std::int64_t, Spec> next;
        {
            const std::lock_guard lock(m_mutex);
            if (m_active || m_waiting.empty() || m_service == nullptr) {
                return;
            }
            next = std::move(m_waiting.front());
            m_waiting.pop_front();
            m_active = next.first;
            m_sent = false;
            m_cancelOnceSent = false;
        }
        try {
            // Outside the lock: the service may answer at once, from this very call.
            m_service->start(next.first, next.second);
        } catch (const std::exception& e) {
            m_writer.post(stateEvent(next.first, RunState::Failed, e.what()));
            const std::lock_guard lock(m_mutex);
            m_active.reset();
            m_changed.notify_all();
            continue;
        }
        bool cancelNow = false;
        {
            const std::lock_guard lock(m_mutex);
            if (m_active == next.first) {
                m_sent = true;
                cancelNow = m_cancelOnceSent;
            }
        }
        if (cancelNow) {
            m_service->cancel(next.first);
        }
        return;
    }
}

} // namespace lathe
