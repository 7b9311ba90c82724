// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/cancel_signals.h"
#include "experiments/cli/commands.h"
#include "experiments/cli/terminal.h"
#include "experiments/runner.h"
#include "experiments/store/jsonl_sink.h"
#include "experiments/store/run_queue.h"
#include "experiments/store/run_reader.h"
#include "experiments/study.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace lathe {

namespace {

constexpr int kCancelled = 130;

/// Stops a run whose output nobody reads any more (`lathe-run ... --json - | head`).
class StopWhenUnread : public EventSink {
public:
    explicit StopWhenUnread(const JsonlSink& output) : m_output(output) {}
    void watch(RunQueue& queue) { m_queue = &queue; }
    void post(Event event) noexcept override {
        RunQueue* queue = m_queue;
        if (queue != nullptr && m_output.error() == EPIPE && !m_stopped) {
            m_stopped = true;
            queue->cancel(event.runId);
        }
    }

private:
    const JsonlSink& m_output;
    std::atomic<RunQueue*> m_queue{nullptr};
    bool m_stopped = false;
};

std::filesystem::path storeOf(const StudyCommand& command) {
    return command.store.empty() ? defaultStorePath() : std::filesystem::path(command.store);
}

std::int64_t runNumber(const std::string& text) {
    std::int64_t id = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, id);
    if (error != std::errc{} || stop != end || id <= 0) {
        throw InputError("--resume must be `last` or the number of a run, not '" + text + "'");
    }
    return id;
}

Spec specOfRun(RunReader& reader, std::int64_t id, const std::string& study) {
    const std::optional<RunRow> run = reader.run(id);
    if (!run) {
        throw InputError("--resume: the store has no run " + std::to_string(id));
    }
    if (run->study != study) {
        throw InputError(
            "--resume: run " + std::to_string(id) + " is of " + run->study + ", not of " + study);
    }
    return run->spec;
}

/// Adds the keys of the cells that an earlier run of the equal Spec finished. A check that failed
/// is made again: skipped, it would count as passed.
void addFinished(Spec& spec, RunReader& reader, std::int64_t earlier) {
    const Study& study = studies().at(spec.study);
    spec.done.clear();
    for (const CellRow& cell : reader.finishedCells(earlier)) {
        if (!study.failed(cell.metrics)) {
            spec.done.push_back(cell.key);
        }
    }
}

Spec completeSpec(const StudyCommand& command, const StudyInfo& info) {
    if (command.resume.empty()) {
        requireValid(command.spec, info);
        return withDefaults(command.spec, info);
    }
    const bool byNumber = command.resume != "last";
    const std::int64_t id = byNumber ? runNumber(command.resume) : 0;
    RunReader reader(storeOf(command));
    std::optional<Spec> asked;
    if (byNumber) {
        asked = specOfRun(reader, id, info.id);
        if (!command.specGiven) {
            addFinished(*asked, reader, id);
            return std::move(*asked);
        }
    }
    requireValid(command.spec, info);
    Spec spec = withDefaults(command.spec, info);
    const std::optional<std::int64_t> latest = reader.latestEqual(spec);
    if (asked && reader.latestEqual(*asked) != latest) {
        throw InputError(
            "--resume: run " + std::to_string(id) +
            " had other parameters: " + commandLine(*asked, info));
    }
    if (!latest) {
        throw InputError("--resume: the store has no earlier run of this very command");
    }
    addFinished(spec, reader, *latest);
    return spec;
}

/// How to go on after Ctrl-C.
void sayHowToResume(const StudyCommand& command, const Spec& spec, std::int64_t id) {
    if (command.quiet || spec.sweep.empty()) {
        return;
    }
    const std::string store = command.store.empty() ? "" : " --store " + command.store;
    std::fprintf(
        stderr, "lathe-run: finished cells are kept; go on with: lathe-run %s --resume %lld%s\n",
        spec.study.c_str(), static_cast<long long>(id), store.c_str());
}

} // namespace

int runStudy(const StudyCommand& command, const StudyInfo& info, const JsonOutput& json) {
    CancelSignals signals;
    const Spec spec = completeSpec(command, info);
    Terminal terminal(info, command.quiet);
    JsonlSink lines(json.fd(), info.id);
    StopWhenUnread unread(lines);
    std::vector<EventSink*> sinks{&terminal};
    if (json) {
        sinks.insert(sinks.end(), {&lines, &unread});
    }
    RunWriter writer(storeOf(command), sinks);
    RunQueue queue(writer);
    unread.watch(queue);
    Runner runner(queue);
    queue.setService(runner);
    const std::int64_t id = queue.submit(spec, command.title);
    signals.listen([&queue] { queue.cancelAll(); });
    queue.waitIdle();
    runner.waitIdle();
    writer.flush();
    const std::string results = terminal.results();
    if (!command.quiet && !json.ownsStandardOutput()) {
        std::fputs(results.c_str(), stdout);
    }
    if (runner.exitStatus() == kCancelled) {
        sayHowToResume(command, spec, id);
    }
    if (const int error = lines.error(); error != 0 && error != EPIPE) {
        throw InternalError(
            std::string("--json: the results could not be written: ") + std::strerror(error) +
            "; they are in the store as run " + std::to_string(id));
    }
    if (const std::string problem = writer.problem(); !problem.empty()) {
        throw InternalError("the run could not be stored whole: " + problem);
    }
    return runner.exitStatus();
}

} // namespace lathe
