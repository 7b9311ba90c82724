// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_reader.h"

#include <limits>

namespace lathe {

namespace {

constexpr int kPage = 1000;

Json eventsToJson(RunReader& reader, std::int64_t runId) {
    Json all = Json::array();
    std::int64_t after = std::numeric_limits<std::int64_t>::min();
    for (;;) {
        const std::vector<Event> page = reader.events(runId, after, kPage);
        for (const Event& event : page) {
            all.push_back(
                {{"seq", event.seq},
                 {"cell", event.cell},
                 {"at_ns", event.at.count()},
                 {"kind", kindOf(event.payload)},
                 {"payload", payloadToJson(event.payload)}});
        }
        if (page.empty()) {
            return all;
        }
        after = page.back().seq;
    }
}

Json cellsToJson(RunReader& reader, std::int64_t runId) {
    Json all = Json::array();
    for (const CellRow& cell : reader.cells(runId)) {
        all.push_back(
            {{"index", cell.index},
             {"key", cell.key},
             {"state", nameOf(cell.state)},
             {"message", cell.message},
             {"params", cell.params},
             {"metrics", cell.metrics}});
    }
    return all;
}

} // namespace

Json exportRun(RunReader& reader, std::int64_t runId) {
    const std::optional<RunRow> run = reader.run(runId);
    if (!run) {
        throw InputError("the store has no run " + std::to_string(runId));
    }
    Json metrics = Json::array();
    for (const MetricRow& metric : reader.metrics(runId)) {
        metrics.push_back(
            {{"cell", metric.cell},
             {"name", metric.name},
             {"value", jsonNumber(metric.value)},
             {"unit", metric.unit},
             {"step", metric.step}});
    }
    Json artifacts = Json::array();
    for (const ArtifactRow& artifact : reader.artifacts(runId)) {
        artifacts.push_back(
            {{"id", artifact.id},
             {"name", artifact.name},
             {"mime", artifact.mime},
             {"bytes", artifact.bytes}});
    }
    return {
        {"id", run->id},
        {"uuid", run->uuid},
        {"study", run->study},
        {"title", run->title},
        {"tags", run->tags},
        {"notes", run->notes},
        {"state", nameOf(run->state)},
        {"message", run->message},
        {"created_ms", run->createdMs},
        {"started_ms", run->startedMs},
        {"finished_ms", run->finishedMs},
        {"device", run->device},
        {"spec", toJson(run->spec)},
        {"environment", run->environment},
        {"summary", run->summary},
        {"cells", cellsToJson(reader, runId)},
        {"metrics", std::move(metrics)},
        {"artifacts", std::move(artifacts)},
        {"events", eventsToJson(reader, runId)}};
}

} // namespace lathe
