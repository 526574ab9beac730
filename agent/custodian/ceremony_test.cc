#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

// The agent's side of a key generation: its states, what it refuses, what survives a restart.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::CeremonyState;
using protocol::ControlKind;
using protocol::SuiteId;
using testing::control;
using testing::HeldInvitation;
using testing::kHourMs;
using testing::Tool;

class Ceremony : public ::testing::TestWithParam<SuiteId> {
 protected:
  Bytes abort_message(std::size_t agent = 0) {
    return control(pair.tool.invitation(agent), ControlKind::abort, pair.tool.sid());
  }
  Result<Bytes> reopened(Route route, Bytes body) {
    pair.cloud.close();
    pair.cloud.open();
    return pair.tool.post(0, route, std::move(body));
  }
  static std::string code_of(const Result<Bytes>& result) {
    return result ? "ok" : std::string(code_name(result.error().code()));
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), GetParam()};
};
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
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  pair.tool.activate();
}

TEST_P(Ceremony, OneRecoveryBlobForAKey) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  EXPECT_EQ(code_of(pair.tool.post(0, Route::store_blob, pair.tool.blob_message(0))),
            "ok");  // the same again
  auto message = must(protocol::StoreBlobMessage::parse(pair.tool.blob_message(0)));
  message.blob.back() ^= 1;
  EXPECT_EQ(code_of(pair.tool.post(0, Route::store_blob, message.encode())),
            "bad-proof");  // not what the tool signed
}

TEST_P(Ceremony, ARecoveryBlobIsOfItsKey) {
  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  pair.tool.store_blob();
  const auto binding = must(protocol::RecoveryBlob::parse(pair.tool.blob())).binding();
  const auto stored = [&](const protocol::KeyId& key_id, SuiteId suite, const protocol::HpkePrivateKey& key) {
    const Secret code = Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTV"));
    auto blob = protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, code, key_id, suite, key);
    return code_of(pair.tool.post(0, Route::store_blob,
                                  pair.tool.message_of_blob(must(std::move(blob)).first.encoded())));
  };
  const auto other_suite = binding.suite == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256;
  const auto other_key = protocol::HpkePrivateKey::generate(system_random());
  EXPECT_EQ(stored({1}, binding.suite, pair.tool.recovery_key()), "malformed");
  EXPECT_EQ(stored(binding.key_id, other_suite, pair.tool.recovery_key()), "malformed");
  EXPECT_EQ(stored(binding.key_id, binding.suite, other_key), "malformed");
  pair.tool.sign();
  pair.tool.activate();
}

TEST_P(Ceremony, ParametersMustCarryWhatTheAgentOffered) {
  using Fields = protocol::Parameters::Fields;
  const auto refused = [&](void (*change)(Fields&)) {
    pair.tool.offer();
    change(pair.tool.fields());
    return code_of(pair.tool.send_parameters(0));
  };
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].name = "mallory"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].url = "https://elsewhere:1"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].nonce[0] ^= 1; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.parties[0].mode = protocol::KeeperMode::resident; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.tenant = "other"; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) { f.purpose = protocol::Purpose::derive; }), "conflict");
  EXPECT_EQ(refused([](Fields& f) {
              f.parties[0].ceremony_key = protocol::HpkePrivateKey::generate(system_random()).public_key();
            }),
            "conflict");
  EXPECT_EQ(refused([](Fields&) {}), "ok");
}

TEST_P(Ceremony, AMessageNeedsItsInvitation) {
  const HeldInvitation other = pair.cloud.invite(kHourMs);
  const HeldInvitation& own = pair.tool.invitation(0);
  const Bytes question = control(own, ControlKind::status, {});
  const auto ask = [&](ByteView peer, Bytes body) {
    return code_of(pair.cloud.call(Route::status, "", peer, std::move(body)));
  };
  EXPECT_EQ(ask(own.certificate, question), "ok");
  EXPECT_EQ(ask(other.certificate, question), "unauthenticated");
  EXPECT_EQ(ask({}, question), "unauthenticated");
  EXPECT_EQ(ask(pair.tool.invitation(1).certificate, question), "unauthenticated");  // of the company's agent
  EXPECT_EQ(ask(pair.alice.certificate.der(), question), "unauthenticated");
  Bytes forged = question;
  forged.back() ^= 1;
  EXPECT_EQ(ask(own.certificate, forged), "unauthenticated");

  pair.tool.offer();
  pair.tool.exchange();
  pair.tool.prepare();
  const std::string sid = to_hex(pair.tool.sid());
  const Bytes foreign_abort = control(other, ControlKind::abort, pair.tool.sid());
  EXPECT_EQ(code_of(pair.cloud.call(Route::abort, sid, other.certificate, foreign_abort)),
            "ok");  // of nothing
  EXPECT_EQ(pair.tool.status(0).state, CeremonyState::prepared);
  EXPECT_EQ(code_of(pair.cloud.call(Route::store_blob, sid, other.certificate, {})), "not-found");
}

TEST_P(Ceremony, AnInvitationExpires) {
  pair.clock->now_ms += 24 * kHourMs - 1;
  pair.tool.offer();
  pair.clock->now_ms += 2;
  EXPECT_THROW(pair.tool.offer(), std::runtime_error);
}

TEST_P(Ceremony, AnAlteredInvitationIsNotOpened) {
  const auto file = scratch / "cloud" / "invitations" / to_hex(pair.tool.invitation(0).id);
  Bytes content = Bytes(std::filesystem::file_size(file), 0);
  std::filesystem::resize_file(file, content.size() - 1);
  EXPECT_THROW(pair.tool.offer(), std::runtime_error);
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
  EXPECT_EQ(put(pair.acme.list(5 + (1U << 20) + 1), admin), "conflict");
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
  EXPECT_EQ(recovery(),
            "nobody of tenant \"acme\" is enrolled with role recovery: kit and code open nothing");
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
