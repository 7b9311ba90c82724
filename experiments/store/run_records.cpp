// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/run_records.h"

#include "engine/core/hash.h"

#include <array>
#include <chrono>
#include <fmt/format.h>
#include <random>
#include <unordered_set>

namespace lathe {

namespace {

std::int64_t nowMs() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

/// Random (version 4) UUID: runs keep it when they are exported to another store.
std::string newUuid() {
    std::random_device source;
    std::array<std::uint32_t, 4> r{source(), source(), source(), source()};
    return fmt::format(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", r[0], r[1] >> 16, r[1] & 0xFFF,
        0x8000 | (r[2] >> 16 & 0x3FFF), r[2] & 0xFFFF, r[3]);
}

std::int64_t plannedCells(const Spec& spec) {
    std::int64_t cells = 1;
    for (const auto& [name, values] : spec.sweep.items()) {
        cells *= static_cast<std::int64_t>(std::max<std::size_t>(values.size(), 1));
    }
    return cells;
}

/// "model=lm-big bits=2,3,4": what free text in the run table searches.
std::string wordsOf(const Spec& spec) {
    std::string words;
    const auto add = [&words](const std::string& name, const std::string& text) {
        words += (words.empty() ? "" : " ") + name + "=" + text;
    };
    for (const auto& [name, value] : spec.params.items()) {
        if (!value.is_null()) {
            add(name, valueText(value));
        }
    }
    for (const auto& [name, values] : spec.sweep.items()) {
        std::string list;
        for (const Json& value : values) {
            list += (list.empty() ? "" : ",") + valueText(value);
        }
        add(name, list);
    }
    return validUtf8(words);
}

Statement& fresh(Statement& statement) {
    statement.reset();
    return statement;
}

} // namespace

std::string specKey(const Spec& spec) {
    return hashText(dumpJson(Json{
        {"study", spec.study},
        {"params", spec.params},
        {"sweep", spec.sweep},
        {"seed", spec.seed},
        {"device", spec.device},
        {"target", spec.target}}));
}

RunRecords::RunRecords(Database& db)
    : m_db(db), m_self(thisProcess()),
      m_event(db.prepare("INSERT INTO event(run, seq, cell, at_ns, kind, payload) "
                         "VALUES(?, ?, ?, ?, ?, ?)")),
      m_metric(db.prepare("INSERT INTO metric(run, cell, name, step, value, unit, seq) "
                          "VALUES(?, ?, ?, ?, ?, ?, ?)")),
      m_cell(db.prepare("INSERT INTO cell(run, idx, key, state, params, metrics, message) "
                        "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(run, idx) DO UPDATE SET "
                        "key = excluded.key, state = excluded.state, params = excluded.params, "
                        "metrics = excluded.metrics, message = excluded.message")),
      m_result(db.prepare("INSERT OR REPLACE INTO result(run, name, cell, number) "
                          "VALUES(?, ?, ?, ?)")),
      m_param(db.prepare("INSERT OR IGNORE INTO param(run, name, text, number) "
                         "VALUES(?, ?, ?, ?)")),
      m_artifact(db.prepare("INSERT INTO artifact(run, event, name, mime, bytes) "
                            "VALUES(?, ?, ?, ?, ?)")),
      // A run that has ended stays as it ended, whatever arrives late.
      m_state(db.prepare("UPDATE run SET state = ?2, message = ?3, "
                         "started_ms = iif(?2 = 'running', ?4, started_ms), "
                         "finished_ms = iif(?5, ?4, finished_ms), "
                         "summary = iif(?5, ?6, summary) "
                         "WHERE id = ?1 AND state IN ('queued', 'running', 'interrupted')")) {}

std::int64_t RunRecords::insertRun(const Spec& spec, std::string_view title) {
    Statement insert = m_db.prepare("INSERT INTO run(uuid, study, title, state, created_ms, "
                                    "device, words, spec_key, spec, host, "
                                    "boot, pid, pid_start, cells_total) VALUES(?, ?, ?, 'queued', "
                                    "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(1, newUuid()).bind(2, validUtf8(spec.study)).bind(3, validUtf8(title));
    insert.bind(4, nowMs()).bind(5, spec.device).bind(6, wordsOf(spec)).bind(7, specKey(spec));
    insert.bind(8, dumpJson(toJson(spec))).bind(9, m_self.host).bind(10, m_self.boot);
    insert.bind(11, m_self.pid).bind(12, m_self.startTicks).bind(13, plannedCells(spec));
    insert.step();
    const std::int64_t id = m_db.lastInsertId();
    addParams(id, spec);
    return id;
}

void RunRecords::addParams(std::int64_t runId, const Spec& spec) {
    for (const auto& [name, value] : spec.params.items()) {
        addParam(runId, name, value);
    }
    for (const auto& [name, values] : spec.sweep.items()) {
        for (const Json& value : values) {
            addParam(runId, name, value);
        }
    }
}

void RunRecords::addParam(std::int64_t runId, const std::string& name, const Json& value) {
    if (value.is_null()) {
        return;
    }
    Statement& insert = fresh(m_param);
    insert.bind(1, runId).bind(2, name).bind(3, validUtf8(valueText(value)));
    insert.bind(4, value.is_number() ? value.get<double>() : std::nan(""));
    insert.step();
}

void RunRecords::setTags(std::int64_t runId, std::string_view tags) {
    m_db.prepare("UPDATE run SET tags = ? WHERE id = ?")
        .bind(1, validUtf8(tags))
        .bind(2, runId)
        .step();
}

void RunRecords::setNotes(std::int64_t runId, std::string_view notes) {
    m_db.prepare("UPDATE run SET notes = ? WHERE id = ?")
        .bind(1, validUtf8(notes))
        .bind(2, runId)
        .step();
}

void RunRecords::apply(Event& event) {
    if (std::holds_alternative<Progress>(event.payload)) {
        return;
    }
    if (auto* cell = std::get_if<CellChanged>(&event.payload)) {
        apply(event, *cell);
    } else if (const auto* metric = std::get_if<Metric>(&event.payload)) {
        apply(event, *metric);
    } else if (const auto* change = std::get_if<RunChanged>(&event.payload)) {
        apply(event, *change);
    }
    Json payload = payloadToJson(event.payload);
    if (std::holds_alternative<RunChanged>(event.payload) && payload["state"] == "running") {
        payload["record"] = Json::object(); // the environment is stored once, with the run
    }
    const std::int64_t id = insertEvent(event, payload);
    addArtifact(event, id);
}

std::int64_t RunRecords::insertEvent(const Event& event, const Json& payload) {
    Statement& insert = fresh(m_event);
    insert.bind(1, event.runId).bind(2, event.seq).bind(3, std::int64_t{event.cell});
    insert.bind(4, std::int64_t{event.at.count()}).bind(5, kindOf(event.payload));
    insert.bind(6, dumpJson(payload)).step();
    return m_db.lastInsertId();
}

void RunRecords::apply(const Event& event, const Metric& metric) {
    Statement& insert = fresh(m_metric);
    insert.bind(1, event.runId).bind(2, std::int64_t{event.cell}).bind(3, validUtf8(metric.name));
    insert.bind(4, metric.step).bind(5, metric.value).bind(6, validUtf8(metric.unit));
    insert.bind(7, event.seq).step();
}

void RunRecords::adoptEarlierResult(CellChanged& cell) {
    Statement earlier = m_db.prepare(
        "SELECT run, metrics FROM cell WHERE key = ? AND state = 'done' ORDER BY run DESC LIMIT 1");
    earlier.bind(1, cell.key);
    if (earlier.step()) {
        cell.metrics = parseJson(earlier.text(1), "metrics of a stored cell");
        cell.message = "kept from run " + std::to_string(earlier.integer(0));
        cell.state = CellState::Done;
    }
}

void RunRecords::apply(const Event& event, CellChanged& cell) {
    if (cell.state == CellState::Skipped && cell.metrics.empty() && !cell.key.empty()) {
        adoptEarlierResult(cell);
    }
    Statement& upsert = fresh(m_cell);
    upsert.bind(1, event.runId).bind(2, std::int64_t{event.cell}).bind(3, validUtf8(cell.key));
    upsert.bind(4, nameOf(cell.state))
        .bind(5, dumpJson(cell.params))
        .bind(6, dumpJson(cell.metrics));
    upsert.bind(7, validUtf8(cell.message)).step();
    if (cell.params.is_object()) {
        for (const auto& [name, value] : cell.params.items()) {
            addParam(event.runId, name, value);
        }
    }
    if (cell.state != CellState::Done || !cell.metrics.is_object()) {
        return;
    }
    for (const auto& [name, value] : cell.metrics.items()) {
        if (value.is_number()) {
            Statement& insert = fresh(m_result);
            insert.bind(1, event.runId).bind(2, name).bind(3, std::int64_t{event.cell});
            insert.bind(4, value.get<double>()).step();
        }
    }
}

void RunRecords::apply(const Event& event, const RunChanged& change) {
    Statement& update = fresh(m_state);
    update.bind(1, event.runId).bind(2, nameOf(change.state)).bind(3, validUtf8(change.message));
    update.bind(4, nowMs()).bind(5, std::int64_t{isFinal(change.state)});
    update.bind(6, dumpJson(change.record)).step();
    if (change.state == RunState::Running && change.record.is_object()) {
        setEnvironment(event.runId, change.record);
    }
    if (isFinal(change.state)) {
        closeCells(event.runId, nameOf(change.state));
    }
}

void RunRecords::setEnvironment(std::int64_t runId, const Json& record) {
    const auto textAt = [&record](const char* name) {
        const auto it = record.find(name);
        return it != record.end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    const std::string json = dumpJson(record);
    const std::string hash = hashText(json);
    m_db.prepare("INSERT OR IGNORE INTO environment(hash, json) VALUES(?, ?)")
        .bind(1, hash)
        .bind(2, json)
        .step();
    Statement update = m_db.prepare(
        "UPDATE run SET environment = ?2, build = ?3, device = iif(?4 = '', device, ?4), "
        "cells_total = iif(?5 > 0, ?5, cells_total) WHERE id = ?1");
    const auto cells = record.find("cells");
    const bool counted = cells != record.end() && cells->is_number_integer();
    update.bind(1, runId).bind(2, hash).bind(3, validUtf8(textAt("build")));
    update.bind(4, validUtf8(textAt("device")));
    update.bind(5, counted ? cells->get<std::int64_t>() : 0).step();
}

void RunRecords::closeCells(std::int64_t runId, std::string_view message) {
    m_db.prepare(
            "UPDATE cell SET state = 'failed', message = ? WHERE run = ? AND state = 'running'")
        .bind(1, message)
        .bind(2, runId)
        .step();
}

void RunRecords::addArtifact(const Event& event, std::int64_t eventId) {
    const auto* artifact = std::get_if<ArtifactReady>(&event.payload);
    const auto* array = std::get_if<ArrayReady>(&event.payload);
    if (artifact == nullptr && array == nullptr) {
        return;
    }
    Statement& insert = fresh(m_artifact);
    insert.bind(1, event.runId).bind(2, eventId);
    insert.bind(3, validUtf8(artifact != nullptr ? artifact->name : array->name));
    insert.bind(4, artifact != nullptr ? validUtf8(artifact->mime) : "application/x-array");
    insert.bind(5, payloadBytes(event.payload)).step();
}

int RunRecords::markInterrupted() {
    Statement active = m_db.prepare(
        "SELECT id, host, boot, pid, pid_start FROM run WHERE state IN ('queued', 'running')");
    std::vector<std::int64_t> gone;
    while (active.step()) {
        const ProcessIdentity owner{
            active.text(1), active.text(2), active.integer(3), active.integer(4)};
        if (isGone(owner)) {
            gone.push_back(active.integer(0));
        }
    }
    for (const std::int64_t id : gone) {
        m_db.prepare("UPDATE run SET state = 'interrupted', finished_ms = ?, "
                     "message = 'the program ended before the run did' WHERE id = ?")
            .bind(1, nowMs())
            .bind(2, id)
            .step();
        closeCells(id, "interrupted");
    }
    return static_cast<int>(gone.size());
}

} // namespace lathe
