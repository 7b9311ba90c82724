// SPDX-License-Identifier: Apache-2.0
#include "engine/core/run_control.h"

namespace lathe {

RunControl::RunControl(std::int64_t runId, EventSink& sink, std::stop_token stop)
    : m_runId(runId), m_sink(sink), m_stop(std::move(stop)),
      m_start(std::chrono::steady_clock::now()) {}

void RunControl::progress(double fraction, std::string_view phase) {
    emit(Progress{m_from + (m_to - m_from) * fraction, std::string(phase)});
}

void RunControl::metric(
    std::string_view name, double value, std::string_view unit, std::int64_t step) {
    emit(Metric{std::string(name), value, std::string(unit), step});
}

void RunControl::log(LogLevel level, std::string_view text) {
    emit(LogLine{level, std::string(text)});
}

void RunControl::emit(Payload payload) {
    const auto at = std::chrono::steady_clock::now() - m_start;
    m_sink.post(Event{m_runId, m_cell, ++m_seq, at, std::move(payload)});
}

void RunControl::beginCell(int cell, double fractionFrom, double fractionTo) {
    m_cell = cell;
    m_from = fractionFrom;
    m_to = fractionTo;
}

void RunControl::endCell() {
    m_cell = -1;
    m_from = 0.0;
    m_to = 1.0;
}

} // namespace lathe
