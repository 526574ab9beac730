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

// Versions that may be taken back: used, and not kept.
class CandidateTest : public test::FollowingTest {};
INSTANTIATE_TEST_SUITE_P(Suites, CandidateTest, protocol::test::tested_suites(), protocol::test::suite_label);

// What is the same in every suite.
class CandidateFetchTest : public CandidateTest {};
INSTANTIATE_TEST_SUITE_P(Suites, CandidateFetchTest, testing::Values(SuiteId::p256),
                         protocol::test::suite_label);

// A handover that was taken back after all had confirmed it leaves a version that is fully signed. An agent
// that is hostile shows it for ever.
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
  // It is replaced, or repents.
  agents_.put("cloud", {0});
  must(open(everyday));
  // The key goes on another way.
  hand_over_to_all(1);
  agents_.agent("cloud").shows = taken_back.encoded();
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().encoded(), at(1).encoded());
  // Both refused the epoch before it: they erased it.
  EXPECT_EQ(in_file(), at(1).encoded());
}

// Who has activated a version can still go back from it, if another agent never does.
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

// An agent that joins shows the version by which it joins before all acknowledged it, though it is honest.
TEST_P(CandidateFetchTest, WhoJoinsConfirmsNothing) {
  Quorum everyday = quorum();
  agents_.hand_over(agents_.other_layout());
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {1});
  must(open(everyday));
  EXPECT_EQ(everyday.bundle().epoch(), 1u);
  EXPECT_EQ(in_file(), at(0).encoded());
  // Where a quorum answered is asked first the next time, by another program, too.
  const int shown = agents_.agent("cloud").shown;
  Quorum next = quorum();
  EXPECT_EQ(next.bundle().epoch(), 1u);
  must(open(next));
  EXPECT_EQ(agents_.agent("cloud").shown, shown);
  // It is taken back.
  agents_.put("cloud", {0});
  agents_.leave("site", 0);
  agents_.agent("site").shows.reset();
  must(open(everyday));
  must(open(next));
  EXPECT_EQ(in_file(), at(0).encoded());
  // Or it is not, and who held the key before shows it.
  for (const char* const name : {"cloud", "site"}) agents_.put(name, {1});
  agents_.leave("company", 1);
  must(open(everyday));
  EXPECT_EQ(in_file(), at(1).encoded());
}

// Nobody there need say that the key is elsewhere.
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
  // Nor is it asked first any more.
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
