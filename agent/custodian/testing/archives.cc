#include "agent/custodian/testing/archives.h"

#include <sqlite3.h>

#include "agent/custodian/sqlite.h"
#include "protocol/base/owned.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/log_cut.h"

namespace coprotect::agent::custodian::testing {
namespace {

// A store that its agent may have open at the same time.
class ReadStore {
 public:
  explicit ReadStore(const TestAgent& agent) {
    invariant(sqlite3_open_v2(agent.store().c_str(), out(database_), SQLITE_OPEN_READONLY, nullptr) ==
              SQLITE_OK);
  }
  template <typename Row>
  void each(const char* sql, Row row) {
    Owned<sqlite3_stmt, sqlite3_finalize> statement;
    invariant(sqlite3_prepare_v2(database_.get(), sql, -1, out(statement), nullptr) == SQLITE_OK);
    Query query(database_.get(), statement.get());
    must(query.each([&]() -> Status {
      row(query);
      return Done{};
    }));
  }
  std::uint64_t number(const char* sql) {
    std::uint64_t found = 0;
    each(sql, [&](const Query& query) { found = static_cast<std::uint64_t>(query.integer(0)); });
    return found;
  }

 private:
  Owned<sqlite3, sqlite3_close_v2> database_;
};

}  // namespace

hsm::LogCutRequest archived(const TestAgent& agent, std::uint64_t seq) {
  ReadStore store(agent);
  hsm::LogCutRequest request{
      .after = 0, .seq = 0, .chain = {}, .count = 0, .archive = Digest{7}, .unheard = false};
  store.each("SELECT cut FROM log_cut", [&](const Query& query) {
    const auto cut = must(protocol::LogCut::parse(query.blob(0)));
    request.after = cut.seq;
    request.chain = cut.chain;
  });
  store.each("SELECT seq, entry FROM log ORDER BY seq", [&](const Query& query) {
    if (static_cast<std::uint64_t>(query.integer(0)) > seq) return;
    request.seq = static_cast<std::uint64_t>(query.integer(0));
    request.chain = protocol::chain_next(request.chain, protocol::sha256(query.blob(1)));
    ++request.count;
  });
  return request;
}

Bytes entry_in(const TestAgent& agent, std::uint64_t seq) {
  Bytes found;
  ReadStore(agent).each("SELECT seq, entry FROM log", [&](const Query& query) {
    if (static_cast<std::uint64_t>(query.integer(0)) == seq) found = query.blob(1);
  });
  return found;
}

std::uint64_t last_entry(const TestAgent& agent) {
  return ReadStore(agent).number("SELECT max(seq) FROM log");
}

std::uint64_t entries_in(const TestAgent& agent) {
  return ReadStore(agent).number("SELECT count(*) FROM log");
}

}  // namespace coprotect::agent::custodian::testing
