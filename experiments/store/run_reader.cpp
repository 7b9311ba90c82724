// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_reader.h"

#include "experiments/store/run_query.h"
#include "experiments/store/run_records.h"

#include <limits>

namespace lathe {

namespace {

constexpr const char* kRunColumns =
    "SELECT run.id, run.uuid, run.study, run.title, run.tags, run.notes, run.message, run.state, "
    "run.created_ms, run.started_ms, run.finished_ms, run.device, run.spec, environment.json, "
    "(SELECT count(*) FROM cell WHERE cell.run = run.id AND cell.state = 'done'), "
    "run.cells_total, run.summary "
    "FROM run LEFT JOIN environment ON environment.hash = run.environment ";

RunRow readRun(const Statement& s) {
    RunRow row;
    row.id = s.integer(0);
    row.uuid = s.text(1);
    row.study = s.text(2);
    row.title = s.text(3);
    row.tags = s.text(4);
    row.notes = s.text(5);
    row.message = s.text(6);
    row.state = runStateFromName(s.text(7));
    row.createdMs = s.integer(8);
    row.startedMs = s.integer(9);
    row.finishedMs = s.integer(10);
    row.device = s.text(11);
    row.spec = specFromJson(parseJson(s.text(12), "spec of a stored run"));
    if (!s.isNull(13)) {
        row.environment = parseJson(s.text(13), "environment of a stored run");
    }
    row.cellsDone = static_cast<int>(s.integer(14));
    row.cellsTotal = static_cast<int>(s.integer(15));
    row.summary = parseJson(s.text(16), "summary of a stored run");
    return row;
}

CellRow readCell(const Statement& s) {
    CellRow row;
    row.index = static_cast<int>(s.integer(0));
    row.key = s.text(1);
    row.message = s.text(2);
    row.state = cellStateFromName(s.text(3));
    row.params = parseJson(s.text(4), "params of a stored cell");
    row.metrics = parseJson(s.text(5), "metrics of a stored cell");
    return row;
}

} // namespace

RunReader::RunReader(const std::filesystem::path& path) : m_db(path, Database::Mode::ReadOnly) {}

std::vector<RunRow> RunReader::runs(const RunQuery& query) {
    const RunFilter filter = parseRunQuery(query.text);
    Statement select = m_db.prepare(
        kRunColumns + std::string("WHERE ") + filter.where +
        " AND run.id < ? ORDER BY run.id DESC LIMIT ?");
    const int next = filter.bind(select, 1);
    select.bind(
        next, query.beforeId > 0 ? query.beforeId : std::numeric_limits<std::int64_t>::max());
    select.bind(next + 1, std::int64_t{query.limit});
    std::vector<RunRow> rows;
    while (select.step()) {
        rows.push_back(readRun(select));
    }
    return rows;
}

std::int64_t RunReader::countRuns(const RunQuery& query) {
    const RunFilter filter = parseRunQuery(query.text);
    Statement select = m_db.prepare("SELECT count(*) FROM run WHERE " + filter.where);
    filter.bind(select, 1);
    return select.step() ? select.integer(0) : 0;
}

std::optional<RunRow> RunReader::run(std::int64_t id) {
    Statement select = m_db.prepare(kRunColumns + std::string("WHERE run.id = ?"));
    select.bind(1, id);
    return select.step() ? std::optional(readRun(select)) : std::nullopt;
}

std::vector<CellRow> RunReader::cells(std::int64_t runId) {
    Statement select = m_db.prepare(
        "SELECT idx, key, message, state, params, metrics FROM cell WHERE run = ? ORDER BY idx");
    select.bind(1, runId);
    std::vector<CellRow> rows;
    while (select.step()) {
        rows.push_back(readCell(select));
    }
    return rows;
}

std::vector<MetricRow> RunReader::metrics(std::int64_t runId) {
    Statement select = m_db.prepare(
        "SELECT cell, name, unit, value, step FROM metric WHERE run = ? ORDER BY seq, rowid");
    select.bind(1, runId);
    std::vector<MetricRow> rows;
    while (select.step()) {
        rows.push_back(
            {static_cast<int>(select.integer(0)), select.text(1), select.text(2), select.real(3),
             select.integer(4)});
    }
    return rows;
}

std::vector<Event> RunReader::events(std::int64_t runId, std::int64_t afterSeq, int limit) {
    Statement select = m_db.prepare(
        "SELECT event.seq, event.cell, event.at_ns, event.kind, event.payload, artifact.bytes "
        "FROM event LEFT JOIN artifact ON artifact.event = event.id "
        "WHERE event.run = ? AND event.seq > ? ORDER BY event.seq, event.id LIMIT ?");
    select.bind(1, runId).bind(2, afterSeq).bind(3, std::int64_t{limit});
    std::vector<Event> events;
    while (select.step()) {
        const auto bytes = select.blob(5);
        auto payload = payloadFromJson(
            select.text(3), parseJson(select.text(4), "stored event"),
            {bytes.begin(), bytes.end()});
        if (payload) { // an event kind of a newer version is passed over
            events.push_back(
                {runId, static_cast<int>(select.integer(1)), select.integer(0),
                 std::chrono::nanoseconds(select.integer(2)), std::move(*payload)});
        }
    }
    return events;
}

std::vector<ArtifactRow> RunReader::artifacts(std::int64_t runId) {
    Statement select = m_db.prepare(
        "SELECT id, name, mime, length(bytes) FROM artifact WHERE run = ? ORDER BY id");
    select.bind(1, runId);
    std::vector<ArtifactRow> rows;
    while (select.step()) {
        rows.push_back({select.integer(0), select.text(1), select.text(2), select.integer(3)});
    }
    return rows;
}

std::vector<std::byte> RunReader::artifactBytes(std::int64_t artifactId) {
    Statement select = m_db.prepare("SELECT bytes FROM artifact WHERE id = ?");
    select.bind(1, artifactId);
    if (!select.step()) {
        throw InputError("the store has no artifact " + std::to_string(artifactId));
    }
    const auto bytes = select.blob(0);
    return {bytes.begin(), bytes.end()};
}

std::vector<CellRow> RunReader::finishedCells(std::int64_t runId) {
    // A run that was resumed before holds the results it took over; each key comes once.
    Statement select = m_db.prepare(
        "SELECT cell.idx, cell.key, cell.message, cell.state, cell.params, cell.metrics, "
        "max(cell.run) FROM cell JOIN run ON run.id = cell.run "
        "WHERE cell.state = 'done' AND cell.key <> '' "
        "AND run.spec_key = (SELECT spec_key FROM run WHERE id = ?) "
        "GROUP BY cell.key ORDER BY cell.idx");
    select.bind(1, runId);
    std::vector<CellRow> rows;
    while (select.step()) {
        rows.push_back(readCell(select));
    }
    return rows;
}

std::optional<std::int64_t> RunReader::latestEqual(const Spec& spec) {
    Statement select = m_db.prepare("SELECT max(id) FROM run WHERE spec_key = ?");
    select.bind(1, specKey(spec));
    return select.step() && !select.isNull(0) ? std::optional(select.integer(0)) : std::nullopt;
}

std::int64_t RunReader::dataVersion() {
    Statement select = m_db.prepare("PRAGMA data_version");
    return select.step() ? select.integer(0) : 0;
}

} // namespace lathe
