// The tenant's lists as agents report them, and how the tool uses them.

#include <gtest/gtest.h>

#include "client/test_agents.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "provisioning/handover/completion.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

class NewestList : public testing::Test {
 protected:
  Bytes list(std::uint64_t serial, std::int64_t time_ms = 1) const {
    return protocol::ClientList{.tenant = "acme", .serial = serial, .time_ms = time_ms, .clients = {}}.sign(
        agents_.client_ca_key());
  }
  void tells(const std::string& name, const Result<Bytes>& answer) { agents_.agent(name).list = answer; }
  SignedLists lists() const {
    return {kClientLists, agents_.newest(), {credentials_.certificate}, credentials_.key};
  }

  client::test::TestAgents agents_{protocol::SuiteId::p256};
  const client::Credentials credentials_ = agents_.credentials();
};

TEST_F(NewestList, IsTheNewestThatAnAgentHas) {
  const Bytes third = list(3);
  const Bytes fourth = list(4);
  tells("cloud", third);
  tells("company", list(2));
  SignedLists both = lists();
  EXPECT_EQ(must(both.newest(std::nullopt)), third);
  EXPECT_EQ(must(both.newest(fourth)), fourth);
  EXPECT_TRUE(both.someone_lacks(third));
}

// An agent must not be able to prevent the removal of a client at the other one.
TEST_F(NewestList, IsNotHeldUpByWhatOneAgentAnswersOtherwise) {
  const Bytes second = list(2);
  const Bytes fourth = list(4);
  tells("company", second);
  for (const Result<Bytes>& answer :
       {Result<Bytes>(Bytes{1, 2, 3}), Result<Bytes>(Bytes{}), Result<Bytes>(Error(Code::internal, "no")),
        Result<Bytes>(Error(Code::denied, "no"))}) {
    tells("cloud", answer);
    SignedLists both = lists();
    EXPECT_EQ(must(both.newest(std::nullopt)), second);
    EXPECT_TRUE(both.someone_lacks(second));
  }
  tells("company", Error(Code::not_found, "no list"));
  EXPECT_EQ(lists().newest(std::nullopt).error().code(), Code::not_found);
  EXPECT_EQ(must(lists().newest(fourth)), fourth);
}

// A thief of the client CA's key gives each agent another list. The administrator signs one above both.
TEST_F(NewestList, TwoOfOneSerialLockNobodyOut) {
  const Bytes known = list(4);
  const Bytes one = list(5, 1);
  const Bytes other = list(5, 2);
  tells("cloud", one);
  tells("company", other);
  SignedLists both = lists();
  EXPECT_EQ(must(both.newest(known)), known);
  ASSERT_TRUE(both.fork());
  EXPECT_EQ(both.fork()->serial, 5u);
  EXPECT_EQ(both.fork()->lists, (std::vector<Bytes>{one, other}));
  EXPECT_TRUE(both.fork()->in_folder);
  EXPECT_NE(both.fork()->what.find("cloud agent and company agent"), std::string::npos) << both.fork()->what;
  EXPECT_TRUE(both.someone_lacks(known));
  SignedLists without = lists();
  EXPECT_EQ(must(without.newest(std::nullopt)), one);
  EXPECT_FALSE(without.fork()->in_folder);
}

TEST_F(NewestList, OfTheFoldersSerialAnotherOneLocksNobodyOut) {
  const Bytes known = list(5, 1);
  tells("cloud", known);
  tells("company", list(5, 2));
  SignedLists both = lists();
  EXPECT_EQ(must(both.newest(known)), known);
  ASSERT_TRUE(both.fork());
  EXPECT_EQ(both.fork()->serial, 5u);
  EXPECT_TRUE(both.fork()->in_folder);
  // A newer one ends it.
  const Bytes sixth = list(6);
  tells("cloud", sixth);
  SignedLists later = lists();
  EXPECT_EQ(must(later.newest(known)), sixth);
  EXPECT_FALSE(later.fork());
}

// A list that an agent keeps after it joined, for which it refuses the given one.
TEST_F(NewestList, OfAnAgentThatJoinedIsNoOlderOneAndDestroysNothing) {
  const auto keys = [&](std::uint64_t serial, protocol::KeyUse use) {
    return protocol::KeyList{
        .tenant = "acme", .serial = serial, .time_ms = 1, .keys = {{agents_.newest().key_id(), use, 1}}}
        .sign(agents_.client_ca_key());
  };
  const auto keeps = [&](const ListKind& kind, const Bytes& given, const Bytes& kept) {
    const auto checked = check_kept_list(kind, given, kept, agents_.newest(), "site agent");
    return checked ? "ok" : checked.error().message();
  };
  const Bytes given = keys(3, protocol::KeyUse::encrypts);
  EXPECT_EQ(keeps(kKeyLists, given, given), "ok");
  EXPECT_EQ(keeps(kKeyLists, given, keys(4, protocol::KeyUse::decrypt_only)), "ok");
  const std::string another = "site agent keeps another key list than the other agents";
  EXPECT_EQ(
      keeps(kKeyLists, given, keys(4, protocol::KeyUse::destroyed)).rfind(another + ", which destroys", 0),
      0u);
  EXPECT_EQ(keeps(kKeyLists, given, keys(3, protocol::KeyUse::decrypt_only))
                .rfind(another + ": serial 3, not 3", 0),
            0u);
  EXPECT_EQ(
      keeps(kKeyLists, given, keys(1, protocol::KeyUse::encrypts)).rfind(another + ": serial 1, not 3", 0),
      0u);
  EXPECT_EQ(keeps(kClientLists, list(3), list(4)), "ok");
  EXPECT_NE(keeps(kClientLists, list(3), list(2)), "ok");
  EXPECT_NE(keeps(kClientLists, list(3), Bytes{1, 2}), "ok");
}

TEST_F(NewestList, NeedsOneAgentThatAnswers) {
  tells("cloud", Bytes{1, 2, 3});
  tells("company", Error(Code::internal, "no"));
  EXPECT_EQ(lists().newest(list(4)).error().code(), Code::internal);
}

}  // namespace
}  // namespace coprotect::provisioning
