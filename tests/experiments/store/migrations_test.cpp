// SPDX-License-Identifier: Apache-2.0
#include "experiments/store/migrations.h"

#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"
#include "tests/experiments/store/sample_runs.h"
#include "tests/support/lathe_test.h"

#include <fstream>
#include <sqlite3.h>

namespace lathe {

using test::TemporaryFolder;

/// Which files are taken as a store, and what happens to old, new and strange ones.
class MigrationsTest : public QObject {
    Q_OBJECT
private slots:
    void freshFileGetsTheSchema();
    void keptStoreOfVersion1Reads();
    void keptStoreOfVersion1IsSmall();
    void migratesForwardAndKeepsACopy();
    void aFailingMigrationChangesNothing();
    void newerSchemaIsRefused();
    void strangeFilesAreRefused_data();
    void strangeFilesAreRefused();
    void missingStoreIsNotMadeByAReader();
};

namespace {

void executeRaw(const std::filesystem::path& path, const std::string& sql) {
    sqlite3* db = nullptr;
    QCOMPARE(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    QCOMPARE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    QCOMPARE(sqlite3_close(db), SQLITE_OK);
}

std::filesystem::path keptStore() {
    return test::sourceFolder() / "tests" / "data" / "stores" / "v1.db";
}

/// A private copy: even reading a store in WAL mode makes files beside it.
std::filesystem::path copyOfKeptStore(const TemporaryFolder& folder) {
    const auto copy = folder.path() / "v1.db";
    std::filesystem::copy_file(keptStore(), copy);
    return copy;
}

} // namespace

void MigrationsTest::freshFileGetsTheSchema() {
    const TemporaryFolder folder;
    const auto path = folder.path() / "new" / "folder" / "runs.db";
    Database db(path, Database::Mode::ReadWrite);
    QCOMPARE(schemaVersion(db), currentSchemaVersion());
    Statement mode = db.prepare("PRAGMA journal_mode");
    QVERIFY(mode.step());
    QCOMPARE(mode.text(0), std::string("wal"));
    for (const char* table :
         {"run", "cell", "metric", "event", "artifact", "param", "result", "environment"}) {
        Statement count = db.prepare("SELECT count(*) FROM " + std::string(table));
        QVERIFY(count.step());
        QCOMPARE(count.integer(0), 0);
    }
}

void MigrationsTest::keptStoreOfVersion1Reads() {
    const TemporaryFolder folder;
    const auto path = copyOfKeptStore(folder);
    {
        // Opening it for writing migrates it, whatever the present version is.
        const RunWriter writer(path, {});
    }
    RunReader reader(path);
    const auto runs = reader.runs({});
    QCOMPARE(runs.size(), 2U);
    QCOMPARE(runs[0].study, std::string("lm.perplexity"));
    QCOMPARE(runs[0].state, RunState::Cancelled);
    QCOMPARE(runs[1].study, std::string("quant.sweep"));
    QCOMPARE(runs[1].title, std::string("sample"));
    QCOMPARE(runs[1].tags, std::string("paper kept"));
    QCOMPARE(runs[1].notes, std::string("a note"));
    QCOMPARE(runs[1].state, RunState::Done);
    QCOMPARE(runs[1].spec.sweep, (Json{{"bits", {3, 4}}}));
    QCOMPARE(runs[1].environment.at("device").get<std::string>(), std::string("cpu"));
    const auto expected = test::samplePayloads();
    const auto events = reader.events(runs[1].id);
    QCOMPARE(events.size(), expected.size());
    for (std::size_t i = 1; i < events.size(); ++i) {
        QCOMPARE(payloadToJson(events[i].payload), payloadToJson(expected[i]));
    }
    QCOMPARE(reader.artifacts(runs[1].id).size(), 3U);
    QCOMPARE(reader.metrics(runs[1].id).size(), 3U);
    QCOMPARE(reader.countRuns({"bits=4"}), 1);
    QCOMPARE(reader.countRuns({"perplexity=58.5"}), 1);
    QCOMPARE(reader.finishedCells(runs[1].id).front().key, std::string("key"));
    QCOMPARE(reader.finishedCells(runs[0].id).front().key, std::string("other key"));
}

void MigrationsTest::keptStoreOfVersion1IsSmall() {
    QVERIFY(std::filesystem::file_size(keptStore()) < 60'000);
}

void MigrationsTest::migratesForwardAndKeepsACopy() {
    const TemporaryFolder folder;
    const auto path = folder.path() / "runs.db";
    const std::array<Migration, 2> steps{
        {{1, "CREATE TABLE one(x); INSERT INTO one VALUES(7)"},
         {2, "ALTER TABLE one ADD COLUMN y DEFAULT 8"}}};
    executeRaw(
        path, "PRAGMA application_id = " + std::to_string(kApplicationId) +
                  "; PRAGMA user_version = 1; " + steps[0].sql);
    Database old(path, Database::Mode::ReadWrite);
    migrate(old, steps);
    QCOMPARE(schemaVersion(old), 2);
    Statement row = old.prepare("SELECT x, y FROM one");
    QVERIFY(row.step());
    QCOMPARE(row.integer(0), 7);
    QCOMPARE(row.integer(1), 8);
    const auto backup = folder.path() / "runs.db.schema-1.bak";
    QVERIFY(std::filesystem::exists(backup));
    Database kept(backup, Database::Mode::ReadOnly);
    QCOMPARE(schemaVersion(kept), 1);
    Statement columns = kept.prepare("SELECT count(*) FROM pragma_table_info('one')");
    QVERIFY(columns.step());
    QCOMPARE(columns.integer(0), 1);
    migrate(old, steps); // a second time changes nothing
    QCOMPARE(schemaVersion(old), 2);
}

void MigrationsTest::aFailingMigrationChangesNothing() {
    const TemporaryFolder folder;
    Database db(folder.path() / "runs.db", Database::Mode::ReadWrite);
    const int before = schemaVersion(db);
    const std::array<Migration, 1> broken{
        {{before + 1, "CREATE TABLE half(x); CREATE TABLE run(x)"}}};
    LATHE_VERIFY_THROWS(migrate(db, broken), StoreError, "already exists");
    QCOMPARE(schemaVersion(db), before);
    Statement tables = db.prepare("SELECT count(*) FROM sqlite_master WHERE name = 'half'");
    QVERIFY(tables.step());
    QCOMPARE(tables.integer(0), 0);
}

void MigrationsTest::newerSchemaIsRefused() {
    const TemporaryFolder folder;
    const auto path = folder.path() / "runs.db";
    { const Database made(path, Database::Mode::ReadWrite); }
    executeRaw(path, "PRAGMA user_version = 1234");
    LATHE_VERIFY_THROWS(RunWriter(path, {}), InputError, "schema 1234");
    LATHE_VERIFY_THROWS(RunReader(path), InputError, "schema 1234");
}

void MigrationsTest::strangeFilesAreRefused_data() {
    QTest::addColumn<int>("kind");
    QTest::addColumn<QString>("message");
    QTest::newRow("text") << 0 << "is not a run store of Lathe";
    QTest::newRow("database of another program") << 1 << "belongs to another program";
    QTest::newRow("folder") << 2 << "is a folder";
    QTest::newRow("cut off") << 3 << "is not a run store of Lathe, or is damaged";
}

void MigrationsTest::strangeFilesAreRefused() {
    QFETCH(int, kind);
    QFETCH(QString, message);
    const TemporaryFolder folder;
    const auto path = folder.path() / "runs.db";
    if (kind == 0) {
        std::ofstream(path) << std::string(5000, 'x');
    } else if (kind == 1) {
        executeRaw(path, "CREATE TABLE bookmarks(url)");
    } else if (kind == 2) {
        std::filesystem::create_directory(path);
    } else {
        std::filesystem::copy_file(keptStore(), path);
        std::filesystem::resize_file(path, 3000);
    }
    LATHE_VERIFY_THROWS(RunWriter(path, {}), InputError, message.toStdString());
    LATHE_VERIFY_THROWS(RunReader(path), InputError, message.toStdString());
    if (kind == 0) {
        QCOMPARE(std::filesystem::file_size(path), 5000U);
    }
}

void MigrationsTest::missingStoreIsNotMadeByAReader() {
    const TemporaryFolder folder;
    LATHE_VERIFY_THROWS(RunReader(folder.path() / "no.db"), InputError, "no such run store");
    QVERIFY(!std::filesystem::exists(folder.path() / "no.db"));
    LATHE_VERIFY_THROWS(RunWriter("/proc/no.db", {}), InputError, "cannot be opened");
}

LATHE_TEST(MigrationsTest);

} // namespace lathe

#include "migrations_test.moc"
