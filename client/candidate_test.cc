#include "client/bundle_update.h"

#include <gtest/gtest.h>

#include "client/bundle_file.h"
#include "client/test_following.h"

namespace coprotect::client {
namespace {

using namespace std::chrono_literals;
using protocol::Bundle;
using protocol::SuiteId;
using test::TestAgents;

// Versions that may be undone are used, but not saved.
class CandidateTest : public test::FollowingTest {};
INSTANTIATE_TEST_SUITE_P(Suites, CandidateTest, protocol::test::tested_suites(), protocol::test::suite_label);

// Tests whose result does not depend on the suite.
class CandidateFetchTest : public CandidateTest {};
INSTANTIATE_TEST_SUITE_P(Suites, CandidateFetchTest, testing::Values(SuiteId::p256),
                         protocol::test::suite_label);

// A handover that was undone after all had confirmed it leaves a fully signed version. A hostile agent shows
// it forever.
TEST_P(CandidateTest, AVersionThatWasTakenBackLocksNobodyOut) {
  const Bundle taken_back = agents_.fork();
  Quorum everyday = quorum();
  agents_.agent("cloud").shows = taken_back.encoded();
  agents_.agent("cloud").serves = {7};
  for (int i = 1; i <= 2; ++i) {
    const auto refused = open(everyday);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::conflict) << refused.error().message();
    EXPECT_EQ(agents_.agent("company").asked, 2 * i);  // one request for each history
    EXPECT_EQ(everyday.bundle().epoch(), 0u);
    EXPECT_EQ(in_file(), at(0).encoded());
  }
  // The agent is replaced, or becomes honest.
  agents_.put("cloud", {0});
  must(open(everyday));
  // The key continues with another version.
  hand_over_to_all(1);
  agents_.agent("cloud").shows = taken_back.encoded();
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().encoded(), at(1).encoded());
  // Both refused the epoch before it, so they erased it.
  EXPECT_EQ(in_file(), at(1).encoded());
}

// An agent that has activated a version can still go back from it, if another agent never activates it.
TEST_P(CandidateTest, AVersionThatIsNotAcknowledgedIsUsedAndNotKept) {
  Quorum everyday = quorum();
  Quorum chain = quorum({.chain = true, .first = "cloud"});
  agents_.hand_over(agents_.first_layout());
  agents_.put("cloud", {1});
  agents_.put("company", {0, 1});
  for (Quorum* const one : {&everyday, &chain}) {
    must(open(*one));
    EXPECT_EQ(one->bundle().epoch(), 1u);
    EXPECT_EQ(in_file(), at(0).encoded());
  }
  for (const char* const name : {"cloud", "company"}) agents_.put(name, {0});
  for (Quorum* const one : {&everyday, &chain}) {
    must(open(*one));
    EXPECT_EQ(one->bundle().epoch(), 0u);
    EXPECT_EQ(in_file(), at(0).encoded());
  }
}

// An agent that joins shows the version with which it joined before all acknowledged it, though it is honest.
TEST_P(CandidateFetchTest, WhoJoinsConfirmsNothing) {
  Quorum everyday = quorum();
  agents_.hand_over(agents_.other_layout());
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {1});
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 1u);
  EXPECT_EQ(in_file(), at(0).encoded());
  // The bundle for which a quorum answered is tried first the next time, also by another program.
  const int shown = agents_.agent("cloud").shown;
  Quorum next = quorum();
  EXPECT_EQ(next.bundle().epoch(), 1u);
  must(open(next));
  EXPECT_EQ(agents_.agent("cloud").shown, shown);
  // It is undone.
  agents_.put("cloud", {0});
  agents_.leave("site", 0);
  agents_.agent("site").shows.reset();
  must(open(everyday));
  must(open(next));
  EXPECT_EQ(in_file(), at(0).encoded());
  // Or it is not, and an agent that held the key before shows it.
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {1});
  agents_.leave("company", 1);
  must(open(everyday));
  EXPECT_EQ(in_file(), at(1).encoded());
}

// No agent there needs to say that the key has moved.
TEST_P(CandidateFetchTest, ACandidateThatAnswersNoMoreIsLeft) {
  Quorum everyday = quorum();
  agents_.hand_over(agents_.other_layout());
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {1});
  must(open(everyday));
  agents_.put("cloud", {0});
  agents_.agent("cloud").elsewhere = Code::denied;
  agents_.stop("site");
  Quorum next = quorum();
  EXPECT_EQ(next.bundle().epoch(), 1u);
  for (Quorum* const one : {&next, &everyday}) {
    must(open(*one));
    EXPECT_EQ(one->bundle().epoch(), 0u);
  }
  // It is no longer tried first either.
  EXPECT_EQ(quorum().bundle().epoch(), 0u);
}

TEST_P(CandidateFetchTest, AsksABoundedNumberOfTimes) {
  std::vector<Bundle> taken_back;
  for (int i = 0; i < 2; ++i) taken_back.push_back(agents_.fork());
  Quorum everyday = quorum();
  for (const char* const name : {"cloud", "company"}) agents_.agent(name).serves = {7};
  agents_.agent("cloud").shows = taken_back[0].encoded();
  agents_.agent("company").shows = taken_back[1].encoded();
  EXPECT_FALSE(open(everyday));
  for (const char* const name : {"cloud", "company"}) EXPECT_EQ(agents_.agent(name).asked, 3) << name;
}

}  // namespace
}  // namespace coprotect::client
