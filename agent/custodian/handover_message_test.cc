#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// Messages of a handover that are lost, repeated, in another order, or changed on their way.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::HandoverStep;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::TestAgent;

class HandoverMessages : public testing::HandoverFixture {
 protected:
  bool still_opens() { return opens(bundle, pair.alice, {&pair.cloud, &pair.company}); }
};

TEST_F(HandoverMessages, RepeatedOnesAreAnsweredAlike) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  for (TestAgent* const agent : {&pair.cloud, &pair.company})
    EXPECT_EQ(must(tool.deal_at(*agent)), must(tool.deal_at(*agent)));  // the same polynomial
  tool.deal();
  tool.prepare();
  tool.prepare();
  reopen(pair.cloud);
  tool.prepare();
  tool.sign();
  tool.activate();
  tool.activate();
  reopen(pair.cloud);
  tool.activate();
  tool.retire();
  tool.retire();
  tool.activate();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(HandoverMessages, OutOfOrderOnesAreRefused) {
  HandoverTool tool = refresh();
  EXPECT_EQ(why(tool.ask(pair.cloud, HandoverStep::prepare, protocol::PrepareRequest{}.encode())),
            "no handover of this key runs here");
  tool.offer();
  tool.plan();
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "conflict");
  tool.deal();
  must(tool.prepare_at(pair.company));
  must(tool.prepare_at(pair.cloud));
  tool.sign();
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "conflict");
  must(tool.activate_at(pair.company));
  EXPECT_EQ(code_of(tool.retire_at(pair.company)), "conflict");
  must(tool.activate_at(pair.cloud));
  must(tool.retire_at(pair.company));
  must(tool.retire_at(pair.cloud));
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

// A request for consent is for a plan that needs one, and comes before all consents.
TEST_F(HandoverMessages, AConsentIsAskedForOnceAndForNoRefresh) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  protocol::DealRequest request{.plan = tool.the_plan().encoded(), .offers = tool.offers, .consents = {}};
  auto refused = tool.ask(pair.cloud, HandoverStep::consent, request.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(why(refused), "a refresh needs no consent");
  request.consents = {{1}};
  refused = tool.ask(pair.cloud, HandoverStep::consent, request.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(why(refused), "a request for consent that holds consents already");
}

TEST_F(HandoverMessages, AnAbortIsOfThisKey) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  auto fields = tool.the_plan().fields();
  fields.key_id[0] ^= 1;
  const protocol::AbortRequest request{
      .plan = must(protocol::HandoverPlan::make(std::move(fields))).encoded(), .voids = {}};
  const auto refused = tool.ask(pair.cloud, HandoverStep::abort, request.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(why(refused), "the plan is of another key");
}

// An agent that deals and leaves has nothing to confirm.
TEST_F(HandoverMessages, WhoLeavesPreparesNothing) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.offer();
  tool.plan();
  tool.gather_consents();
  tool.deal();
  const protocol::PrepareRequest request{.deals = tool.deals, .blob = {}, .possession = {}};
  const auto refused = tool.ask(pair.cloud, HandoverStep::prepare, request.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_TRUE(contains(why(refused), "this agent has no share in ")) << why(refused);
}

TEST_F(HandoverMessages, ABlobThatIsNotTheOneInUseIsRefused) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  const protocol::PrepareRequest request{.deals = tool.deals, .blob = {1, 2, 3}, .possession = {}};
  const auto refused = tool.ask(pair.cloud, HandoverStep::prepare, request.encode());
  EXPECT_EQ(code_of(refused), "malformed");
  EXPECT_EQ(why(refused), "another recovery blob than the one that this agent has");
}

TEST_F(HandoverMessages, AnActivationThatWasNotPreparedIsRefused) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  // As if the store were from before: the version is complete, but this agent has no share of it.
  HandoverTool other = refresh();
  EXPECT_EQ(code_of(other.ask(pair.cloud, HandoverStep::activate,
                              Bytes(tool.version.begin() + 1, tool.version.end()))),
            "malformed");
  tool.activate();
  tool.retire();
  EXPECT_EQ(code_of(other.ask(pair.cloud, HandoverStep::activate, {})), "malformed");
}

TEST_F(HandoverMessages, OneHandoverAtATime) {
  const auto second = pair.acme.enrol("admin", "second");
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool tool = refresh();
  tool.offer();
  HandoverTool other(bundle, {&pair.cloud, &pair.company}, second, same_holders(), {1, 2});
  const auto refused = other.offer_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), pair.admin.uri));
  tool.plan();
  EXPECT_EQ(code_of(other.ask(pair.cloud, HandoverStep::deal,
                              protocol::DealRequest{tool.the_plan().encoded(), tool.offers, {}}.encode())),
            "conflict");
  // One that stalls makes way.
  pair.clock->now_ms += 60'001;
  other.run_to_deal();
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "conflict");
  other.prepare();
  other.sign();
  HandoverTool third(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 2});
  third.epoch = 2;
  third.offer();
  third.plan();
  EXPECT_TRUE(contains(why(third.deal_at(pair.cloud)), "is prepared here, to epoch 1"));
  other.activate();
  other.retire();
  EXPECT_TRUE(opens(other.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

// Somebody who stole an administrator's certificate cannot keep the place for ever.
TEST_F(HandoverMessages, OffersAloneKeepNobodyOut) {
  const auto thief = pair.acme.enrol("admin", "thief");
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool held(bundle, {&pair.cloud, &pair.company}, thief, same_holders(), {1, 2});
  HandoverTool tool = refresh();
  for (int minutes = 0; minutes < 10; ++minutes) {
    held.offer();
    EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "conflict");
    pair.clock->now_ms += 50'000;
    held.offer();
    pair.clock->now_ms += 10'000;
  }
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
  EXPECT_EQ(code_of(held.offer_at(pair.cloud)), "conflict");
}

// Nor by what it deals again and again.
TEST_F(HandoverMessages, APlanThatIsNeverPreparedKeepsNobodyOut) {
  const auto thief = pair.acme.enrol("admin", "thief");
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool held(bundle, {&pair.cloud, &pair.company}, thief, same_holders(), {1, 2});
  held.run_to_deal();
  HandoverTool tool = refresh();
  for (int minutes = 0; minutes < 10; ++minutes) {
    EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "conflict");
    pair.clock->now_ms += 50'000;
    must(held.deal_at(pair.cloud));
    pair.clock->now_ms += 10'000;
  }
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
  EXPECT_EQ(code_of(held.deal_at(pair.cloud)), "conflict");
}

// A recovery administrator takes an administrator's place once its announcement stood for the whole wait.
// Before that an administrator takes its place at once: otherwise whoever stole kit and code could keep out
// the new code that makes them worthless.
TEST_F(HandoverMessages, AnAnnouncementThatMayBeCarriedOutTakesThePlace) {
  HandoverTool tool = refresh();
  HandoverTool rescue(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(true), {1, 2});
  rescue.offer();
  rescue.plan();
  must(announce(rescue));
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
  for (int minutes = 0; minutes < 10; ++minutes) {
    pair.clock->now_ms += 50'000;
    EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
    EXPECT_EQ(code_of(rescue.offer_at(pair.cloud)), "conflict");
  }
  pair.clock->now_ms += 24 * testing::kHourMs;
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
  EXPECT_EQ(code_of(rescue.offer_at(pair.cloud)), "ok");
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "conflict");
}

// Nor by a plan to which no operator ever consents.
TEST_F(HandoverMessages, AStolenKitHoldsNoPlaceByAPlanThatWaitsForOperators) {
  const auto evil = another("evilcompany");
  HandoverTool kit(bundle, {&pair.cloud, &pair.company}, pair.rescuer,
                   {.t = 2, .agents = {{&pair.cloud, 1}, {evil.get(), 2}}, .recovery = 3}, {1, 2});
  kit.offer();
  kit.plan();
  EXPECT_TRUE(contains(why(kit.consent_at(pair.cloud)), "waits for the operator"));
  HandoverTool tool = refresh();
  EXPECT_EQ(code_of(tool.offer_at(pair.cloud)), "ok");
  EXPECT_TRUE(pair.cloud.pending().empty());
  EXPECT_EQ(code_of(kit.offer_at(pair.cloud)), "conflict");
  EXPECT_EQ(code_of(kit.consent_at(pair.cloud)), "conflict");
  tool.run();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(HandoverMessages, AnotherPlansAbortLeavesTheRunningOffer) {
  const auto thief = pair.acme.enrol("admin", "thief");
  pair.publish_clients(pair.admin.certificate.der());
  HandoverTool tool = refresh();
  tool.offer();
  HandoverTool other(bundle, {&pair.cloud, &pair.company}, thief, same_holders(), {1, 2});
  tool.plan();
  auto fields = tool.the_plan().fields();
  auto parameters = fields.parameters.fields();
  parameters.parties[0].nonce[0] ^= 1;
  fields.parameters = must(protocol::Parameters::make(std::move(parameters)));
  const auto invented = must(protocol::HandoverPlan::make(std::move(fields)));
  must(other.ask(pair.cloud, HandoverStep::abort, protocol::AbortRequest{invented.encoded(), {}}.encode()));
  tool.epoch = 2;  // that number is used up
  tool.plan();
  tool.deal();
  tool.prepare();
  tool.sign();
  tool.activate();
  tool.retire();
  bundle = tool.bundle();
  EXPECT_TRUE(still_opens());
}

TEST_F(HandoverMessages, WhatWasDecidedSinceTheDealIsNotConfirmed) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  auto fields = tool.the_plan().fields();
  auto parameters = fields.parameters.fields();
  parameters.parties[0].nonce[0] ^= 1;
  fields.parameters = must(protocol::Parameters::make(std::move(parameters)));
  const auto invented = must(protocol::HandoverPlan::make(std::move(fields)));
  must(tool.ask(pair.cloud, HandoverStep::abort, protocol::AbortRequest{invented.encoded(), {}}.encode()));
  EXPECT_EQ(why(tool.prepare_at(pair.cloud)), "epoch 1 is not to be decided here; the next one is 2");
}

TEST_F(HandoverMessages, WhatNobodyGoesOnWithIsForgotten) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  pair.clock->now_ms += 16 * 60'000;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "conflict");
  EXPECT_TRUE(still_opens());
}

TEST_F(HandoverMessages, ASecondPlanOfTheSameEpochIsNeverConfirmed) {
  HandoverTool tool = prepare_refresh_at_cloud();
  const auto company = another("newcompany");
  HandoverTool other(bundle, {&pair.cloud}, pair.admin,
                     {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  other.approve(pair.cloud);
  for (int restarts = 0; restarts < 2; ++restarts) {
    other.offer();
    other.plan();
    EXPECT_EQ(why(other.deal_at(pair.cloud)), "epoch 1 is not to be decided here; the next one is 2");
    reopen(pair.cloud);
  }
  other.epoch = 300;  // nor may anybody use up the numbers
  other.offer();
  other.plan();
  EXPECT_EQ(code_of(other.deal_at(pair.cloud)), "conflict");
}

TEST_F(HandoverMessages, AChangedDealIsBlamedOnItsDealer) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  const auto good = tool.deals;
  for (std::size_t dealer : {0u, 1u}) {
    const std::size_t step = good[dealer].size() / 23;
    for (std::size_t at = 9; at < good[dealer].size(); at += step) {
      tool.deals = good;
      tool.deals[dealer][at] ^= 1;
      const auto refused = tool.prepare_at(pair.cloud);
      ASSERT_FALSE(refused) << at;
      const bool blamed = contains(why(refused), "index " + std::to_string(dealer + 1)) ||
                          refused.error().code() == Code::malformed;
      EXPECT_TRUE(blamed) << at << ": " << why(refused);
    }
  }
  // The sealed values are what most of it is, and they are under the proof.
  tool.deals = good;
  tool.deals[1].back() ^= 1;
  EXPECT_TRUE(
      contains(why(tool.prepare_at(pair.cloud)), "dealer of index 2: its sealed values were changed"));
  tool.deals = {good[1], good[0]};
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "malformed");
  tool.deals = {good[0]};
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "malformed");
  EXPECT_FALSE(tool.status(pair.cloud).prepared);
  tool.deals = good;
  tool.prepare();
}

TEST_F(HandoverMessages, AChangedVersionIsBlamedOnThePartyThatDidNotConfirmIt) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  const Bytes good = tool.version;
  const auto with = [&](std::size_t from_end) {
    tool.version = good;
    tool.version[good.size() - from_end] ^= 1;
    return why(tool.activate_at(pair.cloud));
  };
  EXPECT_EQ(with(1), "handover: party \"company\" did not confirm this epoch");
  EXPECT_EQ(with(65), "handover: party \"cloud\" did not confirm this epoch");
  EXPECT_EQ(with(129), "dealer of index 2: the proof that it consents with its share does not hold");
  for (std::size_t i = 1; i < good.size(); i += good.size() / 17) EXPECT_NE(with(i), "ok") << i;
  EXPECT_EQ(tool.status(pair.cloud).epoch, 0u);
  tool.version = good;
  tool.activate();
}

TEST_F(HandoverMessages, AChangedAcknowledgementIsBlamedOnItsParty) {
  HandoverTool tool = refresh();
  tool.run_to_activate();
  const auto good = tool.acknowledgements;
  for (std::size_t of : {0u, 1u}) {
    tool.acknowledgements = good;
    tool.acknowledgements[of].signature[7] ^= 1;
    const std::string name = of == 0 ? "cloud" : "company";
    EXPECT_TRUE(
        contains(why(tool.retire_at(pair.cloud)), "party \"" + name + "\" did not acknowledge epoch 1"));
  }
  EXPECT_TRUE(still_opens());
  tool.acknowledgements = {good[1], good[0]};  // in any order
  tool.retire();
}

TEST_F(HandoverMessages, APlanMustCarryWhatTheAgentOffered) {
  using Fields = protocol::Parameters::Fields;
  const auto refused = [&](void (*change)(Fields&)) {
    HandoverTool tool = refresh();
    tool.offer();
    change(tool.fields());
    tool.plan();
    return code_of(tool.deal_at(pair.cloud));
  };
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].nonce[0] ^= 1; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].name = "mallory"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].url = "https://elsewhere:1"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].mode = protocol::KeeperMode::resident; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) {
              f.parties[0].ceremony_key = protocol::HpkePrivateKey::generate(system_random()).public_key();
            }),
            "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[1].url = "https://elsewhere:1"; }), "limited");  // no refresh
  EXPECT_EQ(refused([](Fields& f) { f.tenant = "other"; }), "denied");
  EXPECT_EQ(refused([](Fields&) {}), "ok");
}

TEST_F(HandoverMessages, AChangedJoinIsRefused) {
  const auto company = another("newcompany");
  HandoverTool tool(bundle, {&pair.cloud}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.run_to_deal();
  const Bytes good = tool.join_message(*company);
  for (std::size_t i = 0; i < good.size(); i += good.size() / 29) {
    Bytes changed = good;
    changed[i] ^= 1;
    EXPECT_FALSE(tool.post(*company, Route::join, changed)) << i;
  }
  // By whom the tool trusts, but a dealer lies.
  const auto deals = tool.deals;
  tool.deals[1].back() ^= 1;
  EXPECT_TRUE(contains(why(tool.prepare_at(*company)), "dealer of index 3"));
  tool.deals = deals;
  Bytes of_void = tool.void_message(*company);
  of_void.back() ^= 1;
  EXPECT_EQ(code_of(tool.post(*company, Route::abort, of_void)), "unauthenticated");
  tool.prepare();
  must(tool.prepare_at(*company));
  // A second invitation does not bring a second share.
  HandoverTool other(bundle, {&pair.cloud}, pair.admin,
                     {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  other.epoch = 2;
  other.deal_with(3, pair.tool.recovery_share());
  other.approve(pair.cloud);
  other.run_to_deal();
  EXPECT_TRUE(contains(why(other.prepare_at(*company)), "is prepared here, to epoch 1"));
}

TEST_F(HandoverMessages, WhoLeftJoinsNoOtherBranch) {
  const auto company = another("newcompany");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.run();
  enrol_at(*company);
  // The company's old agent, which left, is to join a handover that follows the epoch before.
  HandoverTool branch(bundle, {&pair.cloud}, pair.admin,
                      {.t = 2, .agents = {{&pair.company, 2}}, .recovery = 1}, {1, 3});
  branch.offer();
  branch.send_blob(pair.tool.blob());
  branch.plan();
  const auto deal = [&](std::uint8_t index, const protocol::Scalar& share) {
    return must(protocol::make_deal(branch.the_plan(), index, share, system_random())).encode();
  };
  branch.deals = {deal(1, pair.tool.recovery_share()), deal(3, pair.tool.recovery_share())};
  EXPECT_TRUE(contains(why(branch.prepare_at(pair.company)), "in which this agent left the key to others"));

  // And joins again where the key is now.
  bundle = tool.bundle();
  HandoverTool back(bundle, {&pair.cloud, company.get()}, pair.admin, same_holders(), {1, 2});
  back.approve(pair.cloud);
  back.approve(*company);
  back.run();
  EXPECT_TRUE(opens(back.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
