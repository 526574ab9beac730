#include "client/recovery.h"

#include <gtest/gtest.h>

#include "client/test_agents.h"
#include "protocol/group/test_suites.h"
#include "protocol/recovery/code.h"
#include "protocol/recovery/test_blob.h"

namespace coprotect::client {
namespace {

using namespace std::chrono_literals;
using protocol::RecoveryBlob;
using test::TestAgents;

// A company that has its recovery code, and whose agents keep what the code opens.
class RecoveryTest : public testing::TestWithParam<protocol::SuiteId> {
 protected:
  RecoveryTest() { agents_.keep_blob(blob_.encoded()); }
  RecoveryBlob seal(const protocol::HpkePrivateKey& hpke) const {
    return must(RecoveryBlob::seal_with(protocol::kQuickCost, {1}, {2},
                                        must(protocol::read_code(code_.reveal())),
                                        agents_.epoch(0).bundle.key_id(), GetParam(), hpke))
        .first;
  }
  RecoveryShare opened() { return must(open_blob(blob_, agents_.epoch(0).bundle, code_)).share; }
  Result<LocalShare> in(const protocol::Bundle& bundle) {
    return opened().in(bundle, agents_.credentials(), 10s);
  }
  void refresh(bool new_code = false) {
    agents_.hand_over(agents_.first_layout(), new_code);
    for (const char* const name : {"cloud", "company"}) agents_.put(name, {agents_.newest().epoch()});
  }
  void expect_share(const Result<LocalShare>& share) {
    ASSERT_TRUE(share) << share.error().message();
    const protocol::Group& group = agents_.newest().group();
    EXPECT_TRUE(group.generator_power_secret(share->share) == agents_.newest().public_share(share->index));
  }
  void expect_refused(const Result<LocalShare>& share, Code code, const std::string& part) {
    ASSERT_FALSE(share);
    EXPECT_EQ(share.error().code(), code) << share.error().message();
    EXPECT_NE(share.error().message().find(part), std::string::npos) << share.error().message();
  }

  TestAgents agents_{GetParam()};
  const Secret code_ = protocol::generate_code(system_random());
  const RecoveryBlob blob_ = seal(agents_.recovery_key());
};
INSTANTIATE_TEST_SUITE_P(Suites, RecoveryTest, protocol::test::tested_suites(), protocol::test::suite_label);

// Tests whose result does not depend on the suite.
class RecoveryRefusalTest : public RecoveryTest {};
INSTANTIATE_TEST_SUITE_P(Suites, RecoveryRefusalTest, testing::Values(protocol::SuiteId::p256),
                         protocol::test::suite_label);

TEST_P(RecoveryRefusalTest, TheFirstShareIsMadeOfWhatAgentsKeepToo) {
  expect_share(in(agents_.newest()));
  EXPECT_EQ(must(fetch_blob(agents_.newest(), agents_.credentials(), 10s)).encoded(), blob_.encoded());
}

TEST_P(RecoveryTest, LaterOnesAreMadeOfWhatAgentsKeep) {
  refresh();
  expect_share(in(agents_.newest()));
  refresh();
  expect_share(in(agents_.newest()));
  EXPECT_EQ(must(fetch_blob(agents_.newest(), agents_.credentials(), 10s)).encoded(), blob_.encoded());
  // One agent is enough.
  agents_.stop("company");
  expect_share(in(agents_.newest()));
}

TEST_P(RecoveryRefusalTest, AnAgentWithOtherPartsIsPassedOver) {
  refresh();
  refresh();
  agents_.agent("cloud").parts = agents_.epoch(1).parts;
  expect_share(in(agents_.newest()));
}

TEST_P(RecoveryRefusalTest, PartsOfAnotherEpochAreRefused) {
  refresh();
  refresh();
  for (const char* const name : {"cloud", "company"}) agents_.agent(name).parts = agents_.epoch(1).parts;
  expect_refused(in(agents_.newest()), Code::altered, "cloud agent");
  // An agent gives them only to a recovery administrator.
  for (const char* const name : {"cloud", "company"}) agents_.agent(name).parts = Bytes{};
  expect_refused(in(agents_.newest()), Code::denied, "recovery administrator alone");
}

TEST_P(RecoveryTest, AlteredPartsAreRefused) {
  refresh();
  const Bytes& right = agents_.epoch(1).parts;
  for (const std::size_t at : {std::size_t{6}, right.size() / 2, right.size() - 1}) {
    Bytes altered = right;
    altered[at] ^= 1;
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).parts = altered;
    expect_refused(in(agents_.newest()), Code::altered, "cloud agent");
  }
}

TEST_P(RecoveryRefusalTest, ACodeThatWasReplacedIsSaidToBeAnOlderOne) {
  refresh(true);
  expect_refused(in(agents_.newest()), Code::wrong_code, "the recovery code is an older one");
}

// What an agent keeps does not decide that. Otherwise its lie could make a user throw the right kit away.
TEST_P(RecoveryRefusalTest, AnAgentWithAnotherBlobMakesNoCodeOlder) {
  const Bytes other = seal(protocol::HpkePrivateKey::generate(system_random())).encoded();
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).blob = other;
    expect_share(in(agents_.newest()));
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).parts = Bytes{1, 2, 3};
    expect_refused(in(agents_.newest()), Code::altered, "cloud agent");
    for (const char* const name : {"cloud", "company"}) agents_.agent(name).parts.reset();
    refresh();
  }
}

TEST_P(RecoveryRefusalTest, TheBlobIsTheOneThatTheNewestVersionNames) {
  const auto fetched = [&] { return fetch_blob(agents_.newest(), agents_.credentials(), 10s); };
  agents_.agent("cloud").blob = seal(protocol::HpkePrivateKey::generate(system_random())).encoded();
  ASSERT_FALSE(fetched());
  EXPECT_EQ(fetched().error().code(), Code::altered);
  refresh();
  EXPECT_EQ(must(fetched()).encoded(), blob_.encoded());
  agents_.stop("company");
  ASSERT_FALSE(fetched());
  EXPECT_EQ(fetched().error().code(), Code::unavailable);
}

TEST_P(RecoveryRefusalTest, ABlobOfAnotherKeyIsRefused) {
  const protocol::TestBlob other(GetParam());
  const auto refused = open_blob(must(other.seal()).first, agents_.newest(), other.input);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::altered);
}

TEST_P(RecoveryRefusalTest, WhatAPersonChoseOpensNoBlob) {
  const Secret chosen = Secret::copy_of(bytes_of("trombone vexed marzipan glacier"));
  const auto& bundle = agents_.epoch(0).bundle;
  const auto blob = must(RecoveryBlob::seal_with(protocol::kQuickCost, {1}, {2}, chosen, bundle.key_id(),
                                                 GetParam(), agents_.recovery_key()))
                        .first;
  const auto refused = open_blob(blob, bundle, chosen);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::wrong_code);
}

TEST_P(RecoveryRefusalTest, SaysThatNoAgentIsThere) {
  refresh();
  for (const char* const name : {"cloud", "company"}) agents_.stop(name);
  expect_refused(in(agents_.newest()), Code::unavailable, "cannot connect");
}

// A client with the share needs only one agent, and does not wait for the other one.
TEST_P(RecoveryRefusalTest, AnAgentThatIsSilentHoldsNothingUp) {
  const auto& bundle = agents_.epoch(0).bundle;
  Quorum quorum(bundle, agents_.credentials(), protocol::Action::recover, "test", 60s, must(in(bundle)));
  const auto made =
      must(protocol::Header::create(bundle.public_key(), bundle.key_id(), {}, system_random())).first;
  const LockedFile locked{.header = &made, .stanza = must(made.stanza_for(bundle.key_id()))};
  const auto open = [&] { return std::move(quorum.open(std::span(&locked, 1)).front()); };
  for (const char* const name : {"cloud", "company"}) {
    agents_.agent(name).silent = true;
    const auto began = std::chrono::steady_clock::now();
    const auto opened = open();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 30s) << name;
    agents_.agent(name).silent = false;
    EXPECT_TRUE(opened) << opened.error().message();
    EXPECT_TRUE(open());  // the abandoned connection is made again
  }
}

TEST_P(RecoveryTest, ARecoveryThatIsUnderWayGoesOnWithTheKey) {
  const auto& bundle = agents_.epoch(0).bundle;
  Quorum quorum(bundle, agents_.credentials(), protocol::Action::recover, "test", 10s, must(in(bundle)));
  const auto made =
      must(protocol::Header::create(bundle.public_key(), bundle.key_id(), {}, system_random())).first;
  const LockedFile locked{.header = &made, .stanza = must(made.stanza_for(bundle.key_id()))};
  agents_.agent("company").serves.clear();
  must(std::move(quorum.open(std::span(&locked, 1)).front()));
  for (int i = 0; i < 2; ++i) {
    refresh();
    agents_.leave("company", agents_.newest().epoch());
    must(std::move(quorum.open(std::span(&locked, 1)).front()));
    EXPECT_EQ(quorum.bundle().epoch(), agents_.newest().epoch());
  }
  // An agent shows a version that was undone.
  const Bytes taken_back = agents_.fork().encoded();
  refresh();
  agents_.leave("company", agents_.newest().epoch());
  agents_.agent("company").shows = taken_back;
  must(std::move(quorum.open(std::span(&locked, 1)).front()));
  EXPECT_EQ(quorum.bundle().epoch(), agents_.newest().epoch());
  // The code with which it was begun is no longer valid.
  refresh(true);
  agents_.leave("company", agents_.newest().epoch());
  const auto opened = std::move(quorum.open(std::span(&locked, 1)).front());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::wrong_code) << opened.error().message();
}

}  // namespace
}  // namespace coprotect::client
