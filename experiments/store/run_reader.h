// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event.h"
#include "engine/core/spec.h"
#include "experiments/store/database.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

struct RunRow {
    std::int64_t id = 0;
    std::string uuid, study, title, tags, notes, message;
    RunState state = RunState::Queued;
    std::int64_t createdMs = 0, startedMs = 0, finishedMs = 0; ///< Unix time, 0: not yet
    std::string device;
    Spec spec{};
    Json environment = Json::object();
    int cellsDone = 0, cellsTotal = 0;
    Json summary = Json::object();
};

struct CellRow {
    int index = 0;
    std::string key, message;
    CellState state = CellState::Running;
    Json params = Json::object(), metrics = Json::object();
};

struct MetricRow {
    int cell = -1;
    std::string name, unit;
    double value = 0.0;
    std::int64_t step = -1;
};

struct ArtifactRow {
    std::int64_t id = 0;
    std::string name, mime;
    std::int64_t bytes = 0;
};

/// What the Runs table asks for: free text and terms like `study:quant`, `state:done`, `tag:paper`,
/// `bits<=4`, `metric.perplexity<60`, `model:lm-big`.
struct RunQuery {
    std::string text;
    std::int64_t beforeId = 0; ///< keyset paging, newest first; 0: from the newest
    int limit = 256;
};

/// Reads a store over its own read-only connection. One per thread.
class RunReader {
public:
    explicit RunReader(const std::filesystem::path& path);

    /// @throws InputError when the query cannot be read, saying which term.
    std::vector<RunRow> runs(const RunQuery& query);
    std::int64_t countRuns(const RunQuery& query);
    std::optional<RunRow> run(std::int64_t id);
    std::vector<CellRow> cells(std::int64_t runId);
    std::vector<MetricRow> metrics(std::int64_t runId);
    /// Events in order, from `afterSeq`, at most `limit`.
    std::vector<Event> events(std::int64_t runId, std::int64_t afterSeq = 0, int limit = 10000);
    std::vector<ArtifactRow> artifacts(std::int64_t runId);
    std::vector<std::byte> artifactBytes(std::int64_t artifactId);
    /// Keys of the finished cells of earlier runs of an equal Spec (same study, params, sweep,
    /// seed, device, target) with their metrics, for resuming.
    std::vector<CellRow> finishedCells(std::int64_t runId);
    /// The latest run of an equal Spec, which a new one may resume.
    std::optional<std::int64_t> latestEqual(const Spec& spec);
    /// Counts up whenever another connection wrote.
    std::int64_t dataVersion();

private:
    Database m_db;
};

/// A whole run as one JSON document (spec, environment, cells, metrics, events).
Json exportRun(RunReader& reader, std::int64_t runId);

} // namespace lathe
