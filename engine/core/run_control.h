// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"
#include "engine/core/event_sink.h"

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string_view>

namespace lathe {

/// What a long-running piece of work speaks through: it reports, and it learns that it shall stop.
/// Used from the run's worker thread; `checkpoint` and `stopToken` from any thread.
class RunControl {
public:
    RunControl(std::int64_t runId, EventSink& sink, std::stop_token stop);

    std::stop_token stopToken() const { return m_stop; }
    /// @throws Cancelled when a stop was asked for. Call between kernels, tokens and rows.
    void checkpoint() const {
        if (m_stop.stop_requested()) {
            throw Cancelled{};
        }
    }

    /// Progress within the current part (see `Part`), 0..1.
    void progress(double fraction, std::string_view phase);
    void metric(std::string_view name, double value, std::string_view unit, std::int64_t step = -1);
    void log(LogLevel level, std::string_view text);
    void emit(Payload payload);

    /// The runner sets which cell speaks and which share of the whole run it is.
    void beginCell(int cell, double fractionFrom, double fractionTo);
    void endCell();
    std::int64_t runId() const noexcept { return m_runId; }

private:
    std::int64_t m_runId;
    EventSink& m_sink;
    std::stop_token m_stop;
    int m_cell = -1;
    double m_from = 0.0;
    double m_to = 1.0;
    std::atomic<std::int64_t> m_seq{0};
    std::chrono::steady_clock::time_point m_start;
};

} // namespace lathe
