#include "agent/custodian/schema.h"

#include <array>
#include <set>
#include <tuple>

#include "agent/custodian/sqlite.h"
#include "protocol/base/owned.h"

namespace coprotect::agent::custodian {
namespace {

using Database = Owned<sqlite3, sqlite3_close_v2>;
using Statement = Owned<sqlite3_stmt, sqlite3_finalize>;

// Step n takes a store from schema version n to n + 1. Steps are only ever added.
constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE keys(
  key_id BLOB PRIMARY KEY,
  sid BLOB NOT NULL UNIQUE,
  invitation BLOB NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  description BLOB NOT NULL,
  shares BLOB NOT NULL,
  recovery_blob BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE client_lists(
  tenant TEXT PRIMARY KEY,
  list BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE nonces(
  client BLOB NOT NULL,
  nonce BLOB NOT NULL,
  time_ms INTEGER NOT NULL,
  PRIMARY KEY(client, nonce)) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_time ON nonces(time_ms);
CREATE TABLE log(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE log_head(only INTEGER PRIMARY KEY CHECK(only = 1), head BLOB NOT NULL) STRICT;
)sql",
    // A key has a row for each epoch that concerns this agent.
    R"sql(
ALTER TABLE keys RENAME TO keys_of_one_epoch;
CREATE TABLE keys(
  key_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  sid BLOB NOT NULL UNIQUE,
  invitation BLOB NOT NULL,
  state INTEGER NOT NULL,
  description BLOB NOT NULL,
  shares BLOB NOT NULL,
  recovery_blob BLOB NOT NULL,
  recovery_parts BLOB NOT NULL,
  decided INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(key_id, epoch)) STRICT;
INSERT INTO keys
  SELECT key_id, epoch, sid, invitation, state, description, shares, recovery_blob, x'', 0, mac
  FROM keys_of_one_epoch;
DROP TABLE keys_of_one_epoch;
CREATE TABLE announcements(
  key_id BLOB PRIMARY KEY,
  announcement BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
)sql",
    R"sql(
CREATE TABLE peer_questions(
  peer BLOB PRIMARY KEY,
  question BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE floors(
  kind INTEGER NOT NULL,
  name BLOB NOT NULL,
  least INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE key_lists(
  tenant TEXT PRIMARY KEY,
  list BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
)sql",
    // Epochs whose sealing keys are to be destroyed (epoch_erasure.h).
    R"sql(
CREATE TABLE erasures(
  key_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  PRIMARY KEY(key_id, epoch)) STRICT, WITHOUT ROWID;
)sql",
    // Waits count the agent's running time; a key can have several announcements.
    R"sql(
CREATE TABLE running(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  ms INTEGER NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE destructions(
  key_id BLOB PRIMARY KEY,
  effective_ms INTEGER NOT NULL,
  running_ms INTEGER NOT NULL,
  mac BLOB NOT NULL) STRICT, WITHOUT ROWID;
DROP TABLE announcements;
CREATE TABLE announcements(
  key_id BLOB NOT NULL,
  announcer BLOB NOT NULL,
  announcement BLOB NOT NULL,
  running_ms INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(key_id, announcer)) STRICT, WITHOUT ROWID;
)sql",
    // The list of due epochs is authenticated as a whole (due_epochs.h).
    R"sql(
CREATE TABLE erasures_mac(only INTEGER PRIMARY KEY CHECK(only = 1), mac BLOB NOT NULL) STRICT;
)sql",
    "ALTER TABLE keys ADD COLUMN acknowledgements BLOB NOT NULL DEFAULT x'00';",
    // The running time at which the agent recorded a nonce; and for each client the newest time of a
    // forgotten one.
    R"sql(
ALTER TABLE nonces ADD COLUMN running_ms INTEGER NOT NULL DEFAULT 0;
CREATE TABLE forgotten_nonces(client BLOB PRIMARY KEY, newest_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)sql",
    // Where the log begins, if its beginning was archived, and what is still needed of that (log_state.h).
    R"sql(
CREATE TABLE log_cut(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  cut BLOB NOT NULL,
  state BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
)sql",
    // The hash of each entry, which distinguishes a damaged entry from an altered log (log_damage.cc).
    R"sql(
CREATE TABLE log_hashes(seq INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
)sql",
};

constexpr std::size_t kNewest = kMigrations.size();

// SQLite's record of a table or index: type, name, table, and the text of the statement that made it.
using Object = std::tuple<std::string, std::string, std::string, std::string>;

Status execute(sqlite3* database, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return sqlite_error(database, "run a statement");
  return Done{};
}

Result<Statement> prepare(sqlite3* database, const char* sql) {
  Statement statement;
  if (sqlite3_prepare_v2(database, sql, -1, out(statement), nullptr) != SQLITE_OK)
    return sqlite_error(database, "read its schema");
  return statement;
}

Result<std::set<Object>> objects(sqlite3* database) {
  const auto statement = prepare(database, "SELECT type, name, tbl_name, sql FROM sqlite_schema");
  if (!statement) return statement.error();
  Query rows(database, statement->get());
  std::set<Object> found;
  const auto read = rows.each([&]() -> Status {
    found.emplace(rows.text(0), rows.text(1), rows.text(2), rows.text(3));
    return Done{};
  });
  if (!read) return read.error();
  return found;
}

Status migrate(sqlite3* database, std::size_t from, std::size_t to) {
  for (std::size_t step = from; step < to; ++step) {
    const std::string sql = std::string("BEGIN IMMEDIATE;") + kMigrations[step] +
                            "PRAGMA user_version=" + std::to_string(step + 1) + ";COMMIT;";
    if (auto migrated = execute(database, sql); !migrated) return migrated;
  }
  return Done{};
}

// The objects of an empty store after the first `steps` steps.
Result<std::set<Object>> expected(std::size_t steps) {
  Database model;
  if (sqlite3_open_v2(":memory:", out(model), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) !=
      SQLITE_OK)
    return Error(Code::unavailable, "store: cannot open a database in memory");
  if (auto made = migrate(model.get(), 0, steps); !made) return std::move(made).error();
  return objects(model.get());
}

Status check(sqlite3* database, std::size_t steps) {
  const auto have = objects(database);
  if (!have && have.error().code() == Code::unavailable) return have.error();
  if (!have) return Error(Code::altered, have.error().message());  // SQLite cannot read it
  const auto want = expected(steps);
  if (!want) return want.error();
  const auto altered = [](const std::string& what, const Object& object) {
    return Error(Code::altered, "store: its schema was altered: " + std::get<0>(object) + " \"" +
                                    std::get<1>(object) + "\" " + what);
  };
  for (const Object& object : *have)
    if (!want->contains(object)) return altered("is not one that this program made", object);
  for (const Object& object : *want)
    if (!have->contains(object)) return altered("is missing", object);
  return Done{};
}

}  // namespace

Status harden(sqlite3* database) {
  struct Option {
    int name;
    int value;
  };
  constexpr std::array kOptions = {
      Option{SQLITE_DBCONFIG_DEFENSIVE, 1},      Option{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
      Option{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, Option{SQLITE_DBCONFIG_ENABLE_VIEW, 0},
      Option{SQLITE_DBCONFIG_DQS_DML, 0},        Option{SQLITE_DBCONFIG_DQS_DDL, 0},
      Option{SQLITE_DBCONFIG_ENABLE_FKEY, 0},    Option{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
      Option{SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}};
  for (const Option& option : kOptions) {
    int now = -1;
    if (sqlite3_db_config(database, option.name, option.value, &now) != SQLITE_OK || now != option.value)
      return Error(Code::internal, "store: this SQLite does not know setting " + std::to_string(option.name));
  }
  return execute(database, "PRAGMA cell_size_check=ON");
}

Status bring_up_to_date(sqlite3* database) {
  std::int64_t version = 0;
  {
    const auto statement = prepare(database, "PRAGMA user_version");
    if (!statement) return statement.error();
    Query query(database, statement->get());
    const auto row = query.step();
    if (!row) return row.error();
    version = query.integer(0);
  }
  if (version < 0 || version > static_cast<std::int64_t>(kNewest))
    return Error(Code::conflict, "store has schema version " + std::to_string(version) +
                                     ", this program knows " + std::to_string(kNewest));
  // Compared before any change and after.
  const auto steps = static_cast<std::size_t>(version);
  if (auto own = check(database, steps); !own) return own;
  if (steps == kNewest) return Done{};
  if (auto migrated = migrate(database, steps, kNewest); !migrated) return migrated;
  return check_schema(database);
}

Status check_schema(sqlite3* database) {
  return check(database, kNewest);
}

}  // namespace coprotect::agent::custodian
