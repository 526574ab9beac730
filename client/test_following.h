#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "client/files/small_file.h"
#include "client/quorum.h"
#include "client/test_agents.h"
#include "protocol/group/test_suites.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client::test {

using namespace std::chrono_literals;
using protocol::Bundle;
using protocol::SuiteId;

// A client that follows a key through its epochs, and the agents that show them.
class FollowingTest : public testing::TestWithParam<SuiteId> {
 protected:
  Result<ShownHistory> fetch(const Bundle& own) { return ask_history(own, agents_.credentials(), 10s); }
  // Expects the agents to show after `own`: what a quorum shows, then the candidates in their order.
  void expect_shown(const Bundle& own, const Bundle& confirmed, const std::vector<Bundle>& candidates = {}) {
    const auto history = must(fetch(own));
    EXPECT_EQ(history.confirmed.encoded(), confirmed.encoded());
    ASSERT_EQ(history.candidates.size(), candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i)
      EXPECT_EQ(history.candidates[i].encoded(), candidates[i].encoded());
  }
  void expect_refused(const Bundle& own, Code code, const std::string& part) {
    const auto fetched = fetch(own);
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code(), code) << fetched.error().message();
    EXPECT_NE(fetched.error().message().find(part), std::string::npos) << fetched.error().message();
  }
  std::string agent_at(const std::string& name) const {
    return name + " agent \"" + agents_.url(name).substr(8) + "\"";
  }
  const Bundle& at(std::uint32_t epoch) const { return agents_.epoch(epoch).bundle; }
  void hand_over_to_all(std::uint32_t epochs) {
    for (std::uint32_t i = 0; i < epochs; ++i) agents_.hand_over(agents_.first_layout());
    for (const char* const name : {"cloud", "company"}) agents_.put(name, {agents_.newest().epoch()});
  }
  std::filesystem::path write(const Bundle& bundle) const {
    std::ofstream(file_, std::ios::binary) << text_of(bundle.encoded());
    return file_;
  }
  Bytes in_file() const { return must(read_small_file(file_, kMaxBundleSize)); }

  // A client with the first bundle in a file.
  Quorum quorum(Via via = {}) {
    return Quorum(HeldBundle(at(0), write(at(0)), warn()), agents_.credentials(), protocol::Action::view,
                  "test", 10s, std::nullopt, std::move(via));
  }
  HeldBundle::Warn warn() {
    return [this](const Error& error) { warnings_.push_back(error.message()); };
  }
  // Encrypts a file and opens it.
  Result<Secret> open(Quorum& quorum) {
    const auto made = must(protocol::Header::create(at(0).public_key(), at(0).key_id(), {}, system_random()));
    const LockedFile locked{.header = &made.first, .stanza = must(made.first.stanza_for(at(0).key_id()))};
    auto opened = quorum.open(std::span(&locked, 1));
    if (!opened.front()) return std::move(opened.front()).error();
    auto key = made.first.unlock(*opened.front());
    if (!key) return std::move(key).error();
    EXPECT_TRUE(equal_in_constant_time(key->reveal(), made.second.reveal()));
    return key;
  }

  TestAgents agents_{GetParam()};
  const harness::Scratch scratch_;
  const std::filesystem::path file_ = scratch_ / "acme.bundle";
  std::vector<std::string> warnings_;
};

}  // namespace coprotect::client::test
