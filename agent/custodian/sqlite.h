#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// What went wrong with the store: Code::unavailable where room, another process or the disk is the cause,
// Code::altered where the file is damaged.
Error sqlite_error(sqlite3* database, std::string_view doing);

// How many rows a statement is to change.
enum class Rows { one, any };

// One use of a prepared statement: bind the parameters in their order, then step. What is bound must outlive
// the query. The statement is free for its next use when this goes.
class Query {
 public:
  // A null statement could not be prepared: the first step says why.
  Query(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Query(Query&& other) noexcept
      : database_(other.database_),
        statement_(std::exchange(other.statement_, nullptr)),
        bound_(other.bound_) {}
  Query& operator=(Query&&) = delete;
  ~Query();

  Query& bind(std::int64_t value);
  Query& bind(ByteView value);
  Query& bind(std::string_view value);

  // Whether a row stands ready.
  Result<bool> step();
  // For a statement that changes rows. Code::unavailable if it was to change one row and did not: then the
  // store is not what it should be, and what was to be written is not written.
  Status run(Rows rows);
  // Runs row(), a Status, for each row that is left. Ends with the first failure.
  template <typename Row>
  Status each(Row row) {
    for (;;) {
      const auto ready = step();
      if (!ready) return ready.error();
      if (!*ready) return Done{};
      if (auto done = row(); !done) return done;
    }
  }
  // Whether the last failure was that of a PRIMARY KEY or UNIQUE.
  bool violated_uniqueness() const;

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  Bytes blob(int column) const;
  std::string text(int column) const { return std::string(text_of(blob(column))); }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

}  // namespace coprotect::agent::custodian
