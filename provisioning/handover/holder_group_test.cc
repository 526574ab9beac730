// An agent's status, and how the tool uses it.

#include "provisioning/handover/holder_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "client/test_agents.h"
#include "protocol/message/acknowledged.h"
#include "protocol/message/handover.h"
#include "provisioning/handover/settle.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;
using protocol::HandoverStatus;

class HolderGroupTest : public testing::Test {
 protected:
  HolderGroupTest() {
    for (const char* const name : {"cloud", "company"}) says(name, honest());
  }
  void says(const std::string& name, const HandoverStatus& status) {
    agents_.agent(name).handover = [status](const protocol::HandoverBody&) -> Result<Bytes> {
      return status.encode();
    };
  }
  HandoverStatus honest() const {
    return {.epoch = 0,
            .decided = 0,
            .unacknowledged = false,
            .bundle = known().encoded(),
            .acknowledgements = {},
            .prepared = std::nullopt,
            .announced = {}};
  }
  const Bundle& known() const { return agents_.epoch(0).bundle; }
  HolderGroup look(std::string_view lost = {}) {
    return must(HolderGroup::look(known(), credentials_, system_random(), lost));
  }
  // Checks that the company's agent counts as unreachable for this reason.
  void expect_unusable(const HandoverStatus& status, const std::string& why) {
    says("company", status);
    HolderGroup holders = look();
    const auto& told = holders.find("company")->status;
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code(), Code::altered);
    EXPECT_EQ(told.error().message().rfind("company agent shows " + why, 0), 0u) << told.error().message();
    ASSERT_EQ(holders.reachable().size(), 1u);
    EXPECT_EQ(holders.reachable()[0]->name(), "cloud");
    EXPECT_FALSE(holders.all_reachable());
    EXPECT_TRUE(holders.all_reachable("company"));
  }

  client::test::TestAgents agents_{protocol::SuiteId::p256};
  const client::Credentials credentials_ = agents_.credentials();
  const Operator person_{Operator::Descriptors{}};
};

TEST_F(HolderGroupTest, AFalseStatusIsOneAgentsSilence) {
  EXPECT_EQ(look().reachable().size(), 2u);
  HandoverStatus status = honest();
  status.bundle = {1, 2, 3};
  expect_unusable(status, "no bundle: ");
  status = honest();
  status.epoch = 7;
  expect_unusable(status, "a bundle of epoch 0 and says that it is in epoch 7");
  status.bundle = client::test::TestAgents(protocol::SuiteId::p256).newest().encoded();
  expect_unusable(status, "another history of key ");
}

TEST_F(HolderGroupTest, WhatALostAgentAloneKnowsCountsForNothing) {
  HandoverStatus status = honest();
  status.bundle = agents_.fork().encoded();
  status.epoch = 1;
  says("company", status);
  HolderGroup holders = look("company");
  EXPECT_EQ(holders.bundle().epoch(), 0u);
  EXPECT_FALSE(holders.find("company")->status);
  // Another agent's status counts.
  agents_.agent("cloud").serves = agents_.agent("company").serves = {0, 1};
  EXPECT_EQ(look("cloud").bundle().epoch(), 1u);
}

// Otherwise the tool would finish the same handover again and again, and blame another agent.
TEST_F(HolderGroupTest, WhoContradictsItselfIsNamed) {
  HandoverStatus status = honest();
  status.unacknowledged = true;
  says("company", status);
  HolderGroup holders = look();
  const Leftover leftover{.committed = std::nullopt, .invited = {}, .lists = {}, .completed = 0};
  const auto settled = settle(holders, leftover, person_, system_random());
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().code(), Code::conflict);
  EXPECT_EQ(settled.error().message().rfind(
                "the company agent said that it has finished the handover to epoch 0, and still says that it "
                "has not",
                0),
            0u)
      << settled.error().message();
}

TEST_F(HolderGroupTest, WhoPreparedNothingThatCanBeIsNamed) {
  HandoverStatus status = honest();
  status.prepared = {.transcript = {1, 2, 3}, .confirmation = {}};
  says("company", status);
  HolderGroup holders = look();
  const Leftover leftover{.committed = std::nullopt, .invited = {}, .lists = {}};
  const auto settled = settle(holders, leftover, person_, system_random());
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().message().rfind("company agent: ", 0), 0u) << settled.error().message();
}

// After a lost provider was replaced, one holder of the epoch before is left. The agents' signatures show
// that nothing undoes the new epoch.
TEST_F(HolderGroupTest, AnEpochThatAllAcknowledgedIsConfirmedByAnybody) {
  const Bundle first = known();
  agents_.hand_over(agents_.other_layout());
  HandoverStatus status = honest();
  status.bundle = agents_.newest().encoded();
  status.epoch = 1;
  says("cloud", status);
  agents_.agent("cloud").serves = {0, 1};
  agents_.stop("company");
  agents_.stop("site");
  const auto look_from_first = [&] { return must(HolderGroup::look(first, credentials_, system_random())); };
  EXPECT_EQ(look_from_first().bundle().epoch(), 1u);
  EXPECT_FALSE(look_from_first().confirmed());
  status.acknowledgements = agents_.acknowledgements();
  says("cloud", status);
  EXPECT_TRUE(look_from_first().confirmed());
  status.acknowledgements.pop_back();
  says("cloud", status);
  EXPECT_FALSE(look_from_first().confirmed());
}

// An agent that lied about two epochs left the company's agent in the earlier one, with all acknowledgements
// of it. The lying agent or another one shows those of the later epoch. The company's agent is shown them,
// and follows.
TEST_F(HolderGroupTest, WhoIsInTheEarlierOfTwoAcknowledgedEpochsIsBroughtToTheLaterOne) {
  const Bundle first = known();
  HandoverStatus earlier = honest();
  earlier.epoch = 1;
  const Bundle fork = agents_.fork();
  earlier.bundle = fork.encoded();
  earlier.acknowledgements = agents_.acknowledgements(fork);
  agents_.hand_over(agents_.first_layout(), false, 1);
  HandoverStatus later = honest();
  later.epoch = 2;
  later.bundle = agents_.newest().encoded();
  later.acknowledgements = agents_.acknowledgements();
  for (const char* const name : {"cloud", "company"}) agents_.agent(name).serves = {0, 1, 2};
  says("cloud", later);
  bool brought = false;
  agents_.agent("company").handover = [&](const protocol::HandoverBody& body) -> Result<Bytes> {
    if (body.step == protocol::HandoverStep::retire) {
      const auto shown = must(protocol::RetireRequest::parse(body.payload));
      EXPECT_EQ(shown.version, agents_.newest().newest());
      EXPECT_TRUE(protocol::check_acknowledged(agents_.newest(), shown.acknowledgements));
      brought = true;
      return Bytes{};
    }
    return (brought ? later : earlier).encode();
  };
  const auto look_from_first = [&] { return must(HolderGroup::look(first, credentials_, system_random())); };
  HolderGroup holders = look_from_first();
  EXPECT_EQ(holders.bundle().encoded(), agents_.newest().encoded());
  EXPECT_FALSE(holders.all_reachable());
  Leftover leftover{.committed = std::nullopt, .invited = {}, .lists = {}};
  EXPECT_EQ(must(settle(holders, leftover, person_, system_random())), Settled::completed);
  EXPECT_TRUE(brought);
  HolderGroup settled = look_from_first();
  EXPECT_TRUE(settled.all_reachable());
  leftover.completed = 2;
  EXPECT_EQ(must(settle(settled, leftover, person_, system_random())), Settled::nothing_left);

  // An agent that stays where it is is named, and is shown them only once.
  says("company", earlier);
  HolderGroup torn = look_from_first();
  EXPECT_EQ(must(settle(torn, leftover, person_, system_random())), Settled::nothing_left);
  const auto waits = torn.all_reachable();
  ASSERT_FALSE(waits);
  EXPECT_NE(waits.error().message().find("company agent shows another history of key"), std::string::npos);
}

// Both agents of epoch 1, with or without all acknowledgements, and what the tool sends them. `refuses`: an
// agent's answer to a step instead.
class JoinedTest : public HolderGroupTest {
 protected:
  JoinedTest() {
    agents_.hand_over(agents_.first_layout());
    for (const char* const name : {"cloud", "company"}) {
      agents_.agent(name).serves = {0, 1};
      states_[name] = in_epoch(1);
      agents_.agent(name).handover = [this, name](const protocol::HandoverBody& body) {
        return answer(name, body);
      };
    }
  }
  HandoverStatus in_epoch(std::uint32_t epoch) const {
    HandoverStatus status = honest();
    status.epoch = epoch;
    status.bundle = agents_.epoch(epoch).bundle.encoded();
    return status;
  }
  Result<Bytes> answer(const std::string& name, const protocol::HandoverBody& body) {
    if (body.step != protocol::HandoverStep::status)
      sent_.push_back(name + " " + std::string(step_name(body.step)));
    if (const auto refused = refuses_.find({name, body.step}); refused != refuses_.end())
      return refused->second;
    if (body.step == protocol::HandoverStep::status) return states_.at(name).encode();
    if (body.step == protocol::HandoverStep::activate) return protocol::encode_signature(statement_of(name));
    if (body.step == protocol::HandoverStep::retire) {
      const auto shown = must(protocol::RetireRequest::parse(body.payload));
      EXPECT_TRUE(protocol::check_acknowledged(agents_.newest(), shown.acknowledgements));
      states_[name] = in_epoch(1);
      states_[name].acknowledgements = shown.acknowledgements;
      refuses_.erase({name, protocol::HandoverStep::status});
      return Bytes{};
    }
    return Error(Code::conflict, "not in this test");
  }
  protocol::Signature statement_of(const std::string& name) const {
    const auto party = agents_.newest().parameters().position_of(name).value();
    for (const auto& said : agents_.acknowledgements())
      if (said.party == agents_.newest().parameters()->parties[party].identity_key.bytes())
        return said.signature;
    ADD_FAILURE();
    return {};
  }
  HolderGroup look_again() {
    return must(HolderGroup::look(agents_.newest(), credentials_, system_random()));
  }
  protocol::RetireRequest kept() const {
    return {.version = agents_.newest().newest(), .acknowledgements = agents_.acknowledgements()};
  }
  bool was_sent(const std::string& what) const { return std::ranges::find(sent_, what) != sent_.end(); }
  Result<Settled> settled(HolderGroup& holders, std::optional<std::uint32_t> finished = 1) {
    const Leftover leftover{.committed = std::nullopt,
                            .invited = {},
                            .lists = {},
                            .finished = finished,
                            .keep = [this](const auto& all) -> Status {
                              sent_.push_back("kept");
                              EXPECT_EQ(all.version, agents_.newest().newest());
                              return Done{};
                            }};
    return settle(holders, leftover, person_, system_random());
  }

  std::map<std::string, HandoverStatus> states_;
  std::map<std::pair<std::string, protocol::HandoverStep>, Error> refuses_;
  std::vector<std::string> sent_;
};

// An agent that was not shown them undoes the epoch on one agent's word.
TEST_F(JoinedTest, WhoLacksTheAcknowledgementsIsShownThem) {
  HolderGroup holders = look_again();
  EXPECT_EQ(must(settled(holders)), Settled::completed);
  EXPECT_EQ(sent_, (std::vector<std::string>{"cloud activate", "company activate", "kept", "cloud retire",
                                             "company retire"}));
  sent_.clear();
  HolderGroup after = look_again();
  EXPECT_EQ(must(settled(after)), Settled::nothing_left);
  EXPECT_TRUE(sent_.empty());

  // If the other agent shows them, only that one is asked.
  states_["company"].acknowledgements.clear();
  HolderGroup again = look_again();
  EXPECT_EQ(must(settled(again)), Settled::completed);
  EXPECT_EQ(sent_, std::vector<std::string>{"company retire"});
}

TEST_F(JoinedTest, NobodyGoesBackBecauseOneDoesNotSayItAgain) {
  refuses_.emplace(std::pair("cloud", protocol::HandoverStep::activate), Error(Code::conflict, "no"));
  HolderGroup holders = look_again();
  EXPECT_FALSE(settled(holders));
  EXPECT_FALSE(was_sent("company abort"));
}

// The folder finished the epoch. The cloud's agent, which lies or has an old store, is in the one before and
// voids it.
TEST_F(JoinedTest, OneThatIsBehindTakesNothingBackThatTheFolderFinished) {
  states_["cloud"] = in_epoch(0);
  refuses_.emplace(std::pair("cloud", protocol::HandoverStep::activate),
                   Error(Code::conflict, "not prepared"));
  refuses_.emplace(std::pair("cloud", protocol::HandoverStep::retire), Error(Code::conflict, "no share"));
  HolderGroup holders = look_again();
  const auto refused = settled(holders);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("is not taken back"), std::string::npos)
      << refused.error().message();
  EXPECT_FALSE(was_sent("cloud abort"));
  EXPECT_FALSE(was_sent("company abort"));

  // With what the folder stored, the others are still shown it.
  sent_.clear();
  HolderGroup recalled = look_again();
  recalled.recall(kept());
  EXPECT_TRUE(recalled.confirmed());
  EXPECT_FALSE(settled(recalled));
  EXPECT_TRUE(was_sent("company retire"));
  EXPECT_FALSE(was_sent("company abort"));
}

// It was only prepared, or it was undone. In both cases what the folder stored brings the agents back.
TEST_F(JoinedTest, OneThatIsBehindIsBroughtBackByWhatTheFolderKept) {
  states_["cloud"] = in_epoch(0);
  refuses_.emplace(std::pair("company", protocol::HandoverStep::status),
                   Error(Code::not_found, "the key is not active here"));
  HolderGroup holders = look_again();
  holders.recall(kept());
  EXPECT_EQ(must(settled(holders)), Settled::completed);
  EXPECT_TRUE(was_sent("cloud activate"));
  EXPECT_TRUE(was_sent("company retire"));
  HolderGroup after = look_again();
  EXPECT_TRUE(after.all_reachable());
  EXPECT_EQ(must(settled(after)), Settled::nothing_left);
}

// An agent that undid the newest epoch and has no other says that it does not know the key.
TEST_F(JoinedTest, OneThatSaysNotFoundIsShownTheAcknowledgements) {
  states_["cloud"].acknowledgements = agents_.acknowledgements();
  refuses_.emplace(std::pair("company", protocol::HandoverStep::status),
                   Error(Code::not_found, "the key is not active here"));
  HolderGroup holders = look_again();
  EXPECT_EQ(must(settled(holders)), Settled::completed);
  EXPECT_EQ(sent_, std::vector<std::string>{"company retire"});
  EXPECT_TRUE(look_again().all_reachable());
}

TEST_F(JoinedTest, WhatWasKeptOfAnotherEpochCountsForNothing) {
  const Bundle fork = agents_.fork();
  HolderGroup holders = look_again();
  holders.recall({.version = fork.newest(), .acknowledgements = agents_.acknowledgements(fork)});
  EXPECT_EQ(holders.acknowledgements(), nullptr);
  auto few = kept();
  few.acknowledgements.pop_back();
  holders.recall(few);
  EXPECT_EQ(holders.acknowledgements(), nullptr);
  holders.recall(kept());
  EXPECT_NE(holders.acknowledgements(), nullptr);
}

}  // namespace
}  // namespace coprotect::provisioning
