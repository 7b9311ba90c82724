// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/terminal.h"

#include "experiments/cli/text_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace lathe {

namespace {

constexpr std::chrono::milliseconds kProgressPeriod{100};
constexpr std::size_t kPhaseWidth = 60;
constexpr std::size_t kValueWidth = 40; // longer ones stand below the table
constexpr std::size_t kListWidth = 30;

bool isBound(const std::string& name) { return name.ends_with("_low") || name.ends_with("_high"); }

/// A list of objects ("outputs" of model.check) as a table of its own.
std::string nestedTable(const Json& list) {
    std::vector<std::string> columns;
    for (const auto& [key, value] : list.front().items()) {
        columns.insert(key == "name" ? columns.begin() : columns.end(), key);
    }
    TextTable table(columns);
    for (const Json& entry : list) {
        std::vector<std::string> row;
        for (const std::string& column : columns) {
            row.push_back(readable(entry.value(column, Json())));
        }
        table.add(std::move(row));
    }
    return table.text();
}

bool isTable(const Json& value) {
    return value.is_array() && !value.empty() && value.front().is_object();
}

} // namespace

Terminal::Terminal(StudyInfo info, bool quiet)
    : m_info(std::move(info)), m_quiet(quiet), m_terminal(isatty(STDERR_FILENO) == 1) {}

std::string oneLine(std::string text) {
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return text;
}

void Terminal::post(Event event) noexcept {
    const std::lock_guard lock(m_mutex);
    if (const auto* progress = std::get_if<Progress>(&event.payload)) {
        showProgress(*progress);
    } else if (auto* cell = std::get_if<CellChanged>(&event.payload)) {
        if (cell->state == CellState::Failed) {
            say(cell->message);
        } else if (cell->state == CellState::Done) {
            m_cells[event.cell] = std::move(*cell);
        }
    } else if (const auto* line = std::get_if<LogLine>(&event.payload)) {
        if (line->level == LogLevel::Warning && !m_quiet) {
            say("warning: " + line->text);
        }
    } else if (const auto* run = std::get_if<RunChanged>(&event.payload)) {
        if (isFinal(run->state) && run->state != RunState::Done) {
            say(run->message.empty() ? std::string(nameOf(run->state)) : run->message);
        }
    }
}

void Terminal::showProgress(const Progress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (m_quiet || !m_terminal || now - m_lastProgress < kProgressPeriod) {
        return;
    }
    m_lastProgress = now;
    const std::string share = std::isfinite(progress.fraction)
                                  ? fmt::format("{:3.0f} %", 100.0 * progress.fraction)
                                  : std::string("  ...");
    const std::string line = "\r\033[K" + share + "  " + shortened(progress.phase, kPhaseWidth);
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    m_lineShown = true;
}

void Terminal::clearLine() {
    if (m_lineShown) {
        std::fputs("\r\033[K", stderr);
        m_lineShown = false;
    }
}

void Terminal::say(const std::string& text) {
    if (m_said.insert(text).second) { // a failed cell and its run say the same
        clearLine();
        std::fprintf(stderr, "lathe-run: %s\n", oneLine(text).c_str());
    }
}

std::string Terminal::results() {
    const std::lock_guard lock(m_mutex);
    clearLine();
    if (m_cells.empty()) {
        return {};
    }
    return m_cells.size() == 1 ? oneCell(m_cells.begin()->second) : table();
}

std::string Terminal::oneCell(const CellChanged& cell) const {
    TextTable lines({"Metric", "Value", "Unit"});
    std::string rest;
    for (const MetricInfo& metric : m_info.metrics) {
        const auto value = cell.metrics.find(metric.name);
        if (value == cell.metrics.end()) {
            continue;
        }
        const std::string shown = readable(*value);
        if (isTable(*value)) {
            rest += "\n" + metric.title + ":\n" + nestedTable(*value);
        } else if (value->is_array() && shown.size() > kValueWidth) {
            // Of long lists ("kl_windows") the beginning; all of it is in the store and in --json,
            // as with long objects.
            lines.add(
                {metric.title, fmt::format("{} ({})", shortened(shown, kListWidth), value->size()),
                 metric.unit});
        } else if (value->is_object() && shown.size() > kValueWidth) {
            lines.add({metric.title, fmt::format("{} entries", value->size()), metric.unit});
        } else if (
            shown.size() > kValueWidth ||
            (value->is_string() && shown.find_first_of(" \n") != std::string::npos)) {
            rest += "\n" + metric.title + ":\n" + shown + "\n";
        } else {
            lines.add({metric.title, shown, metric.unit});
        }
    }
    return lines.text() + rest;
}

/// Parameters whose values differ from cell to cell. Advanced ones come behind the others, and only
/// where these do not tell the same already: what a method does not use goes with the method.
std::vector<std::string> Terminal::tellingParams() const {
    std::vector<std::string> names;
    const auto addTelling = [&](const ParamSpec& param) {
        std::map<Json, Json> seen; // values of the columns so far, and the one that goes with them
        for (const auto& [index, cell] : m_cells) {
            Json before = Json::array();
            for (std::size_t i = 0; param.advanced && i < names.size(); ++i) {
                before.push_back(cell.params.value(names[i], Json()));
            }
            const Json value = cell.params.value(param.name, Json());
            if (seen.try_emplace(before, value).first->second != value) {
                names.push_back(param.name);
                return;
            }
        }
    };
    for (const bool advanced : {false, true}) {
        for (const ParamSpec& param : m_info.params) {
            if (param.advanced == advanced) {
                addTelling(param);
            }
        }
    }
    return names;
}

std::string Terminal::table() const {
    const std::vector<std::string> params = tellingParams();
    std::vector<std::string> metrics;
    for (const MetricInfo& metric : m_info.metrics) {
        for (const auto& [index, cell] : m_cells) {
            const auto value = cell.metrics.find(metric.name);
            if (value != cell.metrics.end() && value->is_number() && !isBound(metric.name)) {
                metrics.push_back(metric.name);
                break;
            }
        }
    }
    std::vector<std::string> columns = params;
    columns.insert(columns.end(), metrics.begin(), metrics.end());
    TextTable table(columns);
    for (const auto& [index, cell] : m_cells) {
        std::vector<std::string> row;
        for (const std::string& name : params) {
            row.push_back(readable(cell.params.value(name, Json())));
        }
        for (const std::string& name : metrics) {
            row.push_back(readable(cell.metrics.value(name, Json())));
        }
        table.add(std::move(row));
    }
    return table.text();
}

} // namespace lathe
