// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/commands.h"
#include "experiments/cli/text_table.h"
#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <fmt/chrono.h>
#include <set>

namespace lathe {

namespace {

constexpr std::size_t kTitleWidth = 40;
constexpr std::size_t kMetricWidth = 60;

/// `lathe-run runs ...` as typed.
struct RunsArguments {
    std::string store;
    std::string json; ///< opened by the caller already
    std::int64_t id = 0;
    std::vector<std::string> words;
    std::string format = "json";
    int limit = 50;
};

std::string localTime(std::int64_t milliseconds) {
    if (milliseconds == 0) {
        return "-";
    }
    const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(seconds));
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : between) + word;
    }
    return text;
}

std::filesystem::path storePath(const RunsArguments& arguments) {
    return arguments.store.empty() ? defaultStorePath() : std::filesystem::path(arguments.store);
}

/// The user's own store may not be there yet: then there are simply no runs.
bool nothingStoredYet(const RunsArguments& arguments) {
    return arguments.store.empty() && !std::filesystem::exists(defaultStorePath());
}

/// Runs whose program is gone are shown as interrupted, not as running.
void markInterrupted(const std::filesystem::path& path) {
    RunReader reader(path);
    if (reader.countRuns({"state:running"}) + reader.countRuns({"state:queued"}) == 0) {
        return;
    }
    try {
        const RunWriter writer(path, {});
    } catch (const Error& e) {
        std::fprintf(stderr, "lathe-run: states may be out of date: %s\n", e.what());
    }
}

Json rowToJson(const RunRow& run) {
    return {
        {"run", run.id},
        {"uuid", run.uuid},
        {"study", run.study},
        {"title", run.title},
        {"state", nameOf(run.state)},
        {"created_ms", run.createdMs},
        {"device", run.device},
        {"cells_done", run.cellsDone},
        {"cells_total", run.cellsTotal},
        {"tags", run.tags},
        {"notes", run.notes},
        {"message", run.message},
        {"spec", toJson(run.spec)}};
}

int list(const RunsArguments& arguments, const JsonOutput& json) {
    TextTable table({"Run", "Created", "Study", "State", "Cells", "Device", "Title", "Tags"});
    if (nothingStoredYet(arguments)) {
        std::fputs("lathe-run: no run is stored yet\n", stderr);
        return 0;
    }
    markInterrupted(storePath(arguments));
    RunReader reader(storePath(arguments));
    const RunQuery query{joined(arguments.words, " "), 0, arguments.limit};
    for (const RunRow& run : reader.runs(query)) {
        if (json) {
            json.writeLine(rowToJson(run));
        }
        table.add(
            {std::to_string(run.id), localTime(run.createdMs), run.study,
             std::string(nameOf(run.state)), fmt::format("{}/{}", run.cellsDone, run.cellsTotal),
             run.device, shortened(run.title, kTitleWidth), run.tags});
    }
    if (!json.ownsStandardOutput()) {
        std::fputs(table.text().c_str(), stdout);
        if (const auto all = reader.countRuns(query); all > arguments.limit) {
            std::fprintf(
                stdout, "%d of %lld runs; --limit shows more\n", arguments.limit,
                static_cast<long long>(all));
        }
    }
    return 0;
}

RunRow requireRun(RunReader& reader, std::int64_t id) {
    std::optional<RunRow> run = reader.run(id);
    if (!run) {
        throw InputError("the store has no run " + std::to_string(id));
    }
    return std::move(*run);
}

void printCells(const std::vector<CellRow>& cells) {
    for (const CellRow& cell : cells) {
        std::string text = fmt::format("cell {} ({})", cell.index, nameOf(cell.state));
        text += cell.message.empty() ? "\n" : ": " + cell.message + "\n";
        for (const auto& [name, value] : cell.params.items()) {
            text += fmt::format("  {} = {}\n", name, shortened(readable(value), kMetricWidth));
        }
        for (const auto& [name, value] : cell.metrics.items()) {
            text += fmt::format("    {}: {}\n", name, shortened(readable(value), kMetricWidth));
        }
        std::fputs(text.c_str(), stdout);
    }
}

int show(const RunsArguments& arguments, const JsonOutput& json) {
    markInterrupted(storePath(arguments));
    RunReader reader(storePath(arguments));
    const RunRow run = requireRun(reader, arguments.id);
    if (json) {
        Json document = exportRun(reader, run.id);
        document.erase("events");
        json.writeLine(document);
    }
    if (json.ownsStandardOutput()) {
        return 0;
    }
    TextTable head({"Run", std::to_string(run.id)});
    head.add({"Study", run.study});
    head.add({"Title", run.title});
    head.add({"State", std::string(nameOf(run.state))});
    head.add({"Message", run.message});
    head.add({"Created", localTime(run.createdMs)});
    head.add({"Started", localTime(run.startedMs)});
    head.add({"Finished", localTime(run.finishedMs)});
    head.add({"Device", run.device});
    head.add({"Build", run.environment.value("build", "")});
    head.add({"Cells", fmt::format("{} of {}", run.cellsDone, run.cellsTotal)});
    head.add({"Tags", run.tags});
    head.add({"Notes", run.notes});
    head.add({"Id", run.uuid});
    head.add({"Spec", dumpJson(toJson(run.spec))});
    std::fputs(head.text().c_str(), stdout);
    printCells(reader.cells(run.id));
    return 0;
}

std::string cellsAsCsv(const std::vector<CellRow>& cells) {
    std::set<std::string> params;
    std::set<std::string> metrics;
    for (const CellRow& cell : cells) {
        for (const auto& [name, value] : cell.params.items()) {
            params.insert(name);
        }
        for (const auto& [name, value] : cell.metrics.items()) {
            metrics.insert(name);
        }
    }
    std::vector<std::string> header{"cell", "state"};
    header.insert(header.end(), params.begin(), params.end());
    header.insert(header.end(), metrics.begin(), metrics.end());
    std::string text = csvLine(header);
    for (const CellRow& cell : cells) {
        std::vector<std::string> row{std::to_string(cell.index), std::string(nameOf(cell.state))};
        for (const std::string& name : params) {
            row.push_back(valueText(cell.params.value(name, Json())));
        }
        for (const std::string& name : metrics) {
            row.push_back(valueText(cell.metrics.value(name, Json())));
        }
        text += csvLine(row);
    }
    return text;
}

int exportCommand(const RunsArguments& arguments, const JsonOutput& json) {
    markInterrupted(storePath(arguments));
    RunReader reader(storePath(arguments));
    const RunRow run = requireRun(reader, arguments.id);
    if (json) {
        json.writeLine(exportRun(reader, run.id));
        return 0;
    }
    const std::string text = arguments.format == "csv"
                                 ? cellsAsCsv(reader.cells(run.id))
                                 : dumpJsonPretty(exportRun(reader, run.id)) + "\n";
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

int edit(const RunsArguments& arguments, bool tags) {
    requireRun(*std::make_unique<RunReader>(storePath(arguments)), arguments.id);
    RunWriter writer(storePath(arguments), {});
    const std::string text = joined(arguments.words, " ");
    if (tags) {
        writer.setTags(arguments.id, text);
    } else {
        writer.setNotes(arguments.id, text);
    }
    writer.flush();
    if (const std::string problem = writer.problem(); !problem.empty()) {
        throw InternalError(problem);
    }
    return 0;
}

CLI::App* addCommand(
    CLI::App& app, RunsArguments& arguments, const std::string& name, const std::string& help) {
    CLI::App* command = app.add_subcommand(name, help);
    command->add_option("--store", arguments.store, "Run store (default: the user's)");
    if (name == "list" || name == "show" || name == "export") {
        command->add_option("--json", arguments.json, "Write JSON lines to FILE, or - alone");
    }
    if (name != "list") {
        command->add_option("id", arguments.id, "Number of the run")->required();
    }
    return command;
}

} // namespace

int runsCommand(const std::vector<std::string>& words, const JsonOutput& json) {
    RunsArguments arguments;
    CLI::App app("Stored runs", "lathe-run runs");
    app.require_subcommand(1);
    CLI::App* listing = addCommand(app, arguments, "list", "The latest runs, newest first");
    listing->add_option("--limit", arguments.limit, "How many")->check(CLI::Range(1, 1000000));
    listing->add_option(
        "filter", arguments.words,
        "Free text and terms: study:quant state:done tag:paper bits<=4 metric.perplexity<60");
    CLI::App* showing = addCommand(app, arguments, "show", "One run with its cells");
    CLI::App* exporting = addCommand(app, arguments, "export", "A whole run on standard output");
    exporting->add_option("--format", arguments.format, "json (indented) or csv (cells only)")
        ->check(CLI::IsMember({"json", "csv"}));
    CLI::App* tagging = addCommand(app, arguments, "tag", "Replace the tags of a run");
    tagging->add_option("tags", arguments.words, "Words; none takes all tags away");
    CLI::App* noting = addCommand(app, arguments, "note", "Replace the note of a run");
    noting->add_option("text", arguments.words, "Text; none takes the note away");
    try {
        app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const CLI::CallForHelp&) {
        const auto chosen = app.get_subcommands();
        std::fputs((chosen.empty() ? &app : chosen.front())->help().c_str(), stdout);
        return 0;
    } catch (const CLI::ParseError& e) {
        throw InputError(std::string("runs: ") + e.what() + " (see lathe-run runs --help)");
    }
    if (listing->parsed()) {
        return list(arguments, json);
    }
    if (showing->parsed()) {
        return show(arguments, json);
    }
    return exporting->parsed() ? exportCommand(arguments, json)
                               : edit(arguments, tagging->parsed());
}

} // namespace lathe
