#include "provisioning/parties_of_quorums.h"

#include <gtest/gtest.h>

namespace coprotect::provisioning {
namespace {

using Quorums = std::vector<std::vector<std::size_t>>;

TEST(Quorums, AreAllSetsOfTWithOneShareEach) {
  EXPECT_EQ(quorums_of({1, 1, 1}, 2), (Quorums{{0, 1}, {0, 2}, {1, 2}}));
  EXPECT_EQ(quorums_of({1, 1, 1, 1, 1}, 3).size(), 10u);
  EXPECT_EQ(quorums_of({1}, 1), (Quorums{{0}}));
  EXPECT_EQ(quorums_of({1, 1}, 1), (Quorums{{0}, {1}}));
}

TEST(Quorums, LeaveOutNobodyWhoIsNeeded) {
  // The first party holds two of the three shares needed.
  EXPECT_EQ(quorums_of({2, 1, 1, 1}, 3), (Quorums{{0, 1}, {0, 2}, {0, 3}, {1, 2, 3}}));
  EXPECT_TRUE(quorums_of({1, 1}, 3).empty());
}

}  // namespace
}  // namespace coprotect::provisioning
