// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_writer.h"
#include "tests/experiments/store/sample_runs.h"

#include <cstdio>
#include <string_view>
#include <unistd.h>

/// A program that writes a store, for tests that need a second process:
///   store_writer endless FILE   one run that never ends; prints the number of each event that was
///                               handed on, one per line; first line "run ID"
///   store_writer sample FILE    the store that is kept as tests/data/stores/v1.db
namespace lathe::test {

namespace {

class Announcer : public EventSink {
public:
    void post(Event event) noexcept override {
        const std::string line = std::to_string(event.seq) + "\n";
        [[maybe_unused]] const ssize_t count = ::write(STDOUT_FILENO, line.data(), line.size());
    }
};

Payload endlessPayload(std::int64_t seq) {
    switch (seq % 4) {
    case 0:
        return doneCell("cell " + std::to_string(seq), Json{{"bits", seq}}, Json{{"loss", 1.5}});
    case 1:
        return Metric{"loss", static_cast<double>(seq), "nat", seq};
    case 2:
        return ArtifactReady{"bytes", "application/octet-stream", std::vector<std::byte>(3000)};
    default:
        return TokenDecoded{static_cast<int>(seq), 5, "word", "m", "greedy", 0.5, 10.0};
    }
}

/// Ends when it is killed. The pipe that nobody empties slows it down.
[[noreturn]] void writeEndlessly(const char* file) {
    Announcer announcer;
    RunWriter writer(file, {&announcer});
    const std::int64_t id = writer.insertRun(sampleSpec("quant.sweep", {{"model", "lm-big"}}));
    const std::string line = "run " + std::to_string(id) + "\n";
    [[maybe_unused]] const ssize_t count = ::write(STDOUT_FILENO, line.data(), line.size());
    writer.post(Event{id, -1, 1, {}, RunChanged{RunState::Running, {}, Json{{"cells", 9}}}});
    writer.post(Event{id, 0, 2, {}, CellChanged{CellState::Running, "key", Json{{"bits", 2}}}});
    for (std::int64_t seq = 3;; ++seq) {
        writer.post(Event{id, static_cast<int>(seq % 100), seq, {}, endlessPayload(seq)});
    }
}

void writeSample(const char* file) {
    RunWriter writer(file, {});
    const std::int64_t first = writer.insertRun(
        sampleSpec("quant.sweep", {{"model", "lm-big"}}, {{"bits", {3, 4}}}), "sample");
    std::int64_t seq = 0;
    for (const Payload& payload : samplePayloads()) {
        writer.post(Event{first, cellOf(payload), ++seq, std::chrono::nanoseconds(seq), payload});
    }
    writer.setTags(first, "paper kept");
    writer.setNotes(first, "a note");
    addRun(
        writer, sampleSpec("lm.perplexity", {{"model", "lm-little"}}),
        {doneCell("other key", {{"model", "lm-little"}}, {{"perplexity", 58.5}})},
        RunState::Cancelled);
}

} // namespace

} // namespace lathe::test

int main(int argc, char** argv) {
    const std::string_view command = argc == 3 ? argv[1] : "";
    if (command == "endless") {
        lathe::test::writeEndlessly(argv[2]);
    }
    if (command == "sample") {
        lathe::test::writeSample(argv[2]);
        return 0;
    }
    std::fputs("store_writer endless|sample FILE\n", stderr);
    return 2;
}
