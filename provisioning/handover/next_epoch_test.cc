#include "provisioning/handover/next_epoch.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "protocol/base/test_must.h"

namespace coprotect::provisioning {
namespace {

std::uint32_t chosen(std::uint32_t present, const std::vector<Decided>& agents) {
  return must(next_epoch(present, agents));
}
std::string refused(const std::vector<Decided>& agents) {
  const auto epoch = next_epoch(3, agents);
  EXPECT_FALSE(epoch);
  return epoch ? "" : epoch.error().message();
}

TEST(NextEpoch, IsOneThatNobodyHasDecided) {
  EXPECT_EQ(chosen(3, {}), 4u);
  EXPECT_EQ(chosen(3, {{"cloud", 0}, {"company", 3}}), 4u);
  EXPECT_EQ(chosen(3, {{"cloud", 700}, {"company", 3}}), 701u);
}

// A stolen certificate can move all agents arbitrarily far, but that stops neither a new code nor a restore.
TEST(NextEpoch, MayBeFarIfAllAgentsAre) {
  constexpr std::uint32_t kFar = 2'000'000'000;
  EXPECT_EQ(chosen(3, {{"cloud", kFar}, {"company", kFar - 5}}), kFar + 1);
  EXPECT_EQ(chosen(3, {{"cloud", kFar}}), kFar + 1);  // the other agent is lost
}

TEST(NextEpoch, DoesNotFollowOneAgentThatLies) {
  EXPECT_TRUE(refused({{"cloud", 5}, {"company", 2'000'000'000}}).starts_with("company agent says"));
  EXPECT_TRUE(refused({{"cloud", 2'000'000'000}, {"company", 5}}).starts_with("cloud agent says"));
}

TEST(NextEpoch, EndsWithTheLast) {
  constexpr auto kLast = std::numeric_limits<std::uint32_t>::max();
  EXPECT_EQ(chosen(kLast - 1, {{"cloud", kLast - 1}}), kLast);
  EXPECT_NE(refused({{"cloud", kLast}}).find("the last one"), std::string::npos);
}

}  // namespace
}  // namespace coprotect::provisioning
