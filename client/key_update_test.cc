#include "client/key_update.h"

#include <gtest/gtest.h>

#include "client/test_agents.h"
#include "protocol/message/key_list.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

using namespace std::chrono_literals;
using protocol::KeyList;

// A list of the tenant's keys as agents send it. Its contents do not depend on the suite.
class KeyUpdateTest : public testing::Test {
 protected:
  Bytes list(std::uint64_t serial, std::int64_t time_ms = 1) const {
    const auto use = protocol::KeyUse::encrypts;
    return KeyList{
        .tenant = "acme", .serial = serial, .time_ms = time_ms, .keys = {{agents_.newest().key_id(), use, 1}}}
        .sign(agents_.client_ca_key());
  }
  Result<KeyUpdate> update() { return update_keys(store_, agents_.credentials(), 10s); }

  test::TestAgents agents_{protocol::SuiteId::p256};
  const harness::Scratch scratch_;
  KeyStore store_{[&] {
    Config config;
    config.file = scratch_.path() / "config.toml";
    return must(KeyStore::open(config, agents_.newest()));
  }()};
};

// One agent's wrong answer must not leave a client with an old key.
TEST_F(KeyUpdateTest, WhatOneAgentAnswersOtherwiseCountsAsItsSilence) {
  std::uint64_t serial = 0;
  for (const Result<Bytes>& answer :
       {Result<Bytes>(Bytes{1, 2, 3}), Result<Bytes>(Bytes{}), Result<Bytes>(Error(Code::internal, "no")),
        Result<Bytes>(Error(Code::denied, "no")), Result<Bytes>(Error(Code::not_found, "no"))}) {
    agents_.agent("cloud").list = answer;
    agents_.agent("company").list = list(++serial);
    const auto updated = update();
    ASSERT_TRUE(updated) << updated.error().message();
    EXPECT_TRUE(updated->newer_list);
    EXPECT_EQ(store_.list()->serial, serial);
  }
}

// A thief of the client CA's key lists a key that nobody made. The client still uses the others.
TEST_F(KeyUpdateTest, AKeyThatNobodyMadeIsLeftOut) {
  const auto with_made_up = [&](std::uint64_t serial, protocol::KeyUse use) {
    return KeyList{.tenant = "acme",
                   .serial = serial,
                   .time_ms = 1,
                   .keys = {{{9}, use, 1}, {agents_.newest().key_id(), protocol::KeyUse::decrypt_only, 1}}}
        .sign(agents_.client_ca_key());
  };
  agents_.agent("cloud").list = agents_.agent("company").list =
      with_made_up(1, protocol::KeyUse::decrypt_only);
  auto updated = update();
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_TRUE(updated->newer_list);
  ASSERT_EQ(updated->missing.size(), 1u);
  EXPECT_EQ(updated->missing.front().first, protocol::KeyId{9});
  EXPECT_EQ(store_.list()->serial, 1u);
  // One that is to encrypt has to be known.
  agents_.agent("cloud").list = agents_.agent("company").list = with_made_up(2, protocol::KeyUse::encrypts);
  EXPECT_FALSE(update());
  EXPECT_EQ(store_.list()->serial, 1u);
}

// A thief of the client CA's key gives each agent another list. The client keeps its list until the
// administrator signs one above both.
TEST_F(KeyUpdateTest, TwoListsOfOneSerialLeaveItWithWhatItHas) {
  agents_.agent("cloud").list = list(1, 1);
  agents_.agent("company").list = list(1, 2);
  auto updated = update();
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_EQ(store_.list(), nullptr);
  ASSERT_TRUE(updated->disputed);
  EXPECT_EQ(updated->disputed->code(), Code::conflict);

  agents_.agent("cloud").list = agents_.agent("company").list = list(2);
  ASSERT_TRUE(update());
  EXPECT_EQ(store_.list()->serial, 2u);
  agents_.agent("cloud").list = list(3, 1);
  agents_.agent("company").list = list(3, 2);
  updated = update();
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_FALSE(updated->newer_list);
  EXPECT_TRUE(updated->disputed);
  EXPECT_EQ(store_.list()->serial, 2u);
  // The same if it accepted one of the two before.
  agents_.agent("company").list = Error(Code::internal, "no");
  ASSERT_TRUE(update());
  ASSERT_EQ(store_.list()->serial, 3u);
  agents_.agent("cloud").list = Error(Code::internal, "no");
  agents_.agent("company").list = list(3, 2);
  updated = update();
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_TRUE(updated->disputed);
  EXPECT_EQ(store_.list()->time_ms, 1);
  agents_.agent("company").list = list(4);
  updated = update();
  ASSERT_TRUE(updated) << updated.error().message();
  EXPECT_FALSE(updated->disputed);
  EXPECT_EQ(store_.list()->serial, 4u);
}

TEST_F(KeyUpdateTest, WithoutAnyAnswerThatIsOneItSaysWhy) {
  agents_.agent("cloud").list = Bytes{1, 2, 3};
  agents_.agent("company").list = Error(Code::denied, "not you");
  const auto updated = update();
  ASSERT_FALSE(updated);
  EXPECT_EQ(updated.error().code(), Code::denied);
  EXPECT_EQ(store_.list(), nullptr);
}

}  // namespace
}  // namespace coprotect::client
