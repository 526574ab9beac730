#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/custodian/testing/test_ceremony.h"
#include "protocol/base/test_must.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/dkg/test_lying_dealer.h"
#include "swtpm-tests/harness/soft_tpm.h"

// The agent's side of a key generation: its states, what it refuses, what survives a restart.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::CeremonyState;
using protocol::SuiteId;
using protocol::test::LyingDealer;
using testing::Ceremony;
using testing::kHourMs;
using testing::Tool;

INSTANTIATE_TEST_SUITE_P(Suites, Ceremony, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(Ceremony, GoesThroughItsStates) {
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  pair.tool.offer();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  pair.tool.exchange();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::running);
  EXPECT_EQ(pair.tool.status(0).sid, pair.tool.sid());
  pair.tool.prepare();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  EXPECT_EQ(pair.tool.status(0).sid, pair.tool.sid());
  pair.tool.store_blob();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  pair.tool.sign();
  pair.tool.activate();
  const auto status = pair.tool.status(0);
  EXPECT_EQ(status.state, CeremonyState::active);
  EXPECT_EQ(status.bundle, pair.bundle().encoded());
  EXPECT_EQ(status.blob, pair.tool.blob());
}

TEST_P(Ceremony, ParametersMustNotMakeOnePartyAQuorum) {
  pair.tool.offer();
  auto& fields = pair.tool.fields();
  const auto refused = [&](const std::string& words) {
    for (const std::size_t agent : {0u, 1u}) {
      const auto answer = pair.tool.send_parameters(agent);
      EXPECT_EQ(code_of(answer), "denied");
      EXPECT_TRUE((answer ? "ok" : answer.error().message()).starts_with("parameters: " + words));
    }
  };
  fields.t = 1;
  refused("party \"cloud\" would hold 1 of the 1 shares that suffice");
  fields.t = 2;
  fields.n = 4;
  fields.parties[0].indices = {1, 4};
  refused("party \"cloud\" would hold 2 of the 2 shares that suffice");
}

// Eight organisations of which any four could use the key make 70 quorums.
TEST_P(Ceremony, MoreQuorumsThanPeopleReadAreRefused) {
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
    agent->close();
    agent->agents_of_new_keys = 16;
    agent->open();
  }
  const auto among = [&](std::uint8_t organisations) {
    pair.tool.offer();
    auto& fields = pair.tool.fields();
    for (std::uint8_t index = 4; index <= organisations; ++index)
      fields.parties.push_back(
          testing::stranger("other-" + std::to_string(index), index, pair.clock->now_ms));
    fields.t = 4;
    fields.n = organisations;
  };
  among(8);
  for (const std::size_t agent : {0u, 1u}) {
    const auto refused = pair.tool.send_parameters(agent);
    EXPECT_EQ(code_of(refused), "denied");
    EXPECT_EQ(refused ? "ok" : refused.error().message(),
              "parameters: more than 64 quorums of organisations could use the key: nobody could judge them");
  }
  among(7);
  for (const std::size_t agent : {0u, 1u}) EXPECT_EQ(code_of(pair.tool.send_parameters(agent)), "ok");
}

TEST_P(Ceremony, TellsTheFrontWhomToTrust) {
  int changes = 0;
  pair.cloud.custodian().on_trust_change([&] { ++changes; });
  EXPECT_EQ(pair.cloud.custodian().trust().authorities.size(), 1u);
  pair.tool.run();
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(pair.cloud.custodian().trust().authorities.size(), 2u);
}

TEST_P(Ceremony, ACrashBeforePreparedLeavesNothing) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  pair.tool.offer();  // the company's agent takes the new one in the old one's place
  pair.tool.exchange();
}

TEST_P(Ceremony, PreparedSurvivesARestartAndIsCompleted) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  pair.clock->now_ms += 12 * kHourMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  try {
    Tool again({&pair.cloud}, pair.acme, GetParam());
    const auto& own = pair.tool.invitation(0);
    again.use_invitation(0, {own.id, own.secret.clone(), own.certificate});
    again.offer();
    ADD_FAILURE() << "offered";
  } catch (const std::runtime_error& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("conflict: ")) << error.what();
  }
  pair.tool.store_blob();
  pair.tool.sign();
  EXPECT_EQ(code_of(reopened(Route::activate, pair.bundle().encoded())), "ok");
  EXPECT_EQ(code_of(reopened(Route::activate, pair.bundle().encoded())), "ok");  // may be repeated
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::active);
}

TEST_P(Ceremony, PreparedIsAborted) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort_message())), "ok");
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort_message())), "ok");  // may be repeated
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  EXPECT_EQ(code_of(pair.tool.post(1, Route::abort, abort_message(1))), "ok");
  pair.tool.run();  // with the same invitations
}

// The same in each suite.
class CeremonyInTheFastSuite : public testing::TestCeremony {};
INSTANTIATE_TEST_SUITE_P(Suites, CeremonyInTheFastSuite, ::testing::Values(SuiteId::p256),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

// Each abort erases, and makes all backups of the agent useless.
TEST_P(CeremonyInTheFastSuite, IsAbortedSoOftenADayAndNoMore) {
  constexpr std::int64_t kDayMs = 24 * testing::kHourMs;
  pair.clock->now_ms = (pair.clock->now_ms / kDayMs + 1) * kDayMs;
  const auto prepare = [&] {
    pair.tool.offer();
    pair.tool.exchange();
    pair.tool.prepare();
  };
  for (std::uint64_t i = 0; i < RequestCaps{}.voids_per_client; ++i) {
    prepare();
    EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort_message())), "ok");
    EXPECT_EQ(code_of(pair.tool.post(1, Route::abort, abort_message(1))), "ok");
  }
  EXPECT_THROW(prepare(), std::runtime_error);
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort_message())), "ok");
}

TEST_P(Ceremony, ActiveIsNotAbortedAndTheInvitationIsSpent) {
  pair.tool.run();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort_message())), "conflict");
  EXPECT_EQ(code_of(reopened(Route::abort, abort_message())), "conflict");
  EXPECT_THROW(pair.tool.offer(), std::runtime_error);
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::active);
}

TEST_P(Ceremony, ActivationNeedsTheRecoveryBlobAndAllSignatures) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.sign();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, pair.bundle().encoded())), "conflict");
  pair.tool.store_blob();
  Bytes cut = pair.bundle().encoded();
  cut.back() ^= 1;
  EXPECT_NE(code_of(pair.tool.post(0, Route::activate, cut)), "ok");
  Tool other({&pair.cloud, &pair.company}, pair.acme, GetParam());
  other.run();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, other.bundle().encoded())), "conflict");
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  pair.tool.activate();
}

// Of a key generation, at real agents with real tokens: whoever deals what does not hold is named by each
// agent, and nothing stays of the key.
TEST_P(Ceremony, ADealerWhoLiesIsNamedByEveryAgent) {
  const auto stolen = pair.company.stolen_identity();
  for (const std::uint8_t position : {std::uint8_t{2}, std::uint8_t{1}}) {
    const std::string name = position == 2 ? "recovery" : "company";
    const auto refused = [&](const std::string& words, const auto& lie) {
      pair.tool.offer();
      pair.tool.exchange();
      const LyingDealer liar(pair.tool.parameters(), position, position == 2 ? pair.tool.identity() : stolen,
                             pair.tool.reveals()[position], pair.tool.deals()[position]);
      auto deals = pair.tool.deals();
      deals[position] = lie(liar);
      for (std::size_t agent = 0; agent < position; ++agent) {
        const auto answer = pair.tool.post(agent, Route::prepare, protocol::MessageList{deals}.encode());
        EXPECT_EQ(code_of(answer), "bad-proof") << name;
        const std::string why = answer ? "ok" : answer.error().message();
        EXPECT_TRUE(why.starts_with("party \"" + name + "\": ")) << why;
        EXPECT_NE(why.find(words), std::string::npos) << why;
        // That was the end of it, also with what the dealer said before.
        const Bytes honest = protocol::MessageList{pair.tool.deals()}.encode();
        EXPECT_EQ(code_of(pair.tool.post(agent, Route::prepare, honest)), "conflict");
        EXPECT_NE(pair.tool.status(agent).state, CeremonyState::prepared);
        EXPECT_EQ(keys_in(agent == 0 ? pair.cloud : pair.company), 0);
      }
    };
    refused("does not match the commitments",
            [](const LyingDealer& liar) { return liar.with_wrong_shares(); });
    refused("recovery part for index 3 does not hold", [](const LyingDealer& liar) {
      const auto other = protocol::Scalar::random(liar.group().scalars(), system_random());
      return liar.with_part(must(protocol::RecoveryPart::make(liar.statement(), other, system_random())));
    });
    refused("recovery part for index 3 does not hold", [](const LyingDealer& liar) {
      auto statement = liar.statement();
      statement.recovery_key = protocol::HpkePrivateKey::generate(system_random()).public_key();
      const auto value = protocol::Scalar::random(liar.group().scalars(), system_random());
      return liar.with_part(must(protocol::RecoveryPart::make(statement, value, system_random())));
    });
  }
}

TEST_P(Ceremony, ParametersMustCarryWhatTheAgentOffered) {
  using Fields = protocol::Parameters::Fields;
  const auto refused = [&](const auto& change) {
    pair.tool.offer();
    change(pair.tool.fields());
    return code_of(pair.tool.send_parameters(0));
  };
  const auto other_suite = GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256;
  const auto other_certificate = protocol::test::make_authority("cloud", pair.cloud.stolen_identity());
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].name = "mallory"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].url = "https://elsewhere:1"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].nonce[0] ^= 1; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].mode = protocol::KeeperMode::resident; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.tenant = "other"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.purpose = protocol::Purpose::derive; }), "conflict");
  EXPECT_EQ(refused([&](Fields& f) { f.suite = other_suite; }), "conflict");
  EXPECT_EQ(refused([&](Fields& f) { f.parties[0].identity_certificate = other_certificate; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) {
              f.parties[0].ceremony_key = protocol::HpkePrivateKey::generate(system_random()).public_key();
            }),
            "conflict");
  // Certified by nobody whom the agent was made with, nor by the client CA.
  EXPECT_EQ(refused([&](Fields& f) {
              f.parties[0].organisation = must(protocol::OrganisationCertificate::issue(
                  protocol::OrganisationKind::agent, "mallory",
                  protocol::SigningKey::generate(system_random()), pair.cloud.identity_key()));
            }),
            "conflict");
  // Without this agent, of whom it has the offer.
  EXPECT_EQ(refused([&](Fields& f) { f.parties[0] = testing::stranger("cloud", 1, pair.clock->now_ms); }),
            "conflict");
  // Under the path of another ceremony.
  pair.tool.offer();
  const auto parameters = must(protocol::Parameters::make(pair.tool.fields()));
  const auto& invitation = pair.tool.invitation(0);
  const protocol::ParametersMessage message{
      .invitation = invitation.id, .parameters = parameters.encoded(), .mac = {}};
  EXPECT_EQ(code_of(pair.cloud.call(Route::parameters, std::string(64, '0'), invitation.certificate,
                                    message.encode(invitation.secret))),
            "malformed");
  EXPECT_EQ(refused([](Fields&) {}), "ok");
}

TEST_P(Ceremony, ATenantKeepsItsAuthority) {
  pair.tool.run();
  testing::Company impostor("acme", pair.clock->now_ms);
  Tool second({&pair.cloud, &pair.company}, impostor, GetParam());
  second.offer();
  EXPECT_EQ(code_of(second.send_parameters(0)), "conflict");
  Tool own({&pair.cloud, &pair.company}, pair.acme, GetParam());
  own.run();  // a second key of the same tenant
}

TEST_P(Ceremony, OnlySoManyRunAtOnce) {
  std::vector<std::unique_ptr<Tool>> tools;
  EXPECT_THROW(
      {
        for (int i = 0; i < 17; ++i) {
          tools.push_back(std::make_unique<Tool>(std::vector{&pair.cloud}, pair.acme, GetParam()));
          tools.back()->offer();
        }
      },
      std::runtime_error);
  EXPECT_EQ(tools.size(), 17u);
  pair.clock->now_ms += kHourMs;
  pair.cloud.custodian().sweep();
  tools.back()->offer();
}

// A tool, or who stole it, could make a "joint" key that one agent opens alone.
TEST_P(Ceremony, AnAgentIsNoSoleHolderUnlessItsOperatorSaysSo) {
  const auto hold_two = [&] {
    pair.tool.offer();
    pair.tool.fields().n = 4;
    pair.tool.fields().parties[0].indices = {1, 4};
  };
  hold_two();
  const auto refused = pair.tool.send_parameters(0);
  EXPECT_EQ(code_of(refused), "denied");
  EXPECT_NE(refused.error().message().find("sole_holder"), std::string::npos);
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::none);
  pair.cloud.close();
  pair.cloud.allow_sole_holder = true;
  pair.cloud.open();
  hold_two();
  EXPECT_EQ(code_of(pair.tool.send_parameters(0)), "ok");
  EXPECT_EQ(code_of(pair.tool.send_parameters(1)), "denied");  // whatever the other's operator allows
}

// A tool could bring an agent of its own, which with the recovery share is a quorum beside the two that
// people know.
TEST_P(Ceremony, NoFurtherAgentHoldsAKeyThatIsMade) {
  testing::TestAgent third(scratch / "third", "backup", testing::token_at(token.uri()), pair.clock);
  third.open();
  Tool tool({&pair.cloud, &pair.company, &third}, pair.acme, GetParam());
  tool.offer();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto refused = tool.send_parameters(i);
    EXPECT_EQ(code_of(refused), "denied");
    EXPECT_NE(refused.error().message().find("agents_of_new_keys"), std::string::npos);
  }
  for (testing::TestAgent* const agent : {&pair.cloud, &pair.company, &third}) {
    agent->close();
    agent->agents_of_new_keys = 3;
    agent->open();
  }
  tool.run();
}

TEST_P(Ceremony, ClientListsNeedTheAuthorityAndAGreaterSerial) {
  pair.onboard();
  const auto put = [&](const Bytes& list, ByteView peer) {
    return code_of(pair.cloud.call(Route::client_list_put, "acme", peer, list));
  };
  const auto get = [&](const std::string& tenant, ByteView peer) {
    return code_of(pair.cloud.call(Route::client_list_get, tenant, peer, {}));
  };
  const Bytes& admin = pair.admin.certificate.der();
  const Bytes& invited = pair.tool.invitation(0).certificate;
  const Bytes fifth = pair.acme.list(5);
  EXPECT_EQ(put(fifth, admin), "ok");
  EXPECT_EQ(put(fifth, admin), "ok");  // equal bytes again
  EXPECT_EQ(put(pair.acme.list(5), admin), "conflict");
  EXPECT_EQ(put(pair.acme.list(4), admin), "conflict");
  EXPECT_EQ(put(pair.acme.list(UINT64_MAX), admin), "conflict");
  EXPECT_EQ(put(pair.acme.list(static_cast<std::uint64_t>(pair.clock->now_ms + 24 * kHourMs + 1)), admin),
            "conflict");
  EXPECT_EQ(put(pair.acme.list(6), invited), "denied");  // the invitation is spent, or was never for that
  testing::Company other("acme", pair.clock->now_ms);
  EXPECT_EQ(put(other.list(9), admin), "unauthenticated");
  EXPECT_EQ(put(pair.acme.list(9), other.ca().der()), "not-found");
  EXPECT_EQ(get("acme", admin), "ok");
  EXPECT_EQ(get("acme", invited), "denied");
  EXPECT_EQ(get("acme", pair.acme.certify("coprotect:acme:user:eve").certificate.der()), "not-found");
  EXPECT_EQ(get("other", admin), "not-found");
}

// Kit and code are of no use from then on, and somebody has to learn of it.
TEST_P(Ceremony, SaysWhenNobodyIsEnrolledForRecovery) {
  pair.onboard();
  const auto recovery = [&] {
    const Bytes report = must(pair.cloud.call(Route::health, "", pair.admin.certificate.der(), {}));
    return nlohmann::json::parse(text_of(report))["recovery"].get<std::string>();
  };
  EXPECT_EQ(recovery(), "ok");
  pair.acme.remove(pair.rescuer);
  const auto eve = pair.acme.enrol("user", "eve");
  must(pair.cloud.call(Route::client_list_put, "acme", pair.admin.certificate.der(), pair.acme.next_list()));
  EXPECT_EQ(recovery(), "key " + to_hex(pair.bundle().key_id()) +
                            ": its recovery administrator is not enrolled: its kit and code open nothing");
  std::string said;
  for (const auto& entry : testing::read_log(pair.cloud, pair.bundle(), pair.admin))
    if (entry.kind == protocol::EntryKind::client_list) said = entry.detail;
  EXPECT_NE(said.find("; removed 1: " + pair.rescuer.uri + "; added 1: " + eve.uri), std::string::npos)
      << said;
  // Many that come and go at once do not hide whom it matters to see.
  pair.acme.remove(pair.admin);
  for (int i = 0; i < 9; ++i) pair.acme.enrol("user", "u" + std::to_string(i));
  pair.acme.remove(eve);
  pair.acme.remove(pair.alice);
  const auto safe = pair.acme.enrol("recovery", "safe");
  const auto root = pair.acme.enrol("admin", "root2");
  must(pair.cloud.call(Route::client_list_put, "acme", pair.admin.certificate.der(), pair.acme.next_list()));
  for (const auto& entry : testing::read_log(pair.cloud, pair.bundle(), root))
    if (entry.kind == protocol::EntryKind::client_list) said = entry.detail;
  EXPECT_NE(said.find(": " + pair.admin.uri + " "), std::string::npos) << said;
  EXPECT_NE(said.find("; added 11: " + safe.uri + " " + root.uri + " "), std::string::npos) << said;
  EXPECT_TRUE(said.ends_with(" …")) << said;
}

TEST_P(Ceremony, HealthSaysWhatWorks) {
  pair.onboard();
  const auto report = [&](ByteView peer) {
    return std::string(text_of(must(pair.cloud.call(Route::health, "", peer, {}))));
  };
  EXPECT_NE(report(pair.alice.certificate.der()).find(R"("keys":1)"), std::string::npos);
  EXPECT_NE(report({}).find(R"("keys":0)"), std::string::npos);
  EXPECT_NE(report({}).find(R"("status":"ok")"), std::string::npos);
  const auto all = nlohmann::json::parse(report({}));
  EXPECT_EQ(all["suites"], nlohmann::json({"p256", "ffdhe2048", "ffdhe3072", "ffdhe4096"}));
  EXPECT_EQ(all["operations"], nlohmann::json({1, 2, 3, 4, 5, 6}));
  token.remove();
  pair.clock->now_ms += 60'000;
  EXPECT_NE(report({}).find(R"("status":"degraded")"), std::string::npos);
}

TEST(CeremonyWithTpm, ShareInATpm) {
  harness::Scratch scratch;
  harness::SoftTpm tpm(scratch / "tpm");
  testing::Pair pair(scratch.path(), testing::token_at(tpm.uri()), SuiteId::p256);
  pair.onboard();
  const auto file = testing::encrypt(pair.bundle());
  const auto reply =
      must(testing::partials(pair.company, pair.bundle(), pair.ask_for(pair.company, {&file}), pair.alice));
  EXPECT_EQ(reply.items[0].status, protocol::ItemStatus::done);
}

}  // namespace
}  // namespace coprotect::agent::custodian
