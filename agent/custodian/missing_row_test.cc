#include "agent/custodian/replay.h"
#include "agent/custodian/testing/test_tampering.h"

// Each row shows by its MAC that it is genuine. That none is missing, added or put back shows one MAC over
// all of them.
namespace coprotect::agent::custodian {
namespace {

class MissingRow : public testing::Tampering {
 protected:
  MissingRow() {
    pair.cloud.open();
    second.run();
    pair.clock->now_ms += 3 * protocol::kRequestWindowMs;
    pair.cloud.custodian().sweep();
    pair.cloud.close();
  }

  std::string of_key(const testing::Tool& tool) { return "key_id=x'" + to_hex(tool.bundle().key_id()) + "'"; }
  std::string answer() {
    const auto file = testing::encrypt(pair.bundle());
    const auto reply =
        testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice);
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  }

  testing::Tool second{{&pair.cloud, &pair.company}, pair.acme, protocol::SuiteId::p256};
};

TEST_F(MissingRow, OfAKeyIsFound) {
  for (const testing::Tool* const tool : {&pair.tool, &second})
    says(refusal("DELETE FROM keys WHERE " + of_key(*tool)), "removed");
  EXPECT_EQ(refusal("SELECT 1"), "opened");
}

TEST_F(MissingRow, OfAnyTableThatAuthorisesIsFound) {
  pair.cloud.open();
  must(pair.company.call(ipc::Route::peer_state, "", pair.cloud.tls_certificate(),
                         must(pair.cloud.custodian().peers().ask()).front().body));
  must(pair.cloud.call(ipc::Route::peer_state, "", pair.company.tls_certificate(),
                       must(pair.company.custodian().peers().ask()).front().body));
  protocol::KeyList keys{.tenant = "acme", .serial = 1, .time_ms = pair.clock->now_ms, .keys = {}};
  keys.keys.push_back({.key_id = second.bundle().key_id(),
                       .use = protocol::KeyUse::destroyed,
                       .effective_ms = pair.clock->now_ms + 40 * 24 * testing::kHourMs});
  must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                       keys.sign(pair.acme.ca_key())));
  pair.cloud.close();
  for (const std::string table : {"peer_questions", "destructions", "forgotten_nonces"})
    says(refusal("DELETE FROM " + table), "removed");
  EXPECT_EQ(refusal("SELECT 1"), "opened");
}

// Its MAC is genuine: it is of this agent, and of an earlier time.
TEST_F(MissingRow, AnEarlierOneInItsPlaceIsFound) {
  sql("CREATE TABLE aside.earlier AS SELECT * FROM forgotten_nonces; CREATE TABLE aside.macs AS SELECT * "
      "FROM "
      "erasures_mac");
  pair.cloud.open();
  EXPECT_EQ(answer(), "ok");
  pair.clock->now_ms += 3 * protocol::kRequestWindowMs;
  pair.cloud.custodian().sweep();
  pair.cloud.close();
  const std::string put_back =
      "DELETE FROM forgotten_nonces; INSERT INTO forgotten_nonces SELECT * FROM aside.earlier";
  says(refusal(put_back), "put back");
  EXPECT_NE(
      refusal(put_back + "; DELETE FROM erasures_mac; INSERT INTO erasures_mac SELECT * FROM aside.macs"),
      "opened");
}

// A time in the future would lock a client out, and the message would blame a replay.
TEST_F(MissingRow, AnAddedOneLocksNobodyOut) {
  const std::string lock_out =
      "INSERT OR REPLACE INTO forgotten_nonces SELECT client, 99999999999999 FROM forgotten_nonces";
  says(refusal(lock_out), "added");
  pair.cloud.open();
  sql(lock_out);
  EXPECT_EQ(answer(), "ok");
  pair.clock->now_ms += 3 * protocol::kRequestWindowMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(answer(), "ok");
}

// The agent had shares; whoever takes its store away does not make it a new one.
TEST_F(MissingRow, AStoreThatIsGoneIsNoNewOne) {
  const std::filesystem::path store = pair.cloud.store();
  const std::filesystem::path saved = store.string() + ".saved";
  std::filesystem::rename(store, saved);
  for (int i = 0; i < 2; ++i) {  // what the first start left behind changes nothing
    const auto opened = pair.cloud.try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::altered);
    says(opened.error().message(), "missing or empty");
    says(opened.error().message(), "restore-backup");
    pair.cloud.close();
  }
  for (const char* const suffix : {"-wal", "-shm"}) std::filesystem::remove(store.string() + suffix);
  std::filesystem::rename(saved, store);
  says(refusal(
           "DELETE FROM keys; DELETE FROM client_lists; DELETE FROM log; DELETE FROM log_head; DELETE FROM "
           "forgotten_nonces; DELETE FROM erasures_mac"),
       "missing or empty");
  pair.cloud.open();
  EXPECT_EQ(answer(), "ok");
}

TEST_F(MissingRow, OfATransactionThatFailedIsNotMissed) {
  pair.cloud.open();
  {
    auto transaction = must(pair.cloud.custodian().store().begin());
    transaction.rows().put(Table::floors, {1}, {2});
    transaction.rows().remove(Table::forgotten_nonces, {3});
  }
  EXPECT_EQ(answer(), "ok");
  pair.cloud.close();
  pair.cloud.open();
}

TEST(RowList, GoesBackToWhatWasKept) {
  RowList list;
  list.put(Table::keys, {1}, {1});
  list.put(Table::floors, {1}, {1});
  list.keep();
  const Bytes before = list.summary();
  list.put(Table::keys, {1}, {2});
  list.put(Table::keys, {2}, {2});
  list.remove(Table::keys, {1});
  list.put(Table::keys, {1}, {3});
  EXPECT_NE(list.summary(), before);
  list.roll_back();
  EXPECT_EQ(list.summary(), before);
  EXPECT_FALSE(list.changed());
  // Which table a row is of counts.
  RowList other;
  other.put(Table::key_lists, {1}, {1});
  other.put(Table::floors, {1}, {1});
  EXPECT_NE(other.summary(), before);
}

}  // namespace
}  // namespace coprotect::agent::custodian
