#include "client/bundle_update.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <fcntl.h>

#include "client/bundle_file.h"
#include "client/derivation.h"
#include "client/test_following.h"

namespace coprotect::client {
namespace {

using namespace std::chrono_literals;
using protocol::Bundle;
using protocol::SuiteId;
using test::TestAgents;

class BundleUpdateTest : public test::FollowingTest {};
INSTANTIATE_TEST_SUITE_P(Suites, BundleUpdateTest, protocol::test::tested_suites(),
                         protocol::test::suite_label);

// Tests whose result does not depend on the suite.
class BundleFetchTest : public BundleUpdateTest {};
INSTANTIATE_TEST_SUITE_P(Suites, BundleFetchTest, testing::Values(SuiteId::p256),
                         protocol::test::suite_label);

TEST_P(BundleUpdateTest, TakesTheNewestThatAQuorumShows) {
  expect_shown(at(0), at(0));
  hand_over_to_all(2);
  expect_shown(at(0), at(2));
  expect_shown(at(2), at(2));
  // One agent is behind, or went back. What the other shows is a candidate.
  agents_.put("cloud", {0});
  expect_shown(at(0), at(0), {at(2)});
  expect_shown(at(1), at(1), {at(2)});
  // Both agents show version 1, or one that extends it.
  agents_.put("cloud", {1});
  expect_shown(at(0), at(1), {at(2)});
  agents_.put("company", {1});
  expect_shown(at(2), at(2));
}

TEST_P(BundleFetchTest, FollowsTheKeyToOtherAgents) {
  agents_.hand_over(agents_.other_layout());
  agents_.hand_over(agents_.other_layout());
  agents_.leave("company", 1);
  agents_.put("site", {2});
  agents_.put("cloud", {2});
  expect_shown(at(0), at(2));
  // An agent that left does not count.
  agents_.stop("cloud");
  expect_shown(at(0), at(0), {at(2), at(1)});
}

TEST_P(BundleFetchTest, ANewKeyBeginsWithWhatAQuorumShows) {
  const Bundle fork = agents_.fork();
  hand_over_to_all(2);
  const auto agent = [&](const char* const name) {
    const auto& parameters = at(0).parameters();
    return parameters->parties[parameters.position_of(name).value()].identity_key.bytes();
  };
  const auto first = [&](const Bundle& cloud, const Bundle& company) {
    return first_bundle({{agent("cloud"), cloud}, {agent("company"), company}}).encoded();
  };
  EXPECT_EQ(first(at(2), at(2)), at(2).encoded());
  EXPECT_EQ(first(at(2), at(1)), at(1).encoded());
  EXPECT_EQ(first(fork, at(2)), at(0).encoded());
  EXPECT_EQ(first_bundle({{agent("cloud"), fork}}).encoded(), at(0).encoded());
  EXPECT_EQ(first_bundle({{agent("cloud"), fork}, {agent("cloud"), fork}}).encoded(), at(0).encoded());
}

// If a header's MAC does not match m of a batch, the file is asked for alone before it is reported as
// altered. The other files of the batch are not.
TEST_P(BundleUpdateTest, AsksAloneForAFileWhoseHeaderDoesNotHold) {
  Quorum asking = quorum();
  std::vector<protocol::Header> headers;
  for (int i = 0; i < 3; ++i)
    headers.push_back(std::move(
        must(protocol::Header::create(at(0).public_key(), at(0).key_id(), {}, system_random())).first));
  const ByteView sound = headers[1].encoded();
  Bytes altered(sound.begin(), sound.end());
  altered.back() ^= 1;
  headers[1] = must(protocol::Header::parse(altered));
  std::vector<LockedFile> files;
  for (const protocol::Header& header : headers)
    files.push_back({.header = &header, .stanza = must(header.stanza_for(at(0).key_id()))});
  const auto opened = asking.open(files);
  for (const std::size_t i : {0u, 2u}) EXPECT_TRUE(headers[i].unlock(*opened[i]));
  ASSERT_TRUE(opened[1]);
  EXPECT_EQ(headers[1].unlock(*opened[1]).error().code(), Code::altered);
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(agents_.agent(name).asked, 2) << name;
  // One file has already been asked for alone.
  const auto again = asking.open(std::span(files).subspan(1, 1));
  ASSERT_TRUE(again.front());
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(agents_.agent(name).asked, 3) << name;
}

TEST_P(BundleUpdateTest, TakesNothingOfAFork) {
  const Bundle fork = agents_.fork();
  hand_over_to_all(1);
  agents_.agent("company").shows = fork.encoded();
  // The client is on the one branch, or before it.
  expect_refused(at(1), Code::altered, agent_at("company") + " shows another history of the key");
  expect_shown(at(0), at(0), {at(1), fork});
  const HeldBundle held(at(0), write(at(0)), warn());
  must(held.ask(agents_.credentials(), 10s));
  EXPECT_EQ(held.current()->encoded(), at(0).encoded());
  EXPECT_EQ(in_file(), at(0).encoded());
}

TEST_P(BundleFetchTest, NamesWhoShowsWhatIsNoBundleOfTheKey) {
  const auto other = protocol::test::TestKey::generate(GetParam());
  agents_.agent("cloud").shows = other.bundle.encoded();
  expect_refused(at(0), Code::bad_proof, agent_at("cloud") + " shows the bundle of another key");
  agents_.agent("cloud").shows->at(100) ^= 1;
  expect_refused(at(0), Code::bad_proof, agent_at("cloud") + " shows a bundle that does not hold");
  // The others may still have a newer one.
  agents_.hand_over(agents_.first_layout());
  agents_.put("company", {1});
  expect_shown(at(0), at(0), {at(1)});
}

TEST_P(BundleFetchTest, SaysWhyNobodyShowsAny) {
  // The same holds for another tenant's clients.
  for (const char* const name : {"cloud", "company"}) agents_.agent(name).shows.reset();
  expect_refused(at(0), Code::not_found, "not known here");
  for (const char* const name : {"cloud", "company"}) agents_.stop(name);
  expect_refused(at(0), Code::unavailable, "cannot connect");
}

TEST_P(BundleUpdateTest, AQuorumGoesOnWithTheKey) {
  Quorum everyday = quorum();
  must(open(everyday));
  hand_over_to_all(1);
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 1u);
  EXPECT_EQ(in_file(), at(1).encoded());
  // From now on no agent is asked for it.
  agents_.agent("cloud").shown = 0;
  must(open(everyday));
  EXPECT_EQ(agents_.agent("cloud").shown, 0);
  EXPECT_TRUE(warnings_.empty());
}

TEST_P(BundleFetchTest, AQuorumAsksOnceMoreIfAgentsAreInDifferentEpochs) {
  agents_.hand_over(agents_.first_layout());
  // Both serve the older epoch, so there is nothing to do.
  agents_.put("cloud", {0, 1});
  Quorum everyday = quorum();
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 0u);
  // One has released it; the other does not report the newer one yet.
  agents_.put("company", {1});
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 1u);
}

// Like an agent that is short of connection slots. Each request is signed again, because the one before may
// have arrived.
TEST_P(BundleFetchTest, AQuorumAsksAgainIfAnAgentEndsANewConnection) {
  agents_.agent("cloud").hangs_up = 2;
  Quorum everyday = quorum();
  must(open(everyday));
  EXPECT_EQ(agents_.agent("cloud").asked, 1);
  EXPECT_EQ(agents_.agent("company").asked, 1);
  Quorum other = quorum();
  agents_.agent("cloud").hangs_up = 3;
  const auto refused = open(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  EXPECT_EQ(agents_.agent("cloud").hangs_up, 0);
}

TEST_P(BundleFetchTest, AQuorumFollowsTheKeyAlongAChain) {
  for (const char* const first : {"cloud", "company"}) {
    Quorum chain = quorum({.chain = true, .first = first});
    hand_over_to_all(1);
    must(open(chain));
  }
  agents_.hand_over(agents_.other_layout());
  agents_.leave("company", agents_.newest().epoch());
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {agents_.newest().epoch()});
  for (const char* const first : {"cloud", "company"}) {
    Quorum chain = quorum({.chain = true, .first = first});
    must(open(chain));
    EXPECT_EQ(in_file(), agents_.newest().encoded());
  }
}

// A client that reaches only one agent sees only what that one shows.
TEST_P(BundleFetchTest, AQuorumAlongAChainKeepsWhatOneAgentShows) {
  Quorum chain = quorum({.chain = true, .first = "cloud"});
  hand_over_to_all(2);
  agents_.agent("company").shows.reset();
  must(open(chain));
  EXPECT_EQ(chain.bundle().epoch(), 2u);
  EXPECT_EQ(in_file(), at(2).encoded());
}

TEST_P(BundleFetchTest, AQuorumPassesOverAForkThatAnAgentShows) {
  const Bundle fork = agents_.fork();
  Quorum everyday = quorum();
  hand_over_to_all(1);
  agents_.agent("company").shows = fork.encoded();
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().encoded(), at(1).encoded());
  EXPECT_EQ(in_file(), at(1).encoded());
  // An agent that was already there accepts nothing of it, and is told.
  agents_.agent("cloud").serves = {7};
  const auto opened = open(everyday);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::altered);
  EXPECT_NE(opened.error().message().find(agent_at("company")), std::string::npos);
  EXPECT_EQ(in_file(), at(1).encoded());
}

TEST_P(BundleFetchTest, AQuorumSaysWhatAgentsSayIfThereIsNoNewerBundle) {
  Quorum everyday = quorum();
  agents_.agent("cloud").serves = {7};
  const auto opened = open(everyday);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::conflict);
  EXPECT_NE(opened.error().message().find("the key is in epoch 7"), std::string::npos);
}

TEST_P(BundleFetchTest, ABundleThatCannotBeKeptIsUsedAllTheSame) {
  const Bundle fork = agents_.fork();
  Quorum everyday = quorum();
  write(fork);  // another program writes it
  hand_over_to_all(1);
  must(open(everyday));
  std::filesystem::remove(file_);
  hand_over_to_all(1);
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 2u);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_.front().find("has another history of the key"), std::string::npos) << warnings_.front();
}

TEST_P(BundleFetchTest, ThreadsGoOnTogether) {
  const HeldBundle held(at(0), write(at(0)), warn());
  hand_over_to_all(1);
  std::vector<std::jthread> threads;
  std::atomic<int> went_on = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto history = held.ask(agents_.credentials(), 10s);
      went_on += history && history->confirmed.epoch() == 1 && held.current()->epoch() == 1 ? 1 : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(went_on, 8);
  EXPECT_EQ(in_file(), at(1).encoded());
}

TEST_P(BundleFetchTest, QuorumsWithOneBundleGoOnTogether) {
  const HeldBundle held(at(0), write(at(0)), warn());
  const auto quorum = [&] {
    return Quorum(held, agents_.credentials(), protocol::Action::view, "test", 10s, std::nullopt);
  };
  Quorum first = quorum();
  Quorum second = quorum();
  hand_over_to_all(1);
  must(open(first));
  agents_.agent("cloud").shown = 0;
  must(open(second));
  EXPECT_EQ(agents_.agent("cloud").shown, 0);
  EXPECT_EQ(second.bundle().epoch(), 1u);
  hand_over_to_all(2);
  must(open(first));
  hand_over_to_all(1);
  must(open(second));
  EXPECT_EQ(second.bundle().epoch(), 4u);
}

TEST_P(BundleFetchTest, AHeldBundleFollowsOtherPrograms) {
  const Bundle fork = agents_.fork();
  const HeldBundle held(at(0), write(at(0)), warn());
  EXPECT_TRUE(held.follow_file());
  hand_over_to_all(2);
  write(at(2));
  EXPECT_TRUE(held.follow_file());
  EXPECT_EQ(held.current()->epoch(), 2u);
  for (const Bundle& other : {at(1), fork}) {
    write(other);
    EXPECT_FALSE(held.follow_file());
    EXPECT_EQ(held.current()->encoded(), at(2).encoded());
  }
}

TEST_P(BundleUpdateTest, DerivationsGoOnWithTheKey) {
  TestAgents agents(GetParam(), protocol::Purpose::derive);
  const protocol::Group& group = protocol::group_of(GetParam());
  const auto secret = protocol::Scalar::random(group.scalars(), system_random());
  const auto peer = group.generator_power_secret(secret);
  auto derivation = must(Derivation::make(agents.epoch(0).bundle, agents.credentials(),
                                          protocol::Action::view, "test", 10s, std::nullopt));
  const Secret before = must(derivation.shared_secret(peer.encode()));
  agents.hand_over(agents.other_layout());
  agents.leave("company", 1);
  for (const char* const name : {"cloud", "site"}) agents.put(name, {1});
  EXPECT_TRUE(equal_in_constant_time(before, must(derivation.shared_secret(peer.encode()))));
}

}  // namespace
}  // namespace coprotect::client
