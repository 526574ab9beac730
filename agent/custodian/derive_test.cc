#include <gtest/gtest.h>

#include <algorithm>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/partial.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// Keys of purpose derive beside one for files: what each is answered for, who may derive, and what is
// recorded.
namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::Element;
using protocol::EntryKind;
using protocol::ItemStatus;
using protocol::Purpose;
using protocol::SuiteId;
using testing::Asking;
using testing::encrypt;

constexpr const char* kAlice = "coprotect:acme:user:alice";

class Derive : public ::testing::TestWithParam<SuiteId> {
 protected:
  Derive() {
    pair.onboard();
    tool.run();
    tool.learn_recovery_share(0, pair.rescuer);
  }

  const protocol::Bundle& key() const { return tool.bundle(); }
  const protocol::Group& group() const { return key().group(); }
  Element value() const { return group().random_message(system_random()); }
  Asking ask(const testing::TestAgent& agent, std::vector<Element> peers) const {
    return testing::ask(agent, key(), protocol::DeriveBody{std::move(peers)});
  }
  // The agent with another policy.
  void reopen(std::optional<DerivePolicy> policy) {
    pair.cloud.close();
    pair.cloud.derive = std::move(policy);
    pair.cloud.open();
  }
  // How the cloud's agent refuses the request; "ok" if it does not.
  std::string code(const Asking& request, const testing::TestClient& client) {
    const auto reply = testing::answer(pair.cloud, request, client);
    if (!reply) message = reply.error().message();
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  }
  std::string code(const Asking& request) { return code(request, pair.alice); }
  protocol::LogEntry last_entry() {
    const auto log = testing::read_log(pair.cloud, key(), pair.admin);
    return log[log.size() - 2];  // before the intent to read the log
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), GetParam()};
  testing::Tool tool{{&pair.cloud, &pair.company}, pair.acme, GetParam(), Purpose::derive, &pair.rescuer};
  std::string message;
};
INSTANTIATE_TEST_SUITE_P(Suites, Derive, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Derive, TwoAgentsAgreeWithAPeerTogether) {
  const protocol::Scalar y = group().hash_to_scalar(key().key_id(), "test");
  const std::vector<Element> peers = {group().generator_power_secret(y), value()};
  std::vector<protocol::IndexedPartial> quorum;
  for (auto* agent : {&pair.cloud, &pair.company}) {
    auto reply = must(testing::partials(*agent, key(), ask(*agent, peers), pair.alice));
    ASSERT_EQ(reply.items.size(), 2u);
    quorum.push_back({reply.index, *reply.items[0].value});
    EXPECT_EQ(agent->computed(), 1);
  }
  EXPECT_TRUE(must(protocol::combine(quorum)) == group().power_secret(key().public_key().h(), y));

  const auto log = testing::read_log(pair.cloud, key(), pair.admin);
  const auto& intent = log[log.size() - 3];
  const auto& result = log[log.size() - 2];
  for (const auto* entry : {&intent, &result}) {
    EXPECT_EQ(entry->detail, "derive");
    EXPECT_EQ(entry->outcome, "ok");
    EXPECT_EQ(entry->key_id, key().key_id());
    EXPECT_EQ(entry->client, kAlice);
    EXPECT_EQ(entry->reason, "a test");
    ASSERT_EQ(entry->items.size(), 2u);
    EXPECT_EQ(entry->items[0].c1_hash, protocol::sha256(peers[0].encode()));
    EXPECT_EQ(entry->items[1].status, ItemStatus::done);
  }
  EXPECT_EQ(intent.kind, EntryKind::intent);
  EXPECT_EQ(result.kind, EntryKind::result);
  EXPECT_EQ(result.request_hash, intent.request_hash);
}

TEST_P(Derive, OneAgentAndTheRecoveryShareDo) {
  const Element peer = value();
  reopen(DerivePolicy{.users = {kAlice}, .purposes = {"cms"}});  // which do not bind who recovers
  Asking asking = ask(pair.cloud, {peer});
  asking.request.action = Action::recover;
  auto reply = must(testing::partials(pair.cloud, key(), asking, pair.rescuer));
  const std::vector<protocol::IndexedPartial> one = {{reply.index, *reply.items[0].value},
                                                     {3, group().power_secret(peer, tool.recovery_share())}};
  const auto other = must(testing::partials(pair.company, key(), ask(pair.company, {peer}), pair.alice));
  const std::vector<protocol::IndexedPartial> two = {one[0], {other.index, *other.items[0].value}};
  EXPECT_TRUE(must(protocol::combine(one)) == must(protocol::combine(two)));

  asking = ask(pair.cloud, {peer});
  asking.request.action = Action::recover;
  EXPECT_EQ(code(asking), "denied");  // alice is not the recovery administrator
}

TEST_P(Derive, EachKeyIsAnsweredForItsPurposeAlone) {
  const auto file = encrypt(pair.bundle());
  EXPECT_EQ(code(pair.ask_for(pair.cloud, {&file})), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "ok");
  ASSERT_EQ(pair.cloud.computed(), 2);

  // The other two combinations: c1 of the file as a value for its own key; a ciphertext under the derive key.
  const auto& stanza = *must(file.header.stanza_for(pair.bundle().key_id()));
  const auto by_file_key = [&] {
    return testing::ask(pair.cloud, pair.bundle(), protocol::DeriveBody{{stanza.ciphertext.c1}});
  };
  EXPECT_EQ(code(by_file_key()), "denied");
  EXPECT_NE(message.find("for files"), std::string::npos) << message;
  EXPECT_EQ(last_entry().kind, EntryKind::refusal);
  const auto stray = encrypt(key());
  const auto by_derive_key = [&] {
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(stray, key()));
    return testing::ask(pair.cloud, key(), std::move(body));
  };
  EXPECT_EQ(code(by_derive_key()), "denied");
  EXPECT_NE(message.find("not for files"), std::string::npos) << message;

  // Nor by those who recover.
  for (const bool file_key : {true, false}) {
    Asking asking = file_key ? by_file_key() : by_derive_key();
    asking.request.action = Action::recover;
    EXPECT_EQ(code(asking, pair.rescuer), "denied");
  }
  EXPECT_EQ(pair.cloud.computed(), 2);

  // What is not a use of the share is the same for both.
  for (const auto* bundle : {&pair.bundle(), &key()}) {
    EXPECT_EQ(code(testing::ask(pair.cloud, *bundle, protocol::RecoveryShareBody{}), pair.admin), "ok");
    EXPECT_EQ(code(testing::ask(pair.cloud, *bundle, protocol::LogBody{1, 1}), pair.admin), "ok");
  }
}

TEST_P(Derive, NobodyMayUnlessTheAgentsPolicySaysSo) {
  reopen(std::nullopt);
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "denied");
  EXPECT_NE(message.find("nobody"), std::string::npos) << message;
  EXPECT_EQ(last_entry().outcome, "denied");
  Asking recover = ask(pair.cloud, {value()});
  recover.request.action = Action::recover;
  EXPECT_EQ(code(recover, pair.rescuer), "denied");

  reopen(DerivePolicy{.users = {"coprotect:acme:user:bob"}, .tenants = {"other"}});
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "denied");
  EXPECT_NE(message.find(kAlice), std::string::npos) << message;
  EXPECT_EQ(pair.cloud.computed(), 0);

  reopen(DerivePolicy{.users = {kAlice}});
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value()}), pair.admin), "denied");
  reopen(DerivePolicy{.groups = {"coprotect:acme:group:staff"}});
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value()}), pair.admin), "denied");
  EXPECT_EQ(pair.cloud.computed(), 2);
}

TEST_P(Derive, OnlyForAStatedPurpose) {
  reopen(DerivePolicy{.tenants = {"acme"}, .purposes = {"cms", "a test"}});
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "ok");
  for (const std::string reason : {"", "cm", "cms ", "tls"}) {
    Asking asking = ask(pair.cloud, {value()});
    asking.request.reason = reason;
    EXPECT_EQ(code(asking), "denied") << reason;
  }
  EXPECT_EQ(last_entry().reason, "tls");
  for (const Action action : {Action::edit, Action::print}) {
    Asking asking = ask(pair.cloud, {value()});
    asking.request.action = action;
    EXPECT_EQ(code(asking), "denied");
  }
  EXPECT_EQ(pair.cloud.computed(), 1);
}

TEST_P(Derive, CapsCountValuesAndSurviveARestart) {
  constexpr std::int64_t kDayMs = 24 * testing::kHourMs;
  pair.clock->now_ms = (pair.clock->now_ms / kDayMs + 1) * kDayMs - testing::kHourMs;  // a day's last hour
  const DerivePolicy policy{.tenants = {"acme"}, .per_key_per_day = 5, .per_client_per_day = 3};
  reopen(policy);
  EXPECT_EQ(code(ask(pair.cloud, {value(), value()})), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value(), value()})), "limited");  // not even a part of it
  EXPECT_NE(message.find("the client's 3"), std::string::npos) << message;
  EXPECT_EQ(last_entry().outcome, "limited");
  reopen(policy);
  EXPECT_EQ(code(ask(pair.cloud, {value(), value()})), "limited");
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value()})), "limited");
  EXPECT_EQ(code(ask(pair.cloud, {value(), value()}), pair.admin), "ok");
  EXPECT_EQ(code(ask(pair.cloud, {value()}), pair.admin), "limited");
  EXPECT_NE(message.find("the key's 5"), std::string::npos) << message;
  const int computed = pair.cloud.computed();
  EXPECT_EQ(computed, 3);
  pair.clock->now_ms += testing::kHourMs;
  EXPECT_EQ(code(ask(pair.cloud, {value(), value(), value()})), "ok");

  // Who recovers is counted too.
  Asking recover = ask(pair.cloud, {value(), value(), value()});
  recover.request.action = Action::recover;
  EXPECT_EQ(code(recover, pair.rescuer), "limited");
}

// Whatever is no member of the group, under a good signature.
TEST_P(Derive, ABadValueNeverMeetsTheShare) {
  const Asking asking = ask(pair.cloud, {value()});
  const Bytes good = std::get<protocol::DeriveBody>(asking.request.body).peers.front().encode();
  std::vector<Bytes> bad(3, Bytes(good.size()));
  std::fill(bad[1].begin(), bad[1].end(), std::uint8_t{0xff});
  bad[2].back() = 1;
  Bytes outside = good;  // every second x is off the curve, every second number no residue
  while (group().parse(outside)) ++outside.back();
  bad.push_back(outside);
  for (const Bytes& peer : bad) {
    Bytes encoded = asking.signed_by(pair.alice);
    const auto at = std::search(encoded.begin(), encoded.end(), good.begin(), good.end());
    ASSERT_NE(at, encoded.end());
    std::copy(peer.begin(), peer.end(), at);
    encoded = testing::signed_again(std::move(encoded), pair.alice);
    const auto reply = testing::send(pair.cloud, asking, encoded, pair.alice.certificate.der());
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), Code::malformed) << reply.error().message();
    const auto entry = last_entry();
    EXPECT_EQ(entry.kind, EntryKind::refusal);
    EXPECT_EQ(entry.outcome, "malformed");
    EXPECT_EQ(entry.client, kAlice);
  }
  EXPECT_EQ(pair.cloud.computed(), 0);
}

}  // namespace
}  // namespace coprotect::agent::custodian
