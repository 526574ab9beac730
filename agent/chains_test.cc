#include "agent/chains.h"

#include <gtest/gtest.h>

#include "protocol/dkg/test_ceremony.h"

namespace coprotect::agent {
namespace {

using protocol::test::TestCeremony;

// Chained requests to a relay that answers none of them.
class SilentRelay : public testing::Test {
 protected:
  SilentRelay() { chains_.use(std::make_shared<ipc::Channel>(std::move(ends_.first))); }

  static protocol::Sharing sharing() {
    const TestCeremony ceremony(protocol::SuiteId::p256);
    return ceremony.run().bundle.sharing();
  }
  // Whether the peer was asked; otherwise why not.
  std::string ask(const std::string& tenant, const std::string& client) {
    const std::size_t before = finished_.size();
    std::vector<protocol::PublicKeyBytes> audience;
    for (const auto& party : key_->parameters()->parties) audience.push_back(party.identity_key.bytes());
    custodian::Chain chain(key_, audience, {.request = {1, 2, 3}, .visited = {}, .budget_ms = 10'000},
                           {4, 5, 6}, {});
    const auto now = Chains::Clock::now();
    chains_.begin({.front = nullptr,
                   .reply = {.id = 1, .error = {}, .request_id = "0123456789abcdef", .body = {}},
                   .refused = {},
                   .chain = std::move(chain),
                   .received = now,
                   .deadline = now + std::chrono::seconds(10),
                   .turn = {tenant, client}});
    if (finished_.size() == before) return "asked";
    const auto list = must(protocol::ChainReply::parse(finished_.back()));
    return std::get<protocol::Refusal>(list.entries.back().answer).detail;
  }

  std::pair<Fd, Fd> ends_ = must(ipc::Channel::make_pair());
  custodian::KeyPtr key_ =
      std::make_shared<const custodian::Key>(custodian::Key{.state = custodian::KeyState::active,
                                                            .invitation = {},
                                                            .sharing = sharing(),
                                                            .bundle = {},
                                                            .preparation = {},
                                                            .shares = {},
                                                            .recovery_blob = {},
                                                            .recovery_parts = {},
                                                            .decided = 0,
                                                            .self = 0});
  std::vector<Bytes> finished_;
  Chains chains_{[this](const Chains::Waiting& waiting) { finished_.push_back(waiting.chain.list()); },
                 {.of_tenant = 5, .of_client = 3}};
};

TEST_F(SilentRelay, HoldsSoManyRequestsOfAClient) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("acme", "alice"), "asked");
  EXPECT_NE(ask("acme", "alice").find("of this client on"), std::string::npos);
  EXPECT_EQ(ask("acme", "bob"), "asked");
  EXPECT_EQ(ask("other", "alice"), "asked");  // another tenant's client of that name
}

TEST_F(SilentRelay, HoldsSoManyRequestsOfATenant) {
  for (const auto* const client : {"alice", "bob", "carol", "dan", "eve"})
    EXPECT_EQ(ask("acme", client), "asked");
  EXPECT_NE(ask("acme", "frank").find("tenant"), std::string::npos);
  EXPECT_EQ(ask("other", "grace"), "asked");
}

TEST_F(SilentRelay, LeavesRoomOnceItIsGone) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("acme", "alice"), "asked");
  auto ends = must(ipc::Channel::make_pair());
  chains_.use(std::make_shared<ipc::Channel>(std::move(ends.first)));
  EXPECT_EQ(finished_.size(), 3u);
  EXPECT_EQ(ask("acme", "alice"), "asked");
}

TEST_F(SilentRelay, HoldsWhatANewLimitSays) {
  chains_.use(Chains::Limits{.of_tenant = 1, .of_client = 1});
  EXPECT_EQ(ask("acme", "alice"), "asked");
  EXPECT_NE(ask("acme", "bob"), "asked");
}

}  // namespace
}  // namespace coprotect::agent
