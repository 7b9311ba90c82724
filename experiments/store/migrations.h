// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/store/database.h"

#include <span>

/// The schema, as numbered forward migrations. A migration that was released is never edited: a new
/// one is appended, and a database file of the released version is kept in tests/data/stores.
namespace lathe {

struct Migration {
    int version; ///< PRAGMA user_version after it
    const char* sql;
};

/// Written to PRAGMA application_id: "LATH".
inline constexpr int kApplicationId = 0x4C415448;

std::span<const Migration> storeMigrations();
/// Version of the last one.
int currentSchemaVersion();

/// PRAGMA user_version.
int schemaVersion(Database& db);
/// True for a file that holds tables of another program.
bool isForeign(Database& db);

/// @throws InputError when the file is of another program or of a newer schema.
void requireKnown(Database& db, std::span<const Migration> migrations);

/// Brings the database to the last of `migrations` in one transaction. A database that holds data
/// already is first copied to "<path>.schema-<version>.bak".
/// @throws InputError when the file is of another program or of a newer schema.
void migrate(Database& db, std::span<const Migration> migrations);

} // namespace lathe
