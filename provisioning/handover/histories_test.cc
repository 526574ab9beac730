#include <gtest/gtest.h>

#include "protocol/handover/test_handover.h"
#include "provisioning/handover/holder_group.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;
using protocol::test::TestHandover;
using protocol::test::TestKey;

// A key, a version of it that was undone, and the version with which it continued.
class HistoriesTest : public testing::Test {
 protected:
  Bundle handed_over(TestKey& key) const {
    TestHandover(key, protocol::test::default_layout(), {1, 2}).run();
    return key.bundle;
  }
  static Bytes newest(const Bundle& known, const std::vector<AgentHistory>& shown) {
    return must(newest_history(known, shown)).encoded();
  }
  static void expect_refused(const Bundle& known, const std::vector<AgentHistory>& shown,
                             const std::string& words) {
    const auto refused = newest_history(known, shown);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::altered);
    EXPECT_NE(refused.error().message().find(words), std::string::npos) << refused.error().message();
  }

  // The same with another handover.
  static Bundle handed_over_by(TestKey key, std::uint32_t skipped) {
    TestHandover handover(key, protocol::test::default_layout(), {1, 2});
    handover.skip(skipped);
    handover.run();
    return key.bundle;
  }

  TestKey key_ = TestKey::shared(protocol::SuiteId::p256);
  const TestKey before_key_ = key_.clone();
  const Bundle before_ = key_.bundle;
  TestKey other_ = key_.clone();
  const Bundle void_ = handed_over(other_);
  const Bundle now_ = handed_over(key_);
};

TEST_F(HistoriesTest, OneAgentIsEnoughForAVersionThatIsUnderWay) {
  EXPECT_EQ(newest(before_, {}), before_.encoded());
  EXPECT_EQ(newest(before_, {{"a", before_}, {"b", now_}, {"c", before_}}), now_.encoded());
  EXPECT_EQ(newest(now_, {{"a", before_}}), now_.encoded());
}

TEST_F(HistoriesTest, OfTwoThatDifferTheOneThatMoreAgentsShow) {
  EXPECT_EQ(newest(before_, {{"evil", void_}, {"b", now_}, {"c", now_}}), now_.encoded());
  EXPECT_EQ(newest(before_, {{"a", now_}, {"evil", void_}, {"c", now_}}), now_.encoded());
  expect_refused(before_, {{"a", now_}, {"evil", void_}}, "a and evil show different histories of key");
}

// An agent that lies about both can make all acknowledge both. But an agent that acknowledged the later one
// had given up the earlier one before.
TEST_F(HistoriesTest, OfTwoThatAllAcknowledgedTheLaterOneCounts) {
  const Bundle earlier = handed_over_by(before_key_.clone(), 0),
               later = handed_over_by(before_key_.clone(), 1);
  EXPECT_EQ(newest(before_, {{"a", earlier, true}, {"b", later, true}}), later.encoded());
  EXPECT_EQ(newest(before_, {{"b", later, true}, {"a", earlier, true}, {"c", earlier}}), later.encoded());
  // Without all acknowledgements of both, the usual rule applies.
  expect_refused(before_, {{"a", earlier, true}, {"b", later, false}}, "show different histories of key");
  expect_refused(before_, {{"a", earlier, false}, {"b", later, true}}, "show different histories of key");
  EXPECT_EQ(newest(before_, {{"a", earlier, true}, {"evil", later}, {"c", earlier}}), earlier.encoded());
  // It does not take a client back behind what it knows either.
  expect_refused(earlier, {{"a", earlier, true}, {"b", later, true}}, "b shows another history of key");
}

TEST_F(HistoriesTest, NothingThatDoesNotGoOnFromWhatIsKnown) {
  expect_refused(now_, {{"a", now_}, {"evil", void_}}, "evil shows another history of key");
  expect_refused(now_, {{"evil", TestKey::generate(protocol::SuiteId::p256).bundle}}, "evil shows another");
}

}  // namespace
}  // namespace coprotect::provisioning
