// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/database.h"

#include "experiments/store/migrations.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <sqlite3.h>
#include <thread>
#include <utility>

namespace lathe {

namespace {

constexpr int kBusyMs = 5000;
constexpr int kRetries = 200;
constexpr std::chrono::milliseconds kRetryPause{20};

int primaryCode(int code) { return code & 0xFF; }

[[noreturn]] void fail(sqlite3* db, std::string_view doing) {
    const int code = sqlite3_extended_errcode(db);
    const char* file = sqlite3_db_filename(db, "main");
    throw StoreError(
        std::string(file != nullptr ? file : "store") + ": " + std::string(doing) + ": " +
            sqlite3_errmsg(db),
        code);
}

void check(sqlite3* db, int code, std::string_view doing) {
    if (code != SQLITE_OK) {
        fail(db, doing);
    }
}

} // namespace

bool StoreError::mayPass() const noexcept {
    switch (primaryCode(m_code)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
        return true;
    default:
        return false;
    }
}

Statement::Statement(sqlite3* db, std::string_view sql) : m_db(db) {
    check(
        db, sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &m_statement, nullptr),
        "prepare");
}

Statement::~Statement() { sqlite3_finalize(m_statement); }

Statement::Statement(Statement&& other) noexcept
    : m_db(other.m_db), m_statement(std::exchange(other.m_statement, nullptr)) {}

Statement& Statement::bind(int index, std::int64_t value) {
    check(m_db, sqlite3_bind_int64(m_statement, index, value), "bind");
    return *this;
}

Statement& Statement::bind(int index, double value) {
    if (!std::isfinite(value)) {
        return bindNull(index);
    }
    check(m_db, sqlite3_bind_double(m_statement, index, value), "bind");
    return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
    // A null pointer would bind NULL.
    const char* data = value.data() != nullptr ? value.data() : "";
    check(
        m_db,
        sqlite3_bind_text64(m_statement, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8),
        "bind");
    return *this;
}

Statement& Statement::bind(int index, std::span<const std::byte> value) {
    const int code =
        value.empty()
            ? sqlite3_bind_zeroblob(m_statement, index, 0)
            : sqlite3_bind_blob64(m_statement, index, value.data(), value.size(), SQLITE_TRANSIENT);
    check(m_db, code, "bind");
    return *this;
}

Statement& Statement::bindNull(int index) {
    check(m_db, sqlite3_bind_null(m_statement, index), "bind");
    return *this;
}

bool Statement::step() {
    const int code = sqlite3_step(m_statement);
    if (code == SQLITE_ROW) {
        return true;
    }
    if (code != SQLITE_DONE) {
        fail(m_db, "write or read");
    }
    return false;
}

void Statement::reset() {
    sqlite3_reset(m_statement);
    sqlite3_clear_bindings(m_statement);
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(m_statement, column);
}

double Statement::real(int column) const {
    return isNull(column) ? std::nan("") : sqlite3_column_double(m_statement, column);
}

std::string Statement::text(int column) const {
    const void* data = sqlite3_column_text(m_statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(m_statement, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

std::span<const std::byte> Statement::blob(int column) const {
    const void* data = sqlite3_column_blob(m_statement, column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(m_statement, column));
    return data == nullptr ? std::span<const std::byte>()
                           : std::span(static_cast<const std::byte*>(data), size);
}

bool Statement::isNull(int column) const {
    return sqlite3_column_type(m_statement, column) == SQLITE_NULL;
}

Database::Database(const std::filesystem::path& path, Mode mode) : m_path(path) {
    const bool writing = mode == Mode::ReadWrite;
    if (writing && path.has_parent_path()) {
        std::error_code failed;
        std::filesystem::create_directories(path.parent_path(), failed);
        if (failed) {
            throw InputError(
                "cannot make the folder of the store " + path.string() + ": " + failed.message());
        }
    }
    try {
        open(writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
        requireKnown(*this, storeMigrations());
        if (writing) {
            useWriteAheadLog();
            migrate(*this, storeMigrations());
        } else if (schemaVersion(*this) < currentSchemaVersion()) {
            // An old or a fresh store: migrating it once makes it readable.
            const Database migrated(path, Mode::ReadWrite);
        }
    } catch (const std::exception& e) {
        // The destructor of a half-made object does not run.
        sqlite3_close(m_db);
        const auto* refused = dynamic_cast<const StoreError*>(&e);
        const int code = refused != nullptr ? primaryCode(refused->code()) : SQLITE_OK;
        if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
            throw InputError(
                path.string() + ": is not a run store of Lathe, or is damaged (" + e.what() + ")");
        }
        throw;
    }
}

Database::~Database() { sqlite3_close(m_db); }

void Database::open(int flags) {
    if (std::error_code ignored; std::filesystem::is_directory(m_path, ignored)) {
        throw InputError(m_path.string() + ": is a folder; the store must be a file");
    }
    const int code = sqlite3_open_v2(m_path.c_str(), &m_db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    if (code != SQLITE_OK) {
        const bool creating = (flags & SQLITE_OPEN_CREATE) != 0;
        const bool missing = !creating && !std::filesystem::exists(m_path);
        throw InputError(
            m_path.string() + ": " +
            (missing ? "there is no such run store" : "the run store cannot be opened") + " (" +
            sqlite3_errstr(code) + ")");
    }
    sqlite3_extended_result_codes(m_db, 1);
    sqlite3_busy_timeout(m_db, kBusyMs);
    execute("PRAGMA foreign_keys = ON");
    execute("PRAGMA temp_store = MEMORY");
    // The first real access to the file: tells a database from anything else.
    prepare("SELECT count(*) FROM sqlite_master").step();
}

void Database::useWriteAheadLog() {
    // The switch to WAL does not always honour the busy timeout when several programs start at
    // once.
    for (int attempt = 0;; ++attempt) {
        try {
            execute("PRAGMA journal_mode = WAL");
            execute("PRAGMA synchronous = NORMAL");
            return;
        } catch (const StoreError& e) {
            if (primaryCode(e.code()) != SQLITE_BUSY || attempt >= kRetries) {
                throw;
            }
            std::this_thread::sleep_for(kRetryPause);
        }
    }
}

Statement Database::prepare(std::string_view sql) { return Statement(m_db, sql); }

void Database::execute(const char* sql) {
    check(m_db, sqlite3_exec(m_db, sql, nullptr, nullptr, nullptr), "execute");
}

std::int64_t Database::lastInsertId() const { return sqlite3_last_insert_rowid(m_db); }

Transaction::Transaction(Database& db) : m_db(db) { m_db.execute("BEGIN IMMEDIATE"); }

Transaction::~Transaction() {
    if (m_open) {
        // Nothing to be done when even this fails: SQLite has then rolled back by itself.
        sqlite3_exec(m_db.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

void Transaction::commit() {
    m_db.execute("COMMIT");
    m_open = false;
}

std::filesystem::path defaultStorePath() {
    const char* data = std::getenv("XDG_DATA_HOME");
    if (data != nullptr && std::filesystem::path(data).is_absolute()) {
        return std::filesystem::path(data) / "lathe" / "runs.db";
    }
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') {
        throw InputError("neither XDG_DATA_HOME nor HOME is set; name a store with --store FILE");
    }
    return std::filesystem::path(home) / ".local" / "share" / "lathe" / "runs.db";
}

} // namespace lathe
