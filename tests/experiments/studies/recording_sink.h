// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "engine/core/spec.h"
#include "experiments/study.h"

#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace lathe::test {

/// Keeps every event; `onEvent`, when set, sees each one on the thread that posts it.
class RecordingSink : public EventSink {
public:
    void post(Event event) noexcept override;

    std::vector<Event> events() const;
    /// Payloads of one type, in order.
    template <class T>
    std::vector<T> all() const {
        std::vector<T> found;
        for (const Event& event : events()) {
            if (const T* payload = std::get_if<T>(&event.payload)) {
                found.push_back(*payload);
            }
        }
        return found;
    }
    /// Cells in a state, in order.
    std::vector<CellChanged> cells(CellState state) const;

    std::function<void(const Event&)> onEvent;

private:
    mutable std::mutex m_mutex;
    std::vector<Event> m_events;
};

/// A finished run.
struct FinishedRun {
    RunChanged last;
    int exitStatus = -1;
    std::vector<CellChanged> done; ///< finished cells
    std::vector<Event> events;
};

/// Runs a Spec to its end in this process.
FinishedRun runToEnd(const Spec& spec, const Registry<Study>& list = studies());

/// Metrics of the only cell of a Spec. @throws std::runtime_error with the run's message otherwise.
Json metricsOf(const Spec& spec);

/// A Spec of a study with params; device cpu, so that numbers do not hang on the machine's GPU.
Spec specOf(const std::string& study, Json params, Json sweep = Json::object());

} // namespace lathe::test
