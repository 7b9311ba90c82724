// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/store/sample_runs.h"

#include <cmath>

namespace lathe::test {

Spec sampleSpec(const std::string& study, Json params, Json sweep) {
    Spec spec;
    spec.study = study;
    spec.params = std::move(params);
    spec.sweep = std::move(sweep);
    return spec;
}

std::vector<Payload> samplePayloads() {
    const auto byte = [](int value) { return static_cast<std::byte>(value); };
    return {
        RunChanged{RunState::Running, {}, Json{{"build", "1"}, {"device", "cpu"}, {"cells", 3}}},
        CellChanged{CellState::Running, "key", Json{{"bits", 3}, {"text", nullptr}}},
        Metric{"loss", 1.25, "nat", 7},
        Metric{"loss", std::nan(""), "nat", 8},
        Metric{"gauge", -INFINITY, "", -1},
        TokenDecoded{4, 81, " näher", "lm-big", "greedy", 0.5, 120.5},
        TokenDecoded{5, 2, "", "lm-big", "sampled", 0.25, 99.0},
        ArtifactReady{"plot.svg", "image/svg+xml", {byte('<'), byte(0), byte(255)}},
        ArtifactReady{"empty", "text/plain", {}},
        ArrayReady{"curve", "F32", {2, 1}, std::vector<std::byte>(8, byte(63))},
        LogLine{LogLevel::Warning, "the text is short"},
        CellChanged{
            CellState::Done, "key", Json{{"bits", 3}, {"text", nullptr}},
            Json{{"perplexity", 44.5}, {"kl_mean", nullptr}, {"sample", "once"}}},
        CellChanged{CellState::Failed, "key 2", Json{{"bits", 4}}, Json::object(), "too large"},
        RunChanged{RunState::Done, {}, Json{{"cells_done", 1}}}};
}

int cellOf(const Payload& payload) {
    const auto* cell = std::get_if<CellChanged>(&payload);
    if (std::holds_alternative<RunChanged>(payload)) {
        return -1;
    }
    return cell != nullptr && cell->state == CellState::Failed ? 1 : 0;
}

CellChanged doneCell(const std::string& key, Json params, Json metrics) {
    return {CellState::Done, key, std::move(params), std::move(metrics)};
}

std::int64_t
addRun(RunWriter& writer, const Spec& spec, const std::vector<CellChanged>& cells, RunState state) {
    const std::int64_t id = writer.insertRun(spec);
    std::int64_t seq = 0;
    const auto post = [&](int cell, Payload payload) {
        writer.post(Event{id, cell, ++seq, std::chrono::nanoseconds(seq), std::move(payload)});
    };
    post(-1, RunChanged{RunState::Running, {}, Json{{"device", "cpu"}, {"cells", cells.size()}}});
    for (std::size_t i = 0; i < cells.size(); ++i) {
        post(static_cast<int>(i), cells[i]);
    }
    if (state != RunState::Running) {
        post(-1, RunChanged{state, {}, Json{{"cells_done", cells.size()}}});
    }
    writer.flush();
    return id;
}

} // namespace lathe::test
