#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/handover/quorums.h"

// What an agent gives people to read before a handover, made of what a hostile tool sends.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::kHourMs;
using testing::TestAgent;

class WordsForPeople : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  WordsForPeople() : HandoverFixture(GetParam()) {}
  // A holder of an organisation that nobody knows.
  protocol::Party stranger(std::uint8_t index) const {
    const std::string name = "agent-" + std::to_string(index);
    const auto identity = protocol::SigningKey::generate(system_random());
    const auto organisation = protocol::SigningKey::generate(system_random());
    protocol::Party party = bundle.parameters()->parties.front();
    party.name = name;
    party.indices = {index};
    party.identity_key = identity.public_key();
    party.ceremony_key = protocol::HpkePrivateKey::generate(system_random()).public_key();
    party.url = "https://" + name + ".example:8443";
    party.identity_certificate =
        testing::issue(name, protocol::CertificateUse::authority, {}, identity.public_key(), nullptr,
                       identity, pair.clock->now_ms - kHourMs, pair.clock->now_ms + 100'000 * kHourMs);
    party.organisation = must(protocol::OrganisationCertificate::issue(
        protocol::OrganisationKind::agent, "organisation " + std::to_string(index), organisation,
        identity.public_key()));
    return party;
  }
  // The cloud's agent and strangers, t of them.
  HandoverTool with_strangers(const testing::TestClient& client, std::uint8_t n, std::uint8_t t) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, client, same_holders(), {1, 2});
    tool.offer();
    tool.plan();
    auto& fields = tool.fields();
    fields.parties.erase(fields.parties.begin() + 1, fields.parties.end());
    for (std::uint8_t index = 2; index <= n; ++index) fields.parties.push_back(stranger(index));
    fields.n = n;
    fields.t = t;
    fields.recovery_key.reset();
    tool.plan();
    return tool;
  }
  // The cloud's agent with a command that tells the contacts.
  void tell_by(std::function<void(const Notification&)> notify) {
    pair.cloud.close();
    pair.cloud.notify = std::move(notify);
    pair.cloud.open();
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, WordsForPeople, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

// 14 holders of 14 organisations, t = 7: 3432 quorums, 2.4 MB in words. They were too long to be told, so
// that nobody objected, and to be read back by the operator.
TEST_P(WordsForPeople, MoreQuorumsThanPeopleReadAreRefused) {
  std::vector<std::string> heard;
  tell_by([&](const Notification& n) { heard.push_back(n.event); });
  HandoverTool announced = with_strangers(pair.rescuer, 14, 7);
  const auto notice = announce(announced);
  EXPECT_EQ(code_of(notice), "denied");
  EXPECT_TRUE(contains(why(notice), "announcement: more than 64 quorums")) << why(notice);
  EXPECT_TRUE(announced.status(pair.cloud).announced.empty());

  pair.clock->now_ms += kHourMs;
  HandoverTool tool = with_strangers(pair.admin, 14, 7);
  const auto consent = tool.consent_at(pair.cloud);
  EXPECT_EQ(code_of(consent), "denied");
  EXPECT_TRUE(contains(why(consent), "handover plan: more than 64 quorums")) << why(consent);
  EXPECT_TRUE(pair.cloud.pending().empty());
  const auto deal = tool.deal_at(pair.cloud);
  EXPECT_EQ(code_of(deal), "denied");
  EXPECT_TRUE(contains(why(deal), "handover plan: more than 64 quorums")) << why(deal);
  EXPECT_TRUE(heard.empty());
}

TEST_P(WordsForPeople, WordsThatAreTooLongAreRefused) {
  HandoverTool tool = with_strangers(pair.admin, 11, 9);  // 55 quorums, named twice
  const auto consent = tool.consent_at(pair.cloud);
  EXPECT_EQ(code_of(consent), "denied");
  EXPECT_TRUE(contains(why(consent), "bytes of words")) << why(consent);
  EXPECT_TRUE(pair.cloud.pending().empty());
}

// As many as an agent takes: what is needed to object stands before the list, and is not cut off in the log.
TEST_P(WordsForPeople, WhatIsNeededToObjectStandsFirst) {
  std::string told;
  tell_by([&](const Notification& n) { told = n.text; });
  HandoverTool tool = with_strangers(pair.rescuer, 8, 3);  // 56 quorums
  const auto notice = must(announce(tool));
  const std::string hash = to_hex(notice.hash());
  std::string logged;
  for (const std::string& said : ceremonies(pair.cloud))
    if (contains(said, "announces new holders")) logged = said;
  ASSERT_LE(logged.size(), 500u);
  for (const std::string& text : {told, logged}) {
    EXPECT_TRUE(contains(text, "notice " + hash)) << text;
    EXPECT_TRUE(contains(text, "coprotect-provision veto --dir FOLDER " + hash.substr(0, 16))) << text;
    EXPECT_TRUE(contains(text, "NEW quorums: ")) << text;
  }
  EXPECT_LE(told.size(), protocol::kMaxWords + 1000);
  EXPECT_TRUE(contains(told, "holders: 3 of: cloud (")) << told;
}

// Contacts whom the operator's command does not reach, at first.
class Unreachable : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  Unreachable() : HandoverFixture(GetParam()) {
    *pair.cloud.notifies = false;
    pair.cloud.close();
    pair.cloud.notify = [this](const Notification& n) { heard.push_back(n.event); };
    pair.cloud.open();
  }
  // The company's share is restored into another agent.
  HandoverTool restore() {
    HandoverTool tool(bundle, {&pair.cloud}, pair.rescuer,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
    tool.deal_with(3, pair.tool.recovery_share());
    tool.offer();
    tool.plan();
    return tool;
  }
  Bytes announce() {
    HandoverTool tool = restore();
    const auto what = protocol::Announcement::of(tool.the_plan()->parameters).encode();
    const Digest hash =
        must(protocol::HandoverNotice::parse(must(tool.ask(pair.cloud, HandoverStep::announce, what))))
            .hash();
    return {hash.begin(), hash.end()};
  }
  std::string consents() {
    HandoverTool tool = restore();
    return why(tool.consent_at(pair.cloud));
  }
  std::string health() {
    const auto answer = must(pair.cloud.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
    return std::string(text_of(answer));
  }
  void pass(std::int64_t ms) {
    pair.clock->now_ms += ms;
    pair.cloud.custodian().sweep();
  }
  std::unique_ptr<TestAgent> company = another("newcompany");
  std::vector<std::string> heard;
};
INSTANTIATE_TEST_SUITE_P(Suites, Unreachable, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Unreachable, NoTimeRunsBeforeTheContactsKnow) {
  const std::string not_begun = "the time to object has not begun";
  const Bytes notice = announce();
  pass(25 * kHourMs);
  EXPECT_TRUE(contains(consents(), not_begun)) << consents();
  EXPECT_TRUE(contains(health(), "the contacts could not be told")) << health();
  EXPECT_TRUE(contains(health(), "degraded")) << health();
  // A restart does not lose it.
  reopen(pair.cloud);
  pass(kHourMs);
  EXPECT_TRUE(contains(consents(), not_begun)) << consents();
  EXPECT_TRUE(heard.empty());

  *pair.cloud.notifies = true;
  pass(kHourMs);
  EXPECT_EQ(heard, std::vector<std::string>{"announced"});
  EXPECT_FALSE(contains(health(), "could not be told")) << health();
  EXPECT_TRUE(contains(ceremonies(pair.cloud).back(), "the contacts were told of notice " + to_hex(notice)));
  HandoverTool waits = restore();
  const auto announced = waits.status(pair.cloud).announced.at(0);
  EXPECT_EQ(announced.not_before_ms, pair.clock->now_ms + 24 * kHourMs);
  EXPECT_EQ(to_hex(announced.hash()), to_hex(notice));
  pass(24 * kHourMs - 1);
  EXPECT_TRUE(contains(consents(), "may begin")) << consents();
  pass(1);
  EXPECT_EQ(consents(), "ok");
  EXPECT_EQ(heard.size(), 1u);
}

TEST_P(Unreachable, WhatWasVetoedIsNotToldAfterwards) {
  const Bytes notice = announce();
  HandoverTool admin = refresh();
  must(admin.ask(pair.cloud, HandoverStep::veto, notice));
  *pair.cloud.notifies = true;
  pass(kHourMs);
  EXPECT_EQ(heard, std::vector<std::string>{"vetoed"});
  EXPECT_EQ(consents(), "these holders were announced, and vetoed");
}

// An operator who takes the command away waits for nobody.
TEST_P(Unreachable, WithoutACommandTheWaitBegins) {
  announce();
  pair.cloud.close();
  pair.cloud.notify = nullptr;
  pair.cloud.open();
  pass(0);
  EXPECT_TRUE(contains(consents(), "may begin")) << consents();
  pass(24 * kHourMs);
  EXPECT_EQ(consents(), "ok");
}

}  // namespace
}  // namespace coprotect::agent::custodian
