#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/key_list.h"

// A tenant with two keys, each with its kit. The kit's recovery administrator is that of one key: whoever has
// kit and code of the other one gets nothing by them.
namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::HandoverBody;
using protocol::HandoverStep;
using protocol::RequestBody;
using protocol::SuiteId;
using testing::Asking;
using testing::HandoverTool;
using testing::kHourMs;
using testing::NewHolders;
using testing::TestAgent;
using testing::TestClient;

class OtherKit : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  OtherKit() : HandoverFixture(GetParam()) {
    second.run();
    derives.run();
    publish();
  }
  void publish() { pair.publish_clients(pair.admin.certificate.der()); }
  static std::string not_of_this_key(const TestClient& client) {
    return "certificate of \"" + client.uri + "\" is not that of this key's recovery administrator";
  }
  Asking of_files(const TestAgent& agent, const protocol::Bundle& key, Action action) const {
    const auto file = testing::encrypt(key, R"({"version":1,"allow":{"groups":["coprotect:acme:group:x"]}})");
    protocol::PartialDecryptBody body;
    body.items.push_back(testing::item_of(file, key));
    Asking asking = testing::ask(agent, key, std::move(body));
    asking.request.action = action;
    return asking;
  }
  Asking of_derivation(const TestAgent& agent) const {
    Asking asking = testing::ask(agent, derives.bundle(),
                                 protocol::DeriveBody{{bundle.group().random_message(system_random())}});
    asking.request.action = Action::recover;
    return asking;
  }
  // Everything else that a role decides, about the first key.
  void expect_all_else_refused(TestAgent& agent, const TestClient& client) {
    const auto refused = [&](RequestBody body) {
      expect_refused(agent, testing::ask(agent, bundle, std::move(body)), client);
    };
    refused(protocol::RecoveryShareBody{});
    refused(protocol::LogBody{1, 10});
    refused(protocol::DrillReportBody{1, {}, 1, 0});
    for (auto step = static_cast<std::uint8_t>(HandoverStep::status); step <= 10; ++step)
      refused(HandoverBody{static_cast<HandoverStep>(step), {}});
  }
  // That the agent refuses it as somebody else's, uses no share, and says so in its log.
  void expect_refused(TestAgent& agent, const Asking& asking, const TestClient& client) {
    const int before = agent.computed();
    const Bytes message = asking.signed_by(client);
    const auto answer = testing::send(agent, asking, message, client.certificate.der());
    EXPECT_EQ(code_of(answer), "denied");
    EXPECT_EQ(why(answer), not_of_this_key(client));
    EXPECT_EQ(agent.computed(), before);
    const auto log = testing::read_log(agent, bundle, pair.admin);
    const auto& entry = log.at(log.size() - 2);  // before the intent to read the log
    EXPECT_EQ(entry.kind, protocol::EntryKind::refusal);
    EXPECT_EQ(entry.outcome, "denied");
    EXPECT_EQ(entry.client, client.uri);
    EXPECT_EQ(entry.request_hash, protocol::sha256(message));
    const auto* const step = std::get_if<HandoverBody>(&asking.request.body);
    ASSERT_EQ(entry.handover.has_value(), step != nullptr);
    if (step == nullptr) return;
    EXPECT_EQ(entry.handover->step, static_cast<std::uint8_t>(step->step));
    EXPECT_EQ(entry.handover->payload, protocol::sha256(step->payload));
  }
  std::string health_of(TestAgent& agent) const {
    const Bytes report = must(agent.call(ipc::Route::health, "", pair.admin.certificate.der(), {}));
    return nlohmann::json::parse(text_of(report))["recovery"].get<std::string>();
  }

  TestClient other = pair.acme.enrol("recovery", "mail");
  TestClient third = pair.acme.enrol("recovery", "tls");
  testing::Tool second{
      {&pair.cloud, &pair.company}, pair.acme, GetParam(), protocol::Purpose::envelope, &other};
  testing::Tool derives{
      {&pair.cloud, &pair.company}, pair.acme, GetParam(), protocol::Purpose::derive, &third};
};
INSTANTIATE_TEST_SUITE_P(Suites, OtherKit, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(OtherKit, OpensNothingAndChangesNothing) {
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {
    for (const TestClient* const client : {&other, &third}) {
      for (const Action action : {Action::recover, Action::view})
        expect_refused(*agent, of_files(*agent, bundle, action), *client);
      expect_all_else_refused(*agent, *client);
    }
    // Nor does the first key's kit open the others.
    expect_refused(*agent, of_files(*agent, second.bundle(), Action::recover), pair.rescuer);
    expect_refused(*agent, of_derivation(*agent), pair.rescuer);
    expect_refused(*agent, of_derivation(*agent), other);
  }
}

TEST_P(OtherKit, OpensItsOwnKey) {
  const auto opens_it = [&](TestAgent& agent, const protocol::Bundle& key, const TestClient& client) {
    const auto reply = must(testing::partials(agent, key, of_files(agent, key, Action::recover), client));
    EXPECT_EQ(reply.items.at(0).status, protocol::ItemStatus::done);
    EXPECT_FALSE(testing::recovery_of(agent, key, client).second.empty());
  };
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {
    opens_it(*agent, bundle, pair.rescuer);
    opens_it(*agent, second.bundle(), other);
    EXPECT_TRUE(testing::partials(*agent, derives.bundle(), of_derivation(*agent), third));
  }
}

// Its owner may be careless with a kit that opens nothing any more.
TEST_P(OtherKit, OfADestroyedKeyOpensNothing) {
  pair.cloud.destroy_wait = std::chrono::hours(1);
  reopen(pair.cloud);
  const protocol::KeyList list{
      .tenant = "acme",
      .serial = 1,
      .time_ms = pair.clock->now_ms,
      .keys = {{bundle.key_id(), protocol::KeyUse::encrypts, 0},
               {second.bundle().key_id(), protocol::KeyUse::destroyed, pair.clock->now_ms + kHourMs}}};
  must(pair.cloud.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                       list.sign(pair.acme.ca_key())));
  for (const bool erased : {false, true}) {
    SCOPED_TRACE(erased ? "erased" : "to be erased");
    expect_refused(pair.cloud, of_files(pair.cloud, bundle, Action::recover), other);
    expect_refused(pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), other);
    const auto own =
        testing::answer(pair.cloud, of_files(pair.cloud, second.bundle(), Action::recover), other);
    EXPECT_EQ(code_of(own), "denied");
    pair.clock->now_ms += 2 * kHourMs;  // its shares are erased
    pair.cloud.custodian().sweep();
  }
}

// The client CA says who is of the tenant. Whose key a kit's is, all parties of its ceremony have signed.
TEST_P(OtherKit, IsNotMadeByTheClientCa) {
  const auto forged = pair.acme.enrol("recovery", "safe");  // named as the first key's own
  publish();
  ASSERT_EQ(forged.uri, pair.rescuer.uri);
  expect_refused(pair.cloud, of_files(pair.cloud, bundle, Action::recover), forged);
  expect_refused(pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), forged);
  // And the kit's key in a certificate of another role is no recovery administrator's.
  for (const std::string role : {"user", "admin"}) {
    auto client = pair.acme.certify("coprotect:acme:" + role + ":x", pair.rescuer.key);
    pair.acme.enrol(client);
    publish();
    const auto refused = testing::answer(pair.cloud, of_files(pair.cloud, bundle, Action::recover), client);
    EXPECT_EQ(why(refused), "action recover needs a certificate of role recovery");
    const auto parts =
        testing::answer(pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), client);
    if (role == "user")
      EXPECT_EQ(why(parts), "recovery-share needs a certificate of role recovery or admin");
    else
      EXPECT_TRUE(testing::recovery_of(pair.cloud, bundle, client).second.empty());
  }
}

TEST_P(OtherKit, TakesTheOldOnesPlaceWithANewCode) {
  const auto rescuer = pair.acme.enrol("recovery", "safe");
  publish();
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2,
                     .agents = {{&pair.cloud, 1}, {&pair.company, 2}},
                     .recovery = 3,
                     .new_recovery = true,
                     .rescuer = &rescuer},
                    {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run_to_sign();
  expect_refused(pair.cloud, of_files(pair.cloud, bundle, Action::recover), rescuer);
  tool.activate();
  // As long as the epoch of the old code may come back, it is the old one's, and the new one's too.
  const auto recovers = [&](const protocol::Bundle& epoch, const TestClient& client) {
    const auto answer = testing::answer(pair.cloud, of_files(pair.cloud, epoch, Action::recover), client);
    return why(answer);
  };
  EXPECT_EQ(recovers(bundle, pair.rescuer), "ok");
  EXPECT_EQ(recovers(bundle, rescuer), "ok");
  EXPECT_EQ(recovers(tool.bundle(), rescuer), "ok");
  EXPECT_EQ(recovers(tool.bundle(), pair.rescuer), not_of_this_key(pair.rescuer));
  tool.retire();
  EXPECT_EQ(recovers(bundle, pair.rescuer), not_of_this_key(pair.rescuer));
  EXPECT_EQ(recovers(tool.bundle(), pair.rescuer), not_of_this_key(pair.rescuer));
  EXPECT_EQ(recovers(tool.bundle(), rescuer), "ok");
  EXPECT_FALSE(testing::recovery_of(pair.cloud, tool.bundle(), rescuer).second.empty());
  EXPECT_EQ(health_of(pair.cloud), "ok");
}

// A refresh, or other holders, keep it: the plan that would change it is nobody's.
TEST_P(OtherKit, ComesInNobodysPlaceWithoutANewCode) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.fields().parties.back().identity_key = other.key.public_key();
  tool.approve(pair.cloud);
  tool.plan();
  EXPECT_EQ(why(tool.consent_at(pair.cloud)),
            "handover plan: it changes the key's recovery administrator without a new code");
  EXPECT_EQ(why(tool.deal_at(pair.cloud)),
            "handover plan: it changes the key's recovery administrator without a new code");
  // And a new code does not leave the old kit's as it is.
  HandoverTool code(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true, &pair.rescuer),
                    {1, 2});
  code.offer();
  code.plan();
  EXPECT_EQ(why(code.consent_at(pair.cloud)),
            "handover plan: a new code keeps the recovery administrator of the old one");
  HandoverTool right = refresh();
  right.run();
  EXPECT_FALSE(testing::recovery_of(pair.cloud, right.bundle(), pair.rescuer).second.empty());
}

TEST_P(OtherKit, OfAKeyWithoutARecoveryPartyIsNobodys) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}}}, {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run();
  bundle = tool.bundle();
  expect_refused(pair.cloud, of_files(pair.cloud, bundle, Action::recover), pair.rescuer);
  expect_refused(pair.cloud, testing::ask(pair.cloud, bundle, HandoverBody{HandoverStep::offer, {}}),
                 pair.rescuer);
}

TEST_P(OtherKit, IsNoReplacementToHealth) {
  EXPECT_EQ(health_of(pair.cloud), "ok");
  pair.acme.remove(pair.rescuer);
  publish();
  EXPECT_EQ(health_of(pair.cloud), "key " + to_hex(bundle.key_id()) +
                                       ": its recovery administrator is not enrolled: its kit and code open "
                                       "nothing");
}

}  // namespace
}  // namespace coprotect::agent::custodian
