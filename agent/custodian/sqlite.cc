#include "agent/custodian/sqlite.h"

namespace coprotect::agent::custodian {

Error sqlite_error(sqlite3* database, std::string_view doing) {
  const int primary = sqlite3_errcode(database) & 0xff;
  const bool damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  const bool defect = primary == SQLITE_ERROR || primary == SQLITE_MISUSE || primary == SQLITE_RANGE;
  return {damaged  ? Code::altered
          : defect ? Code::internal
                   : Code::unavailable,
          std::string("store: cannot ").append(doing) + ": " + sqlite3_errmsg(database)};
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Query& Query::bind(ByteView value) {
  ++bound_;
  // A null pointer would bind NULL, which differs from the empty value.
  if (value.empty())
    sqlite3_bind_zeroblob(statement_, bound_, 0);
  else
    sqlite3_bind_blob64(statement_, bound_, value.data(), value.size(), nullptr);
  return *this;
}

Query& Query::bind(std::string_view value) {
  sqlite3_bind_text64(statement_, ++bound_, value.empty() ? "" : value.data(), value.size(), nullptr,
                      SQLITE_UTF8);
  return *this;
}

Result<bool> Query::step() {
  if (statement_ == nullptr) return sqlite_error(database_, "prepare a statement");
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return sqlite_error(database_, "run a statement");
}

Status Query::run(Rows rows) {
  const auto row = step();
  if (!row) return row.error();
  const std::int64_t changed = sqlite3_changes64(database_);
  if (rows == Rows::one && changed != 1)
    return Error(Code::unavailable, "store: a statement that writes one row wrote " +
                                        std::to_string(changed) + ": somebody altered the store");
  return Done{};
}

bool Query::violated_uniqueness() const {
  const int code = sqlite3_extended_errcode(database_);
  return code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE;
}

Bytes Query::blob(int column) const {
  const auto* const data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

}  // namespace coprotect::agent::custodian
