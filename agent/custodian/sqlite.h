#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// The store's error: Code::unavailable if space, another process or the disk is the cause, Code::altered if
// the file is damaged.
Error sqlite_error(sqlite3* database, std::string_view doing);

// How many rows a statement must change.
enum class Rows { one, any };

// One use of a prepared statement: bind the parameters in order, then step. Bound values must outlive the
// query. The destructor releases the statement for its next use.
class Query {
 public:
  // A null statement is one that could not be prepared: the first step says why.
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

  // Whether a row is available.
  Result<bool> step();
  // For a statement that changes rows. Code::unavailable if it had to change one row and did not: then the
  // store is not in the expected state, and nothing was written.
  Status run(Rows rows);
  // Calls row(), which returns a Status, for each remaining row. Stops at the first failure.
  template <typename Row>
  Status each(Row row) {
    for (;;) {
      const auto ready = step();
      if (!ready) return ready.error();
      if (!*ready) return Done{};
      if (auto done = row(); !done) return done;
    }
  }
  // Whether the last failure was a violated PRIMARY KEY or UNIQUE constraint.
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
