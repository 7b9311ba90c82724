// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/run_service.h"
#include "experiments/store/run_writer.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>

namespace lathe {

/// The submitter's side of runs, the same in both programs: inserts the run row first, keeps the
/// queue, sends one Spec at a time to the RunService, and passes its events to the writer. Itself
/// the sink of the service: `Service -> RunQueue -> RunWriter -> {screen, terminal}`.
class RunQueue : public EventSink {
public:
    explicit RunQueue(RunWriter& writer) : m_writer(writer) {}
    RunQueue(const RunQueue&) = delete;
    RunQueue& operator=(const RunQueue&) = delete;
    /// The service may need this queue as its sink, so it is named afterwards, before any submit.
    void setService(RunService& service);

    /// Inserts and queues. With `front`, runs before everything that is waiting.
    /// @return the run's id. Any thread.
    std::int64_t submit(Spec spec, std::string_view title = {}, bool front = false);
    /// Waiting: leaves the queue, stored as cancelled. Active: the service is asked to stop it.
    void cancel(std::int64_t runId);
    void cancelAll();
    std::vector<std::int64_t> waiting() const;
    std::optional<std::int64_t> active() const;
    /// Waits until nothing is active or waiting.
    void waitIdle();
    /// From the service, any thread: forwards; a final RunChanged starts the next run.
    void post(Event event) noexcept override;

private:
    void startNext();

    RunWriter& m_writer;
    RunService* m_service = nullptr;
    mutable std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<std::pair<std::int64_t, Spec>> m_waiting;
    std::optional<std::int64_t> m_active;
    bool m_sent = false;           ///< the service has heard of the active run
    bool m_cancelOnceSent = false; ///< it was cancelled before that
};

} // namespace lathe
