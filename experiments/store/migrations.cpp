// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/migrations.h"

#include <array>
#include <sqlite3.h>

namespace lathe {

namespace {

// `param` and `result` repeat what the JSON of `cell` holds, so that a filter over 100,000 runs
// needs no JSON parsing. The indexes that begin with a name answer "which runs have bits <= 3";
// without them a filter that few runs pass looks at every run. `environment` is shared by the many
// runs of one machine and build.
constexpr const char* kSchema1 = R"sql(
CREATE TABLE environment (
    hash TEXT PRIMARY KEY,
    json TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT NOT NULL UNIQUE,
    study       TEXT NOT NULL,
    title       TEXT NOT NULL DEFAULT '',
    state       TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    started_ms  INTEGER NOT NULL DEFAULT 0,
    finished_ms INTEGER NOT NULL DEFAULT 0,
    device      TEXT NOT NULL DEFAULT '',
    tags        TEXT NOT NULL DEFAULT '',
    notes       TEXT NOT NULL DEFAULT '',
    message     TEXT NOT NULL DEFAULT '',
    words       TEXT NOT NULL DEFAULT '',
    spec_key    TEXT NOT NULL,
    spec        TEXT NOT NULL,
    host        TEXT NOT NULL,
    boot        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    pid_start   INTEGER NOT NULL,
    build       TEXT NOT NULL DEFAULT '',
    environment TEXT REFERENCES environment(hash),
    cells_total INTEGER NOT NULL DEFAULT 1,
    summary     TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX run_spec_key ON run(spec_key);
CREATE INDEX run_state ON run(state);

CREATE TABLE cell (
    run     INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    idx     INTEGER NOT NULL,
    key     TEXT NOT NULL,
    state   TEXT NOT NULL,
    params  TEXT NOT NULL,
    metrics TEXT NOT NULL,
    message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (run, idx)
) WITHOUT ROWID;
CREATE INDEX cell_key ON cell(key) WHERE state = 'done';

CREATE TABLE metric (
    run   INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    cell  INTEGER NOT NULL,
    name  TEXT NOT NULL,
    step  INTEGER NOT NULL,
    value REAL,
    unit  TEXT NOT NULL,
    seq   INTEGER NOT NULL
);
CREATE INDEX metric_run ON metric(run);
CREATE INDEX metric_value ON metric(name, value, run);

CREATE TABLE event (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    cell    INTEGER NOT NULL,
    at_ns   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX event_run ON event(run, seq);

CREATE TABLE artifact (
    id    INTEGER PRIMARY KEY,
    run   INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    event INTEGER NOT NULL REFERENCES event(id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    mime  TEXT NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX artifact_run ON artifact(run);
CREATE INDEX artifact_event ON artifact(event);

CREATE TABLE param (
    run    INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    text   TEXT NOT NULL COLLATE NOCASE,
    number REAL,
    PRIMARY KEY (run, name, text)
) WITHOUT ROWID;
CREATE INDEX param_text ON param(name, text, run);
CREATE INDEX param_number ON param(name, number, run) WHERE number IS NOT NULL;

CREATE TABLE result (
    run    INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    cell   INTEGER NOT NULL,
    number REAL NOT NULL,
    PRIMARY KEY (run, name, cell)
) WITHOUT ROWID;
CREATE INDEX result_number ON result(name, number, run);
)sql";

constexpr std::array<Migration, 1> kMigrations{{{1, kSchema1}}};

/// Copies the committed content while the caller's transaction keeps other writers out; a reading
/// connection of its own, since a connection that is writing cannot be the source of a backup.
void copyDatabase(const std::filesystem::path& from, const std::filesystem::path& to) {
    sqlite3* source = nullptr;
    sqlite3* target = nullptr;
    const std::filesystem::path partial = to.string() + ".partial";
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    int code = sqlite3_open_v2(from.c_str(), &source, SQLITE_OPEN_READONLY, nullptr);
    if (code == SQLITE_OK) {
        code = sqlite3_open_v2(
            partial.c_str(), &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    }
    if (code == SQLITE_OK) {
        sqlite3_backup* backup = sqlite3_backup_init(target, "main", source, "main");
        code = backup == nullptr ? sqlite3_errcode(target) : sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    sqlite3_close(target);
    sqlite3_close(source);
    if (code != SQLITE_DONE) {
        std::filesystem::remove(partial, ignored);
        throw StoreError(
            "cannot copy " + from.string() + " to " + to.string() +
                " before changing it: " + sqlite3_errstr(code),
            code);
    }
    std::filesystem::rename(partial, to);
}

} // namespace

std::span<const Migration> storeMigrations() { return kMigrations; }

int currentSchemaVersion() { return kMigrations.back().version; }

int schemaVersion(Database& db) {
    Statement statement = db.prepare("PRAGMA user_version");
    return statement.step() ? static_cast<int>(statement.integer(0)) : 0;
}

bool isForeign(Database& db) {
    Statement id = db.prepare("PRAGMA application_id");
    const bool ours = id.step() && id.integer(0) == kApplicationId;
    Statement tables = db.prepare("SELECT count(*) FROM sqlite_master");
    return !ours && tables.step() && tables.integer(0) > 0;
}

void requireKnown(Database& db, std::span<const Migration> migrations) {
    if (isForeign(db)) {
        throw InputError(
            db.path().string() + ": this SQLite file belongs to another program; choose another "
                                 "file with --store");
    }
    const int present = schemaVersion(db);
    const int newest = migrations.back().version;
    if (present > newest) {
        throw InputError(
            db.path().string() + ": written by a newer version (schema " + std::to_string(present) +
            ", this program knows " + std::to_string(newest) +
            "); update Lathe or choose another file with --store");
    }
}

void migrate(Database& db, std::span<const Migration> migrations) {
    const int newest = migrations.back().version;
    if (schemaVersion(db) == newest && !isForeign(db)) {
        return;
    }
    Transaction transaction(db);
    // Read again: another program may have migrated while this one waited for the lock.
    requireKnown(db, migrations);
    const int present = schemaVersion(db);
    if (present > 0 && present < newest) {
        copyDatabase(db.path(), db.path().string() + ".schema-" + std::to_string(present) + ".bak");
    }
    for (const Migration& migration : migrations) {
        if (migration.version > present) {
            db.execute(migration.sql);
        }
    }
    db.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
    db.execute(("PRAGMA user_version = " + std::to_string(newest)).c_str());
    transaction.commit();
}

} // namespace lathe
