#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "protocol/base/owned.h"

namespace coprotect::agent::custodian::testing {

// Where the statements below keep data: outside the agent's folder.
inline std::string aside_of(const std::filesystem::path& store) {
  return store.parent_path().parent_path().string() + ".aside";
}

// Runs SQL statements like an attacker who can write an agent's store file. Data kept in `aside` is not in
// the store.
inline void run_sql(const std::filesystem::path& store, const std::string& statements) {
  Owned<sqlite3, sqlite3_close_v2> database;
  ASSERT_EQ(sqlite3_open(store.c_str(), out(database)), SQLITE_OK);
  const std::string all = "ATTACH '" + aside_of(store) + "' AS aside; " + statements;
  ASSERT_EQ(sqlite3_exec(database.get(), all.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database.get());
}

}  // namespace coprotect::agent::custodian::testing
