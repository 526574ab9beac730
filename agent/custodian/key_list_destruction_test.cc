#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "agent/custodian/testing/test_key_list.h"

// What a key list says of a destroyed key is carried out, after the agent's own waiting time.
namespace coprotect::agent::custodian {
namespace {

using protocol::KeyList;
using protocol::KeyUse;
using testing::KeyListOfAnAgent;
using testing::kHourMs;
using testing::kNoShares;

TEST_F(KeyListOfAnAgent, GivesADestructionItsTime) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const auto early = put(1, KeyUse::destroyed, now() + 30 * kHourMs - 1);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code(), Code::denied);
  EXPECT_NE(early.error().message().find("waiting time of 108000 s"), std::string::npos);
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  // What is announced may be said again, or put off, but not be brought forward.
  pair.clock->now_ms += 10 * kHourMs;
  must(put(2, KeyUse::destroyed, now() + 20 * kHourMs));
  EXPECT_EQ(code_of(put(3, KeyUse::destroyed, now() + 20 * kHourMs - 1)), Code::denied);
  must(put(3, KeyUse::destroyed, now() + 25 * kHourMs));
  pair.cloud.custodian().sweep();
  must(put(4, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
}

// An agent that joins has to take the list of a tenant whose keys have come and gone.
TEST_F(KeyListOfAnAgent, TakesADestructionThatIsOverOfAKeyThatItDoesNotHold) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const std::int64_t over = now() - 1'000 * kHourMs;
  must(put(list(1, {{key_id(), KeyUse::encrypts, 0}, {{9}, KeyUse::destroyed, over}})));
  EXPECT_EQ(code_of(put(list(2, {{key_id(), KeyUse::destroyed, over}, {{9}, KeyUse::destroyed, over}}))),
            Code::denied);
  must(put(list(2, {{key_id(), KeyUse::decrypt_only, 0}, {{9}, KeyUse::destroyed, over}})));
  // Here, where it waits yet, it can be taken back; nobody is told that it is over.
  must(put(list(3, {{key_id(), KeyUse::decrypt_only, 0}, {{9}, KeyUse::disabled, 0}})));
}

// An agent that was down, or whose store was put back, is told late. It must not lose its tenant over that,
// and its shares have their time all the same.
TEST_F(KeyListOfAnAgent, GivesADestructionThatItMissedItsTimeToo) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const Bytes shares = stored_shares();
  must(put(1, KeyUse::encrypts));
  EXPECT_EQ(code_of(put(2, KeyUse::destroyed, now() + kHourMs)), Code::denied);
  must(put(3, KeyUse::destroyed, now() + kHourMs));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  pair.clock->now_ms += 29 * kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);
}

// Whoever sets the host's clock forward erases nothing, and makes no destruction final.
TEST_F(KeyListOfAnAgent, AClockThatIsSetForwardErasesNothing) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  const Bytes shares = stored_shares();
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  pair.clock->set_forward(40 * kHourMs);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  // The list said again, for a date that has come, waits on as it did.
  must(put(2, KeyUse::destroyed, now() - 10 * kHourMs));
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 29 * kHourMs;
  pair.cloud.custodian().sweep();
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);

  EXPECT_EQ(code_of(put(3, KeyUse::decrypt_only)), Code::conflict);
  EXPECT_EQ(code_of(put(list(3, {}))), Code::conflict) << "a key that this agent had stays on the list";
}

TEST_F(KeyListOfAnAgent, ADestructionIsTakenBackUntilTheAgentHasWaited) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::hours(30);
  pair.cloud.open();
  must(put(1, KeyUse::destroyed, now() + 30 * kHourMs));
  pair.clock->set_forward(40 * kHourMs);
  pair.cloud.custodian().sweep();
  must(put(2, KeyUse::decrypt_only));
  EXPECT_EQ(decrypts(), "ok");
}

TEST_F(KeyListOfAnAgent, ErasesADestroyedKeysSharesWhenItsTimeHasCome) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::seconds(2);
  pair.cloud.open();
  // Both end in what is sealed, which stands nowhere else.
  const Bytes shares = stored_shares();
  const Bytes blob = stored_blob();
  ASSERT_TRUE(on_disk(ByteView(shares).last(24)));
  ASSERT_TRUE(on_disk(ByteView(blob).last(24)));
  must(put(1, KeyUse::destroyed, now() + 2000));
  pair.clock->now_ms += 1999;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 1;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);
  EXPECT_EQ(stored_blob(), Bytes{});
  EXPECT_FALSE(on_disk(ByteView(shares).last(24)));
  EXPECT_FALSE(on_disk(ByteView(blob).last(24)));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  EXPECT_EQ(
      key_list_entries(),
      (std::vector<std::string>{"serial 1, 1 keys", "the destroyed key's shares are removed from the store",
                                "the destroyed key's shares are erased"}));

  // For good, also after a restart, whatever the clock says and whoever asks.
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(code_of(put(2, KeyUse::decrypt_only)), Code::conflict);
  pair.clock->now_ms -= 1000;
  EXPECT_EQ(code_of(put(2, KeyUse::decrypt_only)), Code::conflict);
  must(put(2, KeyUse::destroyed, now()));
  EXPECT_EQ(decrypts(), "denied: the key is destroyed");
  static_cast<void>(pair.tool.post(0, ipc::Route::activate, pair.bundle().encoded()));
  EXPECT_EQ(stored_shares(), kNoShares);
  EXPECT_FALSE(pair.tool.post(0, ipc::Route::store_blob, pair.tool.blob_message(0)));
  EXPECT_EQ(stored_shares(), kNoShares);
  must(pair.cloud.call(ipc::Route::bundle, to_hex(key_id()), pair.alice.certificate.der(), {}));
}

// Time in which the agent did not run does not count; what had come before it died is made good at its start.
TEST_F(KeyListOfAnAgent, ErasesAtItsStartWhatWasDueBefore) {
  const Bytes shares = stored_shares();
  must(put(1, KeyUse::destroyed, now() + 30 * 24 * kHourMs));
  pair.cloud.close();
  pair.clock->now_ms += 30 * 24 * kHourMs;
  pair.cloud.open();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 30 * 24 * kHourMs - 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), shares);
  pair.clock->now_ms += 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(stored_shares(), kNoShares);
}

// It took a share of nothing, so its word ends nothing: the tenant's later lists must reach it.
TEST_F(KeyListOfAnAgent, IsFinalOnlyWhereSharesWereErased) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::milliseconds(kHourMs);
  pair.cloud.open();
  const std::int64_t over = now() - 1'000 * kHourMs;
  must(put(list(1, {{key_id(), KeyUse::encrypts, 0}, {{9}, KeyUse::destroyed, now() + kHourMs}})));
  pair.clock->now_ms += 2 * kHourMs;
  pair.cloud.custodian().sweep();
  must(put(list(2, {{key_id(), KeyUse::decrypt_only, 0}, {{9}, KeyUse::decrypt_only, 0}})));
  must(put(list(3, {{key_id(), KeyUse::disabled, 0}, {{9}, KeyUse::destroyed, over}})));
  must(put(list(4, {{key_id(), KeyUse::disabled, 0}, {{9}, KeyUse::disabled, 0}})));
  EXPECT_EQ(decrypts(), "denied: the key is disabled");
}

// An agent with another key of the tenant, which is to get its first share of this one.
class JoinOfADestroyedKey : public testing::HandoverFixture {
 protected:
  JoinOfADestroyedKey() {
    testing::Tool mail({&pair.cloud, joiner.get()}, pair.acme, protocol::SuiteId::p256);
    mail.run();
    enrol_at(*joiner);
    joiner->close();
    joiner->destroy_wait = std::chrono::milliseconds(kHourMs);
    joiner->open();
  }
  Result<Bytes> tell_joiner(std::uint64_t serial, KeyUse use) {
    const KeyList list{.tenant = "acme",
                       .serial = serial,
                       .time_ms = pair.clock->now_ms,
                       .keys = {{bundle.key_id(), use, pair.clock->now_ms + kHourMs}}};
    return joiner->call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                        list.sign(pair.acme.ca_key()));
  }
  testing::HandoverTool with_joiner() {
    testing::HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                               {.t = 2, .agents = {{&pair.cloud, 1}, {joiner.get(), 2}}, .recovery = 3},
                               {1, 2});
    tool.approve(pair.cloud);
    tool.approve(pair.company);
    tool.offer();
    tool.plan();
    tool.gather_consents();
    tool.deal();
    return tool;
  }

  std::unique_ptr<testing::TestAgent> joiner = another("newcompany");
};

TEST_F(JoinOfADestroyedKey, IsRefusedUntilAListTakesTheDestructionBack) {
  must(tell_joiner(1, KeyUse::destroyed));
  testing::HandoverTool tool = with_joiner();
  const auto refused = tool.prepare_at(*joiner);
  EXPECT_EQ(code_of(refused), "denied");
  EXPECT_TRUE(contains(why(refused), "the tenant's key list destroys key")) << why(refused);
  // Its time comes; there is nothing that this agent erased.
  pair.clock->now_ms += 2 * kHourMs;
  joiner->custodian().sweep();
  must(tell_joiner(2, KeyUse::decrypt_only));
  testing::HandoverTool again = with_joiner();
  must(again.prepare_at(*joiner));
}

TEST_F(JoinOfADestroyedKey, IsNotActivated) {
  testing::HandoverTool tool = with_joiner();
  tool.prepare();
  tool.sign();
  must(tell_joiner(1, KeyUse::destroyed));
  const auto refused = tool.activate_at(*joiner);
  EXPECT_EQ(code_of(refused), "denied");
  EXPECT_TRUE(contains(why(refused), "the tenant's key list destroys key")) << why(refused);
  must(tell_joiner(2, KeyUse::decrypt_only));
  must(tool.activate_at(*joiner));
}

// The tool goes by this, and not by the time in the list.
TEST_F(JoinOfADestroyedKey, TheStatusSaysWhetherSharesAreErased) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::milliseconds(kHourMs);
  pair.cloud.open();
  testing::HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 2});
  const KeyList list{.tenant = "acme",
                     .serial = 2,
                     .time_ms = pair.clock->now_ms,
                     .keys = {{bundle.key_id(), KeyUse::destroyed, pair.clock->now_ms - kHourMs}}};
  must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                       list.sign(pair.acme.ca_key())));
  pair.cloud.custodian().sweep();
  EXPECT_FALSE(tool.status(pair.cloud).condition.erased);
  // Taken out of the store, but the token still has what opens copies.
  remove_token();
  pair.clock->now_ms += kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_FALSE(tool.status(pair.cloud).condition.erased);
  restore_token();
  pair.clock->now_ms += 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_TRUE(tool.status(pair.cloud).condition.erased);
  pair.cloud.hold_erasure(bundle.key_id());
  pair.cloud.custodian().sweep();
  EXPECT_TRUE(tool.status(pair.cloud).condition.erased);
  EXPECT_FALSE(tool.status(pair.cloud).condition.erasure_held);
}

}  // namespace
}  // namespace coprotect::agent::custodian
