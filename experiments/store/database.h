// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace lathe {

/// What SQLite answered; `code` is its extended result code.
class StoreError : public InternalError {
public:
    StoreError(
        const std::string& message, int code,
        std::source_location where = std::source_location::current())
        : InternalError(message, where), m_code(code) {}
    int code() const noexcept { return m_code; }
    /// Whether the same write may succeed later: locked, disk full, input/output error.
    bool mayPass() const noexcept;

private:
    int m_code;
};

/// One prepared statement; binds by position from 1, reads columns from 0.
class Statement {
public:
    Statement(sqlite3* db, std::string_view sql);
    ~Statement();
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;

    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, double value); ///< not finite: NULL
    Statement& bind(int index, std::string_view value);
    Statement& bind(int index, std::span<const std::byte> value);
    Statement& bindNull(int index);
    /// True while there is a row. @throws StoreError with SQLite's message.
    bool step();
    void reset();

    std::int64_t integer(int column) const;
    double real(int column) const; ///< NULL reads as NaN
    std::string text(int column) const;
    std::span<const std::byte> blob(int column) const;
    bool isNull(int column) const;

private:
    sqlite3* m_db;
    sqlite3_stmt* m_statement = nullptr;
};

/// RAII over one SQLite connection with the project's settings: WAL, synchronous=NORMAL,
/// foreign_keys=ON, busy_timeout. One connection per thread.
class Database {
public:
    enum class Mode { ReadWrite, ReadOnly };

    /// Opens, and for ReadWrite creates and migrates (a backup copy is made before a migration of
    /// an existing file). @throws InputError for a file that is no database or of a newer schema.
    Database(const std::filesystem::path& path, Mode mode);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Statement prepare(std::string_view sql);
    void execute(const char* sql);
    std::int64_t lastInsertId() const;
    sqlite3* handle() noexcept { return m_db; }
    const std::filesystem::path& path() const noexcept { return m_path; }

private:
    void open(int flags);
    void useWriteAheadLog();

    sqlite3* m_db = nullptr;
    std::filesystem::path m_path;
};

/// One BEGIN IMMEDIATE transaction; rolled back unless committed. (A deferred one that reads first
/// fails at once when another program writes in between.)
class Transaction {
public:
    explicit Transaction(Database& db);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

private:
    Database& m_db;
    bool m_open = true;
};

/// The user's store: $XDG_DATA_HOME/lathe/runs.db, else ~/.local/share/lathe/runs.db.
std::filesystem::path defaultStorePath();

} // namespace lathe
