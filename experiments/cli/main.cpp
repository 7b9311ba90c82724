// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/commands.h"
#include "experiments/cli/terminal.h"
#include "experiments/remote/server.h"
#include "experiments/runner.h"
#include "experiments/store/jsonl_sink.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>

namespace lathe {

namespace {

constexpr int kBadUsage = 2;
constexpr int kEngineFailure = 3;

int statusOf(ErrorKind kind) {
    return kind == ErrorKind::Device || kind == ErrorKind::Internal ? kEngineFailure : kBadUsage;
}

std::vector<StudyInfo> studyInfos() {
    std::vector<StudyInfo> infos;
    for (const auto& study : studies().all()) {
        infos.push_back(study->info());
    }
    return infos;
}

int serveCommand(const std::vector<std::string>& rest) {
    int nice = 0;
    if (!rest.empty()) {
        const bool known = rest.size() == 2 && rest[0] == "--nice";
        const char* end = known ? rest[1].data() + rest[1].size() : nullptr;
        if (!known || std::from_chars(rest[1].data(), end, nice).ptr != end || nice < 0 ||
            nice > 19) {
            throw InputError("serve: takes --nice N alone, N from 0 to 19");
        }
    }
    return serve(nice);
}

/// Lists take `--json FILE|-` and nothing else.
void refuseMore(const std::string& command, const std::vector<std::string>& rest) {
    const bool separate = rest.size() == 2 && rest[0] == "--json";
    const bool attached = rest.size() == 1 && rest[0].starts_with("--json=");
    if (!rest.empty() && !separate && !attached) {
        throw InputError(command + ": takes --json FILE|- alone, not '" + rest[0] + "'");
    }
}

int dispatch(const std::vector<std::string>& arguments, const std::optional<JsonOutput>& json) {
    const std::string first = arguments.empty() ? "--help" : arguments.front();
    if (first == "--help" || first == "-h" || first == "help") {
        std::fputs(generalHelp(studyInfos()).c_str(), stdout);
        return arguments.empty() ? kBadUsage : 0;
    }
    const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    if (first == "--version") {
        std::fprintf(stdout, "lathe-run %s\n", buildId().c_str());
        return 0;
    }
    if (first == "serve") {
        return serveCommand(rest);
    }
    if (first == "runs") {
        return runsCommand(rest, *json);
    }
    if (first == "models" || first == "devices") {
        refuseMore(first, rest);
        return first == "models" ? modelsCommand(*json) : devicesCommand(*json);
    }
    const StudyInfo& info = studies().at(first).info();
    const std::optional<StudyCommand> command = parseStudyCommand(info, rest);
    if (!command) {
        std::fputs(studyHelp(info).c_str(), stdout);
        return 0;
    }
    return runStudy(*command, info, *json);
}

/// One readable line on standard error, and the same as JSON where that was asked for.
int report(const std::string& message, int status, const std::optional<JsonOutput>& json) {
    std::fprintf(stderr, "lathe-run: %s\n", oneLine(message).c_str());
    if (json && *json) {
        JsonlSink(json->fd(), {}).fail(message);
    }
    return status;
}

int guarded(const std::vector<std::string>& arguments) {
    std::optional<JsonOutput> json;
    try {
        json.emplace(jsonTarget(arguments));
        return dispatch(arguments, json);
    } catch (const Error& e) {
        return report(e.what(), statusOf(e.kind()), json);
    } catch (const std::exception& e) {
        return report(e.what(), kEngineFailure, json);
    }
}

} // namespace

} // namespace lathe

int main(int argc, char** argv) {
    // A closed pipe is told by the failing write, in the thread that writes.
    std::signal(SIGPIPE, SIG_IGN);
    const int status = lathe::guarded({argv + (argc > 0 ? 1 : 0), argv + argc});
    if (std::fflush(stdout) != 0 && errno != EPIPE) {
        std::fprintf(stderr, "lathe-run: standard output: %s\n", std::strerror(errno));
        return status == 0 ? lathe::kEngineFailure : status;
    }
    return status;
}
