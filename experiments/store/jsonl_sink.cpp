// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/jsonl_sink.h"

#include <cerrno>
#include <unistd.h>

namespace lathe {

void JsonlSink::post(Event event) noexcept {
    if (const auto* cell = std::get_if<CellChanged>(&event.payload)) {
        const Json where{{"study", m_study}, {"run", event.runId}, {"params", cell->params}};
        if (cell->state == CellState::Done) {
            Json line = where;
            line["metrics"] = cell->metrics;
            write(line);
        } else if (cell->state == CellState::Failed) {
            fail(cell->message, where);
        }
    } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
        const bool said = !run->message.empty() && run->message == m_lastError;
        if (isFinal(run->state) && run->state != RunState::Done && !said) {
            const std::string name(nameOf(run->state));
            fail(
                run->message.empty() ? "the run was " + name : run->message,
                {{"study", m_study}, {"run", event.runId}, {"state", name}});
        }
    }
}

void JsonlSink::fail(const std::string& message, const Json& where) noexcept {
    m_lastError = message;
    Json line = where;
    line["error"] = message;
    write(line);
}

void JsonlSink::write(const Json& line) noexcept {
    const std::string text = dumpJson(line) + "\n";
    std::size_t written = 0;
    while (written < text.size() && m_error == 0) {
        const ssize_t count = ::write(m_fd, text.data() + written, text.size() - written);
        if (count < 0 && errno != EINTR) {
            m_error = errno;
        } else if (count > 0) {
            written += static_cast<std::size_t>(count);
        }
    }
}

} // namespace lathe
