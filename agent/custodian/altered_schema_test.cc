#include <nlohmann/json.hpp>

#include "agent/custodian/schema.h"
#include "agent/custodian/testing/test_tampering.h"

// The schema, and the files themselves, are part of what somebody with write access to the store writes.
namespace coprotect::agent::custodian {
namespace {

class AlteredSchema : public testing::Tampering {
 protected:
  AlteredSchema() { file = testing::encrypt(pair.bundle()); }

  Result<protocol::PartialReply> decrypt() {
    return testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&*file}), pair.alice);
  }
  // Nothing is answered, the share is not used, and health says why.
  void expect_nothing_answered(const std::string& why) {
    const int before = pair.cloud.computed();
    for (int i = 0; i < 2; ++i) {
      const auto reply = decrypt();
      ASSERT_FALSE(reply);
      EXPECT_EQ(reply.error().code(), Code::unavailable);
      says(reply.error().message(), why);
    }
    EXPECT_EQ(pair.cloud.computed(), before);
    const auto health = nlohmann::json::parse(
        must(pair.cloud.call(ipc::Route::health, "", pair.admin.certificate.der(), {})));
    EXPECT_EQ(health["status"], "degraded");
    says(health["store"], why);
  }
  // What the store has, as somebody else sees it.
  std::string ask(const std::string& question) {
    sql("CREATE TABLE aside.answer AS " + question);
    Owned<sqlite3, sqlite3_close_v2> database;
    Owned<sqlite3_stmt, sqlite3_finalize> statement;
    EXPECT_EQ(sqlite3_open(testing::aside_of(pair.cloud.store()).c_str(), out(database)), SQLITE_OK);
    sqlite3_prepare_v2(database.get(), "SELECT * FROM answer", -1, out(statement), nullptr);
    EXPECT_EQ(sqlite3_step(statement.get()), SQLITE_ROW);
    std::string answer(reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0)));
    statement.reset();
    database.reset();
    sql("DROP TABLE aside.answer");
    return answer;
  }

  std::optional<testing::TestFile> file;
};

// What makes a statement write nothing, with the agent none the wiser.
std::string swallowing(const std::string& table) {
  return "CREATE TRIGGER i_" + table + " BEFORE INSERT ON " + table + " BEGIN SELECT RAISE(IGNORE); END;" +
         "CREATE TRIGGER u_" + table + " BEFORE UPDATE ON " + table + " BEGIN SELECT RAISE(IGNORE); END;";
}

std::string rewritten(const std::string& object, const std::string& from, const std::string& to) {
  return "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, '" + from + "', '" + to +
         "') WHERE name='" + object + "'; PRAGMA writable_schema=RESET;";
}

TEST_F(AlteredSchema, IsFoundAtTheStart) {
  const std::string all =
      swallowing("log") + swallowing("log_head") + swallowing("erasures_mac") + swallowing("nonces");
  for (const std::string& statements : {
           all,
           std::string("CREATE TRIGGER forget AFTER INSERT ON nonces BEGIN DELETE FROM nonces; END"),
           std::string("CREATE VIEW more AS SELECT * FROM keys"),
           std::string("ALTER TABLE nonces RENAME TO n; CREATE VIEW nonces AS SELECT * FROM n"),
           std::string("CREATE TABLE more(a)"),
           std::string("CREATE VIRTUAL TABLE more USING fts5(a)"),
           std::string("CREATE INDEX more ON log(entry)"),
           std::string("DROP INDEX nonces_by_time"),
           std::string("DROP TABLE forgotten_nonces"),
           std::string("ANALYZE"),
           std::string("ALTER TABLE log ADD COLUMN more BLOB"),
           std::string("ALTER TABLE log ADD COLUMN more INT GENERATED ALWAYS AS (abs(seq)) VIRTUAL"),
           rewritten("nonces", "PRIMARY KEY(client, nonce)", "PRIMARY KEY(client, nonce) ON CONFLICT IGNORE"),
           rewritten("log", "entry BLOB NOT NULL", "entry BLOB NOT NULL CHECK(seq < 9)"),
           rewritten("client_lists", "tenant TEXT", "tenant TEXT COLLATE NOCASE"),
           rewritten("nonces_by_time", "(time_ms)", "(time_ms) WHERE time_ms > 9"),
           std::string("PRAGMA user_version=8"),
           std::string("PRAGMA user_version=0"),
       })
    says(refusal(statements), "schema was altered");
  EXPECT_EQ(refusal("VACUUM"), "opened");
}

// As the runbook says of an ANALYZE by hand.
TEST_F(AlteredSchema, TheTableOfAnAnalyzeIsNamedAndCanBeDropped) {
  says(refusal("ANALYZE"), "\"sqlite_stat1\"");
  EXPECT_EQ(refusal("ANALYZE; DROP TABLE sqlite_stat1"), "opened");
}

// SQLite reads the schema again when it changes, also under a running agent.
TEST_F(AlteredSchema, IsFoundWhileTheAgentRuns) {
  pair.cloud.open();
  must(decrypt());
  const std::string entries = ask("SELECT count(*) FROM log");
  sql(swallowing("log") + swallowing("log_head") + swallowing("erasures_mac") + swallowing("nonces"));
  expect_nothing_answered("schema was altered");
  EXPECT_EQ(ask("SELECT count(*) FROM log"), entries);
  // It does not go on as if nothing had been.
  for (const std::string table : {"log", "log_head", "erasures_mac", "nonces"})
    sql("DROP TRIGGER i_" + table + "; DROP TRIGGER u_" + table);
  expect_nothing_answered("schema was altered");
  pair.cloud.close();
  pair.cloud.open();
  must(decrypt());
  testing::read_log(pair.cloud, pair.bundle(), pair.admin);
}

TEST_F(AlteredSchema, IsNotFoundInAStoreThatWasOnlyCompacted) {
  pair.cloud.open();
  must(decrypt());
  sql("VACUUM");
  must(decrypt());
}

TEST_F(AlteredSchema, AnIndexThatDisagreesWithItsTableIsFound) {
  // Another index's pages stand in for its own. Nothing that is read at the start would show it.
  says(refusal("PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rootpage=(SELECT rootpage FROM "
               "sqlite_schema WHERE name='sqlite_autoindex_client_lists_1') WHERE name='nonces_by_time'; "
               "PRAGMA writable_schema=RESET;"),
       "damaged");
}

// A store whose files were exchanged writes into ones that are there for nobody.
TEST_F(AlteredSchema, AReplacedFileIsNoticed) {
  for (const std::string suffix : {"", "-wal", "-shm"}) {
    pair.cloud.open();
    must(decrypt());
    const std::string name = pair.cloud.store().string() + suffix;
    std::filesystem::rename(name, name + ".moved");
    std::filesystem::copy_file(name + ".moved", name);
    expect_nothing_answered("moved or replaced");
    std::filesystem::rename(name + ".moved", name);
    pair.cloud.close();
  }
  pair.cloud.open();
  must(decrypt());
}

TEST_F(AlteredSchema, ARemovedFileIsNoticed) {
  for (const std::string suffix : {"", "-wal"}) {
    pair.cloud.open();
    must(decrypt());
    const std::string name = pair.cloud.store().string() + suffix;
    std::filesystem::rename(name, name + ".moved");
    expect_nothing_answered("moved or replaced");
    std::filesystem::rename(name + ".moved", name);
    pair.cloud.close();
  }
}

// The next entry would stand under a new signed head, and nobody would miss those that were removed before
// the agent starts again.
TEST_F(AlteredSchema, ALogThatWasCutUnderTheAgentIsNoticed) {
  const std::string newest_entry = "DELETE FROM log WHERE seq=(SELECT max(seq) FROM log); ";
  for (const std::string& cut :
       {newest_entry, std::string("DELETE FROM log_head"), newest_entry + "DELETE FROM log_head",
        std::string("DELETE FROM log; DELETE FROM log_head"),
        std::string("UPDATE log_head SET head=(SELECT head FROM aside.older_head)"),
        std::string("DELETE FROM log WHERE seq>(SELECT seq FROM aside.older); "
                    "UPDATE log_head SET head=(SELECT head FROM aside.older_head)")}) {
    SCOPED_TRACE(cut);
    pair.cloud.open();
    must(decrypt());
    sql("CREATE TABLE aside.older AS SELECT max(seq) AS seq FROM log; "
        "CREATE TABLE aside.older_head AS SELECT head FROM log_head");
    must(decrypt());
    sql("CREATE TABLE aside.whole AS SELECT * FROM log; CREATE TABLE aside.head AS SELECT * FROM log_head; " +
        cut);
    expect_nothing_answered("the log was altered");
    // Not even if all is as it was: what happened meanwhile is for somebody to find out.
    sql("INSERT OR IGNORE INTO log SELECT * FROM aside.whole; "
        "INSERT OR REPLACE INTO log_head SELECT * FROM aside.head; DROP TABLE aside.older; "
        "DROP TABLE aside.older_head; DROP TABLE aside.whole; DROP TABLE aside.head");
    expect_nothing_answered("the log was altered");
    pair.cloud.close();
  }
  pair.cloud.open();
  must(decrypt());
  testing::read_log(pair.cloud, pair.bundle(), pair.admin);
}

TEST(Store, TakesNoStatementThatWroteNothingForOneThatWrote) {
  harness::Scratch scratch;
  const auto store = must(Store::open(scratch / "store.db"));
  auto transaction = must(store->begin());
  const auto written = transaction.query("UPDATE log SET entry=x'00' WHERE seq=1").run(Rows::one);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::unavailable);
  must(transaction.query("UPDATE log SET entry=x'00' WHERE seq=1").run(Rows::any));
}

// Beside the comparison: what a schema could do is off.
TEST(Store, ObeysNoTriggerAndNoView) {
  Owned<sqlite3, sqlite3_close_v2> database;
  ASSERT_EQ(sqlite3_open(":memory:", out(database)), SQLITE_OK);
  const auto run = [&](const char* sql) {
    return sqlite3_exec(database.get(), sql, nullptr, nullptr, nullptr);
  };
  ASSERT_EQ(run("CREATE TABLE t(a); CREATE VIEW v AS SELECT 1; "
                "CREATE TRIGGER s BEFORE INSERT ON t BEGIN SELECT RAISE(IGNORE); END"),
            SQLITE_OK);
  must(harden(database.get()));
  ASSERT_EQ(run("INSERT INTO t VALUES(1)"), SQLITE_OK);
  EXPECT_EQ(sqlite3_changes(database.get()), 1);
  EXPECT_NE(run("SELECT * FROM v"), SQLITE_OK);
  EXPECT_NE(run("SELECT \"no such column\" FROM t"), SQLITE_OK);
  EXPECT_NE(run("SELECT load_extension('x')"), SQLITE_OK);
  run("PRAGMA writable_schema=ON");
  EXPECT_NE(run("DELETE FROM sqlite_schema"), SQLITE_OK);
}

}  // namespace
}  // namespace coprotect::agent::custodian
