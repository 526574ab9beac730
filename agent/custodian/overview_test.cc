#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/custodian/testing/test_tampering.h"

// What an agent's operator is shown, by the agent or of a copy of its store.
namespace coprotect::agent::custodian {
namespace {

using nlohmann::json;

class OverviewTest : public testing::Tampering {
 protected:
  static json shown(Custodian& custodian) {
    const LimitUse limit{.at = "front", .name = "requests", .limit = 256, .use = 3};
    return json::parse(custodian.overview(std::span(&limit, 1)));
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(pair.cloud.state()))
      if (entry.is_regular_file()) found[entry.path().filename()] = harness::read_file(entry.path());
    return found;
  }
};

TEST_F(OverviewTest, ShowsWhatTheAgentHolds) {
  pair.cloud.open();
  const auto open = pair.cloud.invite(60'000, "acme");
  pair.cloud.invite(-1);  // it is over
  const auto file = testing::encrypt(pair.bundle());
  must(testing::partials(pair.cloud, pair.bundle(), pair.ask_for(pair.cloud, {&file}), pair.alice));
  const json overview = shown(pair.cloud.custodian());

  ASSERT_EQ(overview["keys"].size(), 1u) << overview;
  const json& key = overview["keys"][0];
  EXPECT_EQ(key["key_id"], to_hex(pair.bundle().key_id()));
  EXPECT_EQ(key["state"], "active");
  EXPECT_EQ(key["last_use"]["state"], "ok");
  EXPECT_EQ(key["last_use"]["time"], overview["token"]["last_use"]);
  EXPECT_EQ(key["holders"].size(), 3u);
  EXPECT_EQ(key["holders"][0]["fingerprint"], to_hex(protocol::sha256(pair.cloud.identity_key().bytes())));
  EXPECT_EQ(overview["tenants"][0]["clients"], 3);
  EXPECT_EQ(overview["peers"][0]["url"], pair.company.url());
  EXPECT_EQ(overview["peers"][0]["heard"], nullptr);
  ASSERT_EQ(overview["invitations"].size(), 1u) << "the one that was used, or is over, is shown";
  EXPECT_EQ(overview["invitations"][0]["invitation"], to_hex(open.id));
  EXPECT_EQ(overview["invitations"][0]["tenant"], "acme");
  EXPECT_EQ(overview["limits"][0]["use"], 3);
  EXPECT_EQ(overview.dump().find(to_hex(open.secret.reveal())), std::string::npos);
}

TEST_F(OverviewTest, NamesAnInvitationThatCannotBeRead) {
  pair.cloud.open();
  const auto open = pair.cloud.invite(60'000);
  std::filesystem::resize_file(pair.cloud.state() / "invitations" / to_hex(open.id), 3);
  const json overview = shown(pair.cloud.custodian());
  ASSERT_EQ(overview["invitations"].size(), 1u);
  EXPECT_NE(overview["invitations"][0]["problem"], "");
}

TEST_F(OverviewTest, IsTheSameOfACopyAndChangesNothing) {
  const auto before = files();
  const auto copy = must(pair.cloud.inspect());
  EXPECT_EQ(files(), before);
  json of_copy = shown(*copy);
  pair.cloud.open();
  json of_agent = shown(pair.cloud.custodian());
  EXPECT_EQ(of_copy, of_agent);
  EXPECT_TRUE(pair.cloud.inspect()) << "beside the running agent";
}

TEST_F(OverviewTest, OfAnAlteredStoreIsNotGiven) {
  sql("UPDATE keys SET " + altered("shares"));
  const auto copy = pair.cloud.inspect();
  ASSERT_FALSE(copy);
  EXPECT_EQ(copy.error().code(), Code::altered);
  says(copy.error().message(), "MAC");
}

TEST(StoreCopy, OfNoFileIsNew) {
  const harness::Scratch scratch;
  EXPECT_TRUE(Store::copy(scratch / "store.db"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "store.db"));
}

TEST(StoreCopy, OfAnythingElseFails) {
  const harness::Scratch scratch;
  harness::write_file(scratch / "store.db", std::string(10'000, 'x'));
  const auto text = Store::copy(scratch / "store.db");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code(), Code::altered);
  std::filesystem::create_directory(scratch / "folder?#%");
  ASSERT_TRUE(Store::open(scratch / "folder?#%" / "store.db"));
  EXPECT_TRUE(Store::copy(scratch / "folder?#%" / "store.db"));
  const auto folder = Store::copy(scratch / "folder?#%");
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code(), Code::altered);
}

}  // namespace
}  // namespace coprotect::agent::custodian
