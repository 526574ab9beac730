// What ends an epoch ends it for whoever has read the agent's disk before and can use its token: by a
// refresh, an abort, the destruction of the key, or because the agent holds the key no more.

#include <gtest/gtest.h>

#include <algorithm>

#include "agent/custodian/testing/old_disks.h"
#include "agent/custodian/testing/test_handover.h"
#include "hsm/epoch_keys.h"
#include "protocol/message/key_list.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::SuiteId;
using testing::HandoverTool;
using testing::OldDisks;

struct Place {
  SuiteId suite;
  bool tpm;
};

class EndedEpoch : public testing::HandoverFixture, public ::testing::WithParamInterface<Place> {
 protected:
  EndedEpoch() : HandoverFixture(GetParam().suite, GetParam().tpm) { old_disks.take(); }

  std::filesystem::path table() const { return pair.cloud.state() / hsm::kEpochKeysFile; }
  // The key is destroyed, and its waiting time is over.
  void destroy_key() {
    const std::int64_t now = pair.clock->now_ms;
    const protocol::KeyList list{.tenant = "acme",
                                 .serial = 1,
                                 .time_ms = now,
                                 .keys = {{bundle.key_id(), protocol::KeyUse::destroyed, now}}};
    must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                         list.sign(pair.acme.ca_key())));
    pair.cloud.custodian().sweep();
  }
  bool said_to_be_erased() {
    const auto entries = testing::read_log(pair.cloud, bundle, pair.admin);
    return std::ranges::any_of(
        entries, [](const auto& entry) { return entry.detail == "the destroyed key's shares are erased"; });
  }

  OldDisks old_disks{pair.cloud};
};
INSTANTIATE_TEST_SUITE_P(Places, EndedEpoch,
                         ::testing::Values(Place{SuiteId::p256, true}, Place{SuiteId::p256, false},
                                           Place{SuiteId::ffdhe3072, true}, Place{SuiteId::ffdhe3072, false}),
                         [](const auto& tested) {
                           return std::string(protocol::suite_name(tested.param.suite)) +
                                  (tested.param.tpm ? "_tpm" : "_pkcs11");
                         });

TEST_P(EndedEpoch, OpensNowhereAfterARefreshAndAfterAnAbort) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  tool.prepare();
  old_disks.take();
  tool.sign();
  tool.activate();
  old_disks.take();
  // Until all have acknowledged the new epoch the old one is needed: it may have to come back.
  EXPECT_TRUE(old_disks.all_open(0));
  EXPECT_TRUE(old_disks.all_open(1));
  tool.retire();
  ASSERT_GE(old_disks.records_of(0), 1U);
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_FALSE(old_disks.on_present_disk(0));
  EXPECT_TRUE(testing::opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));

  bundle = tool.bundle();
  HandoverTool aborted = prepare_refresh_at_cloud();
  old_disks.take();
  ASSERT_EQ(old_disks.records_of(2), 1U);
  EXPECT_TRUE(old_disks.all_open(2));
  abort_at_both(aborted);
  EXPECT_FALSE(old_disks.some_open(2));
  EXPECT_FALSE(old_disks.on_present_disk(2));
  EXPECT_TRUE(old_disks.all_open(1));
  reopen(pair.cloud);
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

// With kit and code they are the recovery share of that epoch.
TEST_P(EndedEpoch, RecoveryPartsOpenNowhereEither) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  old_disks.take();
  ASSERT_GE(old_disks.parts_of(0), 1U);
  ASSERT_GE(old_disks.parts_of(1), 1U);
  EXPECT_TRUE(old_disks.all_parts_open(0));
  tool.retire();
  EXPECT_FALSE(old_disks.some_parts_open(0));
  EXPECT_FALSE(old_disks.on_present_disk(0));
  EXPECT_TRUE(old_disks.all_parts_open(1));

  bundle = tool.bundle();
  HandoverTool aborted = prepare_refresh_at_cloud();
  old_disks.take();
  ASSERT_EQ(old_disks.parts_of(2), 1U);
  EXPECT_TRUE(old_disks.all_parts_open(2));
  abort_at_both(aborted);
  EXPECT_FALSE(old_disks.some_parts_open(2));
  EXPECT_FALSE(old_disks.on_present_disk(2));
}

TEST_P(EndedEpoch, OpensNowhereOnceItsKeyIsDestroyed) {
  // Two epochs at once: the present one and a prepared one.
  prepare_refresh_at_cloud();
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::seconds(0);
  pair.cloud.open();
  old_disks.take();
  EXPECT_TRUE(old_disks.all_open(0));
  EXPECT_TRUE(old_disks.all_open(1));
  destroy_key();
  EXPECT_TRUE(said_to_be_erased());
  for (const std::uint32_t epoch : {0U, 1U}) {
    ASSERT_EQ(old_disks.records_of(epoch), 1U);
    EXPECT_FALSE(old_disks.some_open(epoch));
    EXPECT_FALSE(old_disks.on_present_disk(epoch));
  }
}

TEST_P(EndedEpoch, OpensNowhereAtAnAgentThatLeft) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.company, &pair.cloud}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {2, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.company);
  tool.run_to_activate();
  enrol_at(*provider);
  EXPECT_TRUE(old_disks.all_open(0));
  tool.retire();
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_FALSE(old_disks.on_present_disk(0));
}

// The token is away at the moment: the administrator is not told that the shares are erased, and they are as
// soon as it is back.
TEST_P(EndedEpoch, IsNotSaidToBeErasedWhileTheTokenIsAway) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  old_disks.take();
  remove_token();
  const auto refused = tool.retire_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "unavailable") << why(refused);
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "unavailable");
  restore_token();
  EXPECT_TRUE(old_disks.some_open(0));
  must(tool.retire_at(pair.cloud));
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_FALSE(old_disks.on_present_disk(0));
}

// The agent is killed between the removal of the shares and the switch in the token: here, it stops.
TEST_P(EndedEpoch, IsErasedByTheNextStart) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  old_disks.take();
  remove_token();
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "unavailable");
  pair.cloud.close();
  restore_token();
  EXPECT_TRUE(old_disks.some_open(0));
  pair.cloud.open();
  EXPECT_FALSE(old_disks.some_open(0));
}

// Somebody took the table of epochs' keys away, to have the key when it is thought to be destroyed.
TEST_P(EndedEpoch, IsNotSaidToBeErasedWithoutTheTableThatHasIt) {
  pair.cloud.close();
  pair.cloud.destroy_wait = std::chrono::seconds(0);
  const auto away = scratch / "away";
  std::filesystem::rename(table(), away);
  const auto missing = pair.cloud.try_open();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::altered);
  EXPECT_TRUE(contains(missing.error().message(), "\"" + table().string() + "\" is missing"))
      << missing.error().message();
  pair.cloud.close();

  // Another table in its place, of the same token.
  const hsm::Token own(pair.cloud.token());
  const auto keyring = must(hsm::Keyring::open(own, pair.cloud.folder() / "keyring"));
  must(hsm::EpochKeys(own.named(keyring.token_name()), table()).get_or_make({.key_id = {9}, .epoch = 0}));
  pair.cloud.open();
  destroy_key();
  EXPECT_FALSE(said_to_be_erased());
  pair.cloud.close();
  EXPECT_TRUE(old_disks.some_open(0));

  std::filesystem::copy_file(away, table(), std::filesystem::copy_options::overwrite_existing);
  pair.cloud.open();
  EXPECT_TRUE(said_to_be_erased());
  EXPECT_FALSE(old_disks.some_open(0));
  reopen(pair.cloud);
}

// Who writes the agent's disk, and says there that other epochs are to be erased than those that ended.
class ForgedErasures : public EndedEpoch {
 protected:
  // The key is in epoch 1, and epoch 0 is to be erased, once the token is back.
  void end_an_epoch() {
    HandoverTool tool = refresh();
    tool.run_to_activate();
    old_disks.take();
    remove_token();
    EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "unavailable");
    pair.cloud.close();
    restore_token();
    bundle = tool.bundle();
  }
  // Changes the store of the agent, which is closed, has it refused, and puts back what was there.
  void expect_found(const std::string& statements,
                    const std::string& words = "list of epochs that are to be erased was altered") {
    const std::filesystem::path store = pair.cloud.store();
    const std::filesystem::path saved = scratch / "saved";
    std::filesystem::copy_file(store, saved, std::filesystem::copy_options::overwrite_existing);
    sql(pair.cloud, statements);
    const auto opened = pair.cloud.try_open();
    ASSERT_FALSE(opened) << statements;
    EXPECT_EQ(opened.error().code(), Code::altered);
    EXPECT_TRUE(contains(opened.error().message(), words)) << opened.error().message();
    pair.cloud.close();
    for (const char* const suffix : {"-wal", "-shm"}) std::filesystem::remove(store.string() + suffix);
    std::filesystem::copy_file(saved, store, std::filesystem::copy_options::overwrite_existing);
  }
};
INSTANTIATE_TEST_SUITE_P(Places, ForgedErasures, ::testing::Values(Place{SuiteId::p256, false}),
                         [](const auto&) { return std::string("p256_pkcs11"); });

TEST_P(ForgedErasures, AnAddedRowErasesNoLiveEpoch) {
  pair.cloud.close();
  expect_found("INSERT INTO erasures SELECT key_id, epoch FROM keys");
  // Nor together with the removal of the row that needs the epoch.
  expect_found(
      "INSERT INTO erasures SELECT key_id, epoch FROM keys; DELETE FROM keys; DELETE FROM client_lists; "
      "DELETE FROM key_lists");
  EXPECT_TRUE(old_disks.all_open(0));
  pair.cloud.open();
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(ForgedErasures, ARemovedRowIsNotForgotten) {
  end_an_epoch();
  expect_found("DELETE FROM erasures");
  expect_found("UPDATE erasures SET epoch=7");
  expect_found("DELETE FROM erasures; DELETE FROM erasures_mac");
  expect_found("DELETE FROM erasures; UPDATE erasures_mac SET mac=zeroblob(32)");
  // As an earlier program would have left it.
  expect_found(
      "DELETE FROM erasures; DROP TABLE erasures_mac; DROP TABLE forgotten_nonces; "
      "DROP TABLE log_cut; DROP TABLE log_hashes; "
      "ALTER TABLE nonces DROP COLUMN running_ms; ALTER TABLE keys DROP COLUMN acknowledgements; "
      "PRAGMA user_version=6",
      "the row of key");
  EXPECT_TRUE(old_disks.some_open(0));
  pair.cloud.open();
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(ForgedErasures, AnEarlierListIsNotTaken) {
  pair.cloud.close();
  sql(pair.cloud, "CREATE TABLE aside.earlier AS SELECT * FROM erasures_mac");
  pair.cloud.open();
  end_an_epoch();
  const std::string put_back =
      "DELETE FROM erasures_mac; INSERT INTO erasures_mac SELECT * FROM aside.earlier; DELETE FROM erasures";
  expect_found(put_back);
  sql(pair.cloud,
      "CREATE TABLE aside.due AS SELECT * FROM erasures; CREATE TABLE aside.due_mac AS SELECT * FROM "
      "erasures_mac");
  pair.cloud.open();
  EXPECT_FALSE(old_disks.some_open(0));
  // Once more what was erased, as soon as something else is recorded.
  must(pair.cloud.call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(),
                       pair.acme.next_list()));
  pair.cloud.close();
  expect_found(
      "DELETE FROM erasures_mac; INSERT INTO erasures_mac SELECT * FROM aside.due_mac; INSERT INTO erasures "
      "SELECT "
      "* "
      "FROM aside.due");
  pair.cloud.open();
}

TEST_P(ForgedErasures, ARunningAgentGoesByWhatItKnows) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  old_disks.take();
  remove_token();
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "unavailable");
  {
    auto transaction = must(pair.cloud.custodian().store().begin());
    must(transaction.query("DELETE FROM erasures").run(Rows::any));
    must(transaction.query("INSERT INTO erasures SELECT key_id, epoch FROM keys").run(Rows::any));
    must(transaction.commit());
  }
  restore_token();
  must(tool.retire_at(pair.cloud));
  EXPECT_FALSE(old_disks.some_open(0));
  EXPECT_TRUE(testing::opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
