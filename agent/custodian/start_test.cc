#include "agent/custodian/testing/test_handover.h"
#include "protocol/message/key_list.h"

// What an agent does at its start, before it has asked another one how far it had come.
namespace coprotect::agent::custodian {
namespace {

using protocol::KeyUse;

class Start : public testing::HandoverFixture {
 protected:
  void put_list(std::uint64_t serial, KeyUse use) {
    const std::int64_t now = pair.clock->now_ms;
    const protocol::KeyList list{
        .tenant = "acme", .serial = serial, .time_ms = now, .keys = {{bundle.key_id(), use, now + 2'000}}};
    must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                         list.sign(pair.acme.ca_key())));
  }
  void wait_and_sweep() {
    pair.clock->now_ms += 120'000;
    pair.cloud.custodian().sweep();
  }
  bool has_shares() {
    auto transaction = must(pair.cloud.custodian().store().begin());
    Query query = transaction.query("SELECT shares FROM keys");
    must(query.step());
    return query.blob(0) != Bytes{0};
  }
  // The tenant destroys the key, and the operator keeps its shares from being erased.
  void destroy_what_is_held() {
    pair.cloud.close();
    pair.cloud.destroy_wait = std::chrono::seconds(1);
    pair.cloud.open();
    pair.cloud.hold_erasure(bundle.key_id());
    put_list(1, KeyUse::destroyed);
    wait_and_sweep();
  }
};

// The operator held the erasure until the tenant took the destruction back. The store of before that is put
// back, and no mark says so.
TEST_F(Start, ErasesNothingBeforeAnotherAgentWasAsked) {
  destroy_what_is_held();
  ASSERT_TRUE(has_shares());
  save(pair.cloud);
  put_list(2, KeyUse::decrypt_only);
  pair.cloud.hold_erasure(bundle.key_id(), false);
  wait_and_sweep();
  settle(pair.cloud, pair.company);

  put_back(pair.cloud);
  EXPECT_TRUE(has_shares());
  EXPECT_NE(settle(pair.cloud, pair.company), "");
  wait_and_sweep();
  EXPECT_TRUE(has_shares());
}

// By then other agents were asked, if any answers.
TEST_F(Start, LeavesWhatIsDueToTheFirstSweep) {
  destroy_what_is_held();
  pair.cloud.close();
  pair.cloud.hold_erasure(bundle.key_id(), false);
  pair.cloud.open();
  EXPECT_TRUE(has_shares());
  pair.cloud.custodian().sweep();
  EXPECT_FALSE(has_shares());
  EXPECT_EQ(pair.cloud.custodian().not_erased(), "");
}

}  // namespace
}  // namespace coprotect::agent::custodian
