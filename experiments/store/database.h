// SPDX-License-Identifier: Apache-2.0
#pragma once

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

/// One prepared statement; binds by position from 1, reads columns from 0.
class Statement {
public:
    Statement(sqlite3* db, std::string_view sql);
    ~Statement();
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&&) = delete;

    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, double value);  ///< not finite: NULL
    Statement& bind(int index, std::string_view value);
    Statement& bind(int index, std::span<const std::byte> value);
    Statement& bindNull(int index);
    /// True while there is a row. @throws InternalError with SQLite's message.
    bool step();
    void reset();

    std::int64_t integer(int column) const;
    double real(int column) const;  ///< NULL reads as NaN
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

    /// Opens, and for ReadWrite creates and migrates (a backup copy is made before a migration of an
    /// existing file). @throws InputError for a file that is no database or of a newer schema.
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
    sqlite3* m_db = nullptr;
    std::filesystem::path m_path;
};

/// The user's store: $XDG_DATA_HOME/lathe/runs.db, else ~/.local/share/lathe/runs.db.
std::filesystem::path defaultStorePath();

} // namespace lathe
