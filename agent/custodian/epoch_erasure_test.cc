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
using testing::kHourMs;
using testing::OldDisks;
using testing::statement;
using testing::TestAgent;

struct Place {
  SuiteId suite;
  bool tpm;
};

class EndedEpoch : public testing::HandoverFixture, public ::testing::WithParamInterface<Place> {
 protected:
  EndedEpoch() : HandoverFixture(GetParam().suite, GetParam().tpm) { old_disks.take(); }
  void dealt(HandoverTool& tool) {
    tool.offer();
    tool.plan();
    tool.deal();
  }

  std::filesystem::path table() const { return pair.cloud.folder() / hsm::kEpochKeysFile; }
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
  dealt(tool);
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
  HandoverTool aborted = refresh();
  dealt(aborted);
  must(aborted.prepare_at(pair.cloud));
  old_disks.take();
  ASSERT_EQ(old_disks.records_of(2), 1U);
  EXPECT_TRUE(old_disks.all_open(2));
  const auto said = must(aborted.abort_at(pair.company));
  must(aborted.abort_at(pair.cloud, {statement(pair.company, said)}));
  EXPECT_FALSE(old_disks.some_open(2));
  EXPECT_FALSE(old_disks.on_present_disk(2));
  EXPECT_TRUE(old_disks.all_open(1));
  reopen(pair.cloud);
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(EndedEpoch, OpensNowhereOnceItsKeyIsDestroyed) {
  // Two epochs at once: the present one and a prepared one.
  HandoverTool tool = refresh();
  dealt(tool);
  must(tool.prepare_at(pair.cloud));
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
  dealt(tool);
  tool.prepare();
  tool.sign();
  tool.activate();
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
  dealt(tool);
  tool.prepare();
  tool.sign();
  tool.activate();
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
  dealt(tool);
  tool.prepare();
  tool.sign();
  tool.activate();
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

// Whoever writes to the store can say that an epoch is to be erased. The present one is not, for all that.
TEST_P(EndedEpoch, IsNeverOneThatAKeyStillNeeds) {
  pair.cloud.close();
  sql(pair.cloud, "INSERT INTO erasures SELECT key_id, epoch FROM keys");
  pair.cloud.open();
  pair.cloud.custodian().sweep();
  EXPECT_TRUE(testing::opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
