#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// A handover to the same holders: what every agent serves before, meanwhile and afterwards.
namespace coprotect::agent::custodian {
namespace {

using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;

class Handover : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Handover() : HandoverFixture(GetParam()) {}
  // The recovery share of an epoch, from what an agent keeps.
  protocol::Scalar recovery_share(testing::TestAgent& agent, const protocol::Bundle& of) {
    const auto [blob, parts] = testing::recovery_of(agent, of, pair.rescuer);
    return must(must(protocol::RecoveryParts::parse(bundle.group(), parts))
                    .open(pair.tool.recovery_key(), of.sharing()));
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, Handover, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Handover, RefreshGivesNewSharesOfTheSameKey) {
  HandoverTool tool = refresh();
  tool.run();
  const protocol::Bundle& next = tool.bundle();
  EXPECT_EQ(next.epoch(), 1u);
  EXPECT_EQ(next.sharing().h, bundle.sharing().h);
  EXPECT_TRUE(opens(next, pair.alice, {&pair.cloud, &pair.company}));
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
    const auto share = recovery_share(*agent, next);
    EXPECT_TRUE(opens(next, pair.alice, {agent}, testing::RecoveryShare{3, share}));
    EXPECT_FALSE(opens(next, pair.alice, {agent}, testing::RecoveryShare{3, pair.tool.recovery_share()}));
    EXPECT_EQ(
        must(agent->call(ipc::Route::bundle, to_hex(bundle.key_id()), pair.alice.certificate.der(), {})),
        next.encoded());
    const auto status = tool.status(*agent);
    EXPECT_EQ(status.epoch, 1u);
    EXPECT_EQ(status.decided, 1u);
    EXPECT_FALSE(status.unacknowledged || status.prepared || !status.announced.empty());
  }
}

TEST_P(Handover, TheOldEpochIsServedUntilItIsRetired) {
  const auto serve_both = [&](const HandoverTool& tool) {
    return opens(bundle, pair.alice, {&pair.cloud, &pair.company}) &&
           opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company});
  };
  HandoverTool tool = refresh();
  tool.run_to_deal();
  tool.prepare();
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  tool.sign();
  must(tool.activate_at(pair.cloud));
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  EXPECT_TRUE(tool.status(pair.cloud).unacknowledged);
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "conflict");  // the company did not acknowledge
  must(tool.activate_at(pair.company));
  EXPECT_TRUE(serve_both(tool));
  // Until all are known to have the new one, others are told of the old one.
  EXPECT_EQ(
      must(pair.cloud.call(ipc::Route::bundle, to_hex(bundle.key_id()), pair.alice.certificate.der(), {})),
      bundle.encoded());
  tool.retire();
  EXPECT_THROW(serve_both(tool), std::runtime_error);
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(Handover, WhoAsksForAnEpochThatIsGoneIsToldTheEpoch) {
  const auto file = testing::encrypt(bundle);
  HandoverTool tool = refresh();
  tool.run();
  const auto refused = testing::partials(pair.cloud, bundle, pair.ask_for(pair.cloud, {&file}), pair.alice);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::conflict);
  EXPECT_EQ(refused.error().message(), "the key is in epoch 1");
}

TEST_P(Handover, SharesOfTwoEpochsNeverOpenAFile) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  const auto file = testing::encrypt(bundle);
  const auto& stanza = *must(file.header.stanza_for(bundle.key_id()));
  const auto part = [&](testing::TestAgent& agent, const protocol::Bundle& of) {
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(file, of));
    const auto reply =
        must(testing::partials(agent, of, testing::ask(agent, of, std::move(body)), pair.alice));
    EXPECT_EQ(reply.epoch, of.epoch());
    return protocol::IndexedPartial{reply.index, *reply.items.front().value};
  };
  const auto unlocks = [&](std::vector<protocol::IndexedPartial> quorum) {
    const auto m = protocol::combine(stanza.ciphertext.c2, quorum);
    return m && file.header.unlock(*m);
  };
  const protocol::Bundle& next = tool.bundle();
  EXPECT_TRUE(unlocks({part(pair.cloud, bundle), part(pair.company, bundle)}));
  EXPECT_TRUE(unlocks({part(pair.cloud, next), part(pair.company, next)}));
  EXPECT_FALSE(unlocks({part(pair.cloud, bundle), part(pair.company, next)}));
  EXPECT_FALSE(unlocks({part(pair.cloud, next), part(pair.company, bundle)}));
}

TEST_P(Handover, RetiringErasesTheOldShare) {
  const auto rows = [&] {
    pair.cloud.close();
    auto store = must(Store::open(pair.cloud.store()));
    std::vector<std::int64_t> epochs;
    {
      auto transaction = must(store->begin());
      Query query = transaction.query("SELECT epoch FROM keys ORDER BY epoch");
      while (must(query.step())) epochs.push_back(query.integer(0));
    }
    store.reset();
    pair.cloud.open();
    return epochs;
  };
  HandoverTool tool = refresh();
  tool.run_to_activate();
  EXPECT_EQ(rows(), (std::vector<std::int64_t>{0, 1}));
  tool.retire();
  EXPECT_EQ(rows(), (std::vector<std::int64_t>{1}));
  const int before = pair.cloud.computed();
  const auto file = testing::encrypt(bundle);
  EXPECT_FALSE(testing::partials(pair.cloud, bundle, pair.ask_for(pair.cloud, {&file}), pair.alice));
  EXPECT_EQ(pair.cloud.computed(), before);
}

TEST_P(Handover, ANewRecoveryCodeMakesTheOldBlobWorthless) {
  const auto rescuer = pair.acme.enrol("recovery", "safe");  // of the new kit
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool approved(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true, &rescuer),
                        {1, 2});
  approved.approve(pair.cloud);
  approved.approve(pair.company);
  approved.run();
  const protocol::Bundle& next = approved.bundle();
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
    const auto [blob, parts] = testing::recovery_of(*agent, next, rescuer);
    EXPECT_EQ(blob, approved.blob());
    const auto share = must(must(protocol::RecoveryParts::parse(bundle.group(), parts))
                                .open(approved.recovery_key(), next.sharing()));
    EXPECT_TRUE(opens(next, pair.alice, {agent}, testing::RecoveryShare{3, share}));
    EXPECT_FALSE(opens(next, pair.alice, {agent}, testing::RecoveryShare{3, pair.tool.recovery_share()}));
  }
  // A refresh after it is sealed to the new recovery key.
  HandoverTool again(next, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 2});
  again.run();
  const auto [blob, parts] = testing::recovery_of(pair.cloud, again.bundle(), rescuer);
  EXPECT_EQ(blob, approved.blob());
  const auto kept = must(protocol::RecoveryParts::parse(bundle.group(), parts));
  EXPECT_FALSE(kept.open(pair.tool.recovery_key(), again.bundle().sharing()));
  EXPECT_TRUE(kept.open(approved.recovery_key(), again.bundle().sharing()));
}

TEST_P(Handover, CanBeDoneAgainAndAgain) {
  for (std::uint32_t epoch = 1; epoch <= 3; ++epoch) {
    HandoverTool tool = refresh();
    tool.run();
    bundle = tool.bundle();
    EXPECT_EQ(bundle.epoch(), epoch);
  }
  reopen(pair.cloud);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  const auto share = recovery_share(pair.company, bundle);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.company}, testing::RecoveryShare{3, share}));
}

TEST_P(Handover, TheRecoveryShareDealsInTheCompanysPlace) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_P(Handover, EachStepStandsInTheLog) {
  HandoverTool tool = refresh();
  tool.run();
  bundle = tool.bundle();
  const auto said = ceremonies(pair.cloud);
  ASSERT_GE(said.size(), 3u);
  const std::string label = "handover " + to_hex(ByteView(tool.sid()).first(8)) + " to epoch 1";
  EXPECT_EQ(said[said.size() - 3], "prepared " + label);
  EXPECT_EQ(said[said.size() - 2], "handover: activated epoch 1, a refresh");
  EXPECT_EQ(said[said.size() - 1], "handover: removed the shares before epoch 1");
  int intents = 0;
  std::vector<std::uint8_t> steps;
  for (const auto& entry : testing::read_log(pair.cloud, bundle, pair.admin)) {
    if (entry.kind != protocol::EntryKind::intent || !entry.handover) continue;
    ++intents;
    EXPECT_EQ(entry.client, pair.admin.uri);
    steps.push_back(entry.handover->step);
    EXPECT_NE(entry.handover->payload, Digest{});
    // Of the plan that deal, activate and retire name.
    const bool names_plan = entry.handover->step == 4 || entry.handover->step >= 6;
    const std::string plan = "handover " + to_hex(ByteView(entry.handover->sid).first(8)) + " to epoch 1";
    EXPECT_EQ(plan == label, names_plan) << int{entry.handover->step};
  }
  EXPECT_EQ(steps, (std::vector<std::uint8_t>{3, 4, 5, 6, 7}));
  EXPECT_EQ(intents, 5);  // offer, deal, prepare, activate, retire
}

}  // namespace
}  // namespace coprotect::agent::custodian
