// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/studies/recording_sink.h"

#include "experiments/runner.h"

#include <stdexcept>

namespace lathe::test {

void RecordingSink::post(Event event) noexcept {
    if (onEvent) {
        onEvent(event);
    }
    const std::lock_guard lock(m_mutex);
    m_events.push_back(std::move(event));
}

std::vector<Event> RecordingSink::events() const {
    const std::lock_guard lock(m_mutex);
    return m_events;
}

std::vector<CellChanged> RecordingSink::cells(CellState state) const {
    std::vector<CellChanged> found;
    for (const CellChanged& cell : all<CellChanged>()) {
        if (cell.state == state) {
            found.push_back(cell);
        }
    }
    return found;
}

FinishedRun runToEnd(const Spec& spec, const Registry<Study>& list) {
    RecordingSink sink;
    Runner runner(sink, list);
    runner.start(1, spec);
    runner.waitIdle();
    return {
        sink.all<RunChanged>().back(), runner.exitStatus(), sink.cells(CellState::Done),
        sink.events()};
}

Json metricsOf(const Spec& spec) {
    const FinishedRun run = runToEnd(spec);
    if (run.last.state != RunState::Done || run.done.size() != 1) {
        throw std::runtime_error(spec.study + ": " + run.last.message);
    }
    return run.done.front().metrics;
}

Spec specOf(const std::string& study, Json params, Json sweep) {
    Spec spec;
    spec.study = study;
    spec.device = "cpu";
    spec.params = std::move(params);
    spec.sweep = std::move(sweep);
    return spec;
}

} // namespace lathe::test
