// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "engine/core/study_info.h"

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace lathe {

/// Text for one line of a terminal: control characters, which file names may hold, as spaces.
std::string oneLine(std::string text);

/// Shows a run to a person: progress and faults on standard error (progress only where that is a
/// terminal), the results as one table at the end.
class Terminal : public EventSink {
public:
    Terminal(StudyInfo info, bool quiet);

    void post(Event event) noexcept override;
    /// Takes the progress line away and gives what is to be printed on standard output: a table for
    /// several cells, one line per metric for a single one.
    std::string results();

private:
    void showProgress(const Progress& progress);
    void clearLine();
    void say(const std::string& text);
    std::string oneCell(const CellChanged& cell) const;
    std::string table() const;
    std::vector<std::string> tellingParams() const;

    StudyInfo m_info;
    bool m_quiet;
    bool m_terminal;
    bool m_lineShown = false;
    std::chrono::steady_clock::time_point m_lastProgress{};
    std::set<std::string> m_said;
    mutable std::mutex m_mutex;
    std::map<int, CellChanged> m_cells; ///< finished ones, by index
};

} // namespace lathe
