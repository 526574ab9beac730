#include <gtest/gtest.h>

#include "agent/custodian/testing/test_refusal.h"
#include "protocol/base/test_must.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/key_list.h"

// Who and what is refused as a whole, with which code, always without a use of the share.
namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::LogBody;
using protocol::RecoveryShareBody;
using protocol::SuiteId;
using testing::Asking;
using testing::Company;
using testing::kHourMs;
using testing::TestClient;

class Refusal : public testing::TestRefusal {};

TEST_F(Refusal, CertificateThatIsNotEnrolled) {
  EXPECT_EQ(code(asking(), pair.acme.certify("coprotect:acme:user:eve")), "unauthenticated");
  EXPECT_EQ(last_outcome(), "unauthenticated");
  // Enrolled under another name than the certificate now says.
  TestClient renamed = pair.acme.certify("coprotect:acme:admin:alice");
  EXPECT_EQ(code(asking(), renamed), "unauthenticated");
}

TEST_F(Refusal, CertificateThatWasRemoved) {
  expected_computed = 1;
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  pair.acme.remove(pair.alice);
  pair.publish_clients(pair.admin.certificate.der());
  EXPECT_EQ(code(asking(), pair.alice), "unauthenticated");
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(code(asking(), pair.alice), "unauthenticated");
}

TEST_F(Refusal, CertificateOutOfItsTimeOrPurpose) {
  const auto brief = pair.acme.enrol("user", "brief", {.not_after_ms = kHourMs});
  const auto later = pair.acme.enrol("user", "later", {.not_before_ms = kHourMs});
  const auto server = pair.acme.enrol("user", "server", {.use = protocol::CertificateUse::server});
  pair.publish_clients(pair.admin.certificate.der());
  EXPECT_EQ(code(asking(), server), "unauthenticated");
  EXPECT_EQ(code(asking(), later), "unauthenticated");
  pair.clock->now_ms += 2 * kHourMs;
  EXPECT_EQ(code(asking(), brief), "unauthenticated");
  expected_computed = 1;
  EXPECT_EQ(code(asking(), later), "ok");
}

TEST_F(Refusal, CertificateOfAnotherAuthority) {
  Company stranger("acme", pair.clock->now_ms);  // the same name, another CA
  Company other("other", pair.clock->now_ms);
  const auto alice = stranger.enrol("user", "alice");
  const auto bob = other.enrol("user", "bob");
  const std::size_t before = log().size();
  EXPECT_EQ(code(asking(), alice), "not-found");
  EXPECT_EQ(code(asking(), bob), "not-found");
  Asking foreign = asking();
  foreign.request.tenant = "other";
  EXPECT_EQ(code(foreign, bob), "not-found");
  // Whom no authority of this agent's vouches for leaves nothing behind; log() itself has left two entries.
  EXPECT_EQ(log().size(), before + 2);

  // A key that is somebody else's cannot be told from one that is nobody's.
  const std::string of_a_foreign_key = message;
  Asking unknown = asking();
  unknown.request.key_id[0] ^= 1;
  EXPECT_EQ(code(unknown, pair.alice), "not-found");
  EXPECT_EQ(message.size(), of_a_foreign_key.size());
}

TEST_F(Refusal, TenantsDoNotSeeEachOther) {
  Company other("other", pair.clock->now_ms);
  const auto bob = other.enrol("admin", "bob");
  testing::Tool tool({&pair.cloud, &pair.company}, other, SuiteId::p256);
  tool.run();
  must(pair.cloud.call(ipc::Route::client_list_put, "other", bob.certificate.der(), other.next_list()));

  const std::string key_id = to_hex(pair.bundle().key_id());
  const auto get = [&](ipc::Route route, const std::string& subject) {
    const auto reply = pair.cloud.call(route, subject, bob.certificate.der(), {});
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  };
  EXPECT_EQ(get(ipc::Route::bundle, to_hex(tool.bundle().key_id())), "ok");
  EXPECT_EQ(get(ipc::Route::bundle, key_id), "not-found");
  EXPECT_EQ(get(ipc::Route::client_list_get, "acme"), "not-found");
  // A request in another tenant's name than the connection's certificate: it is refused for that, and stands
  // in the log of him who sent it.
  EXPECT_EQ(code(asking(), bob), "denied");
  Asking crossed = asking();  // bob's own key, but acme's name on it
  crossed.request.key_id = tool.bundle().key_id();
  EXPECT_EQ(code(crossed, bob), "denied");
  Asking own_name = asking();  // acme's key, under bob's name
  own_name.request.tenant = "other";
  EXPECT_EQ(code(own_name, bob), "not-found");

  for (const auto& entry : log()) {
    EXPECT_EQ(entry.tenant, "acme");
    EXPECT_NE(entry.client, bob.uri);
  }
  std::map<std::string, int> of_bob;
  for (const auto& entry : testing::read_log(pair.cloud, tool.bundle(), bob)) {
    EXPECT_EQ(entry.tenant, "other");
    if (entry.kind == protocol::EntryKind::refusal)
      ++of_bob[std::string(protocol::recorded_name(entry.operation)) + " " + entry.outcome];
  }
  EXPECT_EQ(of_bob, (std::map<std::string, int>{{"read-bundle not-found", 1},
                                                {"read-client-list not-found", 1},
                                                {"partial-decrypt denied", 2},
                                                {"partial-decrypt not-found", 1}}));
}

TEST_F(Refusal, ChainWithAnotherFirstCertificate) {
  const auto eve = pair.acme.certify("coprotect:acme:user:eve");
  const Asking request = asking();
  // Signed by eve, but with alice's certificate.
  const Bytes forged = protocol::SignedRequest::sign(request.request, {pair.alice.certificate}, eve.key);
  const auto reply = testing::send(pair.cloud, request, forged, pair.alice.certificate.der());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::unauthenticated);
}

TEST_F(Refusal, TenantOfTheCertificateIsAnother) {
  auto stray = pair.acme.certify("coprotect:other:user:alice");
  EXPECT_EQ(code(asking(), stray), "unauthenticated");
}

TEST_F(Refusal, AddressedToOthers) {
  Asking request = asking();
  request.request.audience = {pair.company.identity_key().bytes()};
  EXPECT_EQ(code(request, pair.alice), "denied");
  EXPECT_EQ(last_outcome(), "denied");
}

TEST_F(Refusal, AnotherEpoch) {
  Asking request = asking();
  request.request.epoch = 1;
  EXPECT_EQ(code(request, pair.alice), "conflict");
}

TEST_F(Refusal, TimeOutsideTheWindow) {
  for (const std::int64_t off : {-protocol::kRequestWindowMs - 1, protocol::kRequestWindowMs + 1}) {
    Asking request = asking();
    request.request.time_ms += off;
    EXPECT_EQ(code(request, pair.alice), "stale") << off;
  }
  EXPECT_EQ(last_outcome(), "stale");
}

// What a handover's step was, and of which plan, stands in the log although the agent judged neither: a thief
// who tries it is told from an administrator who asks for the status.
TEST_F(Refusal, HasTheStepOfAHandoverWhateverItIsRefusedFor) {
  const Bytes plan = {1, 2, 3};
  const protocol::HandoverBody abort{protocol::HandoverStep::abort,
                                     protocol::AbortRequest{.plan = plan, .voids = {}}.encode()};
  const auto asked = [&](const protocol::HandoverBody& body) {
    return testing::ask(pair.cloud, pair.bundle(), body);
  };
  Asking late = asked(abort);
  late.request.time_ms -= 2 * protocol::kRequestWindowMs;
  Asking elsewhere = asked(abort);
  elsewhere.request.audience = {pair.company.identity_key().bytes()};
  Asking of_nobody = asked(abort);
  of_nobody.request.key_id[0] ^= 1;
  const Asking twice = asked({protocol::HandoverStep::status, {}});
  EXPECT_EQ(code(twice, pair.admin), "ok");
  const TestClient eve = pair.acme.certify("coprotect:acme:admin:eve");

  const auto sid = protocol::tagged_hash("CPV1-HANDOVER-SID", {protocol::sha256(plan)});
  const protocol::LogEntry::Step of_plan{.step = 8, .sid = sid, .payload = protocol::sha256(abort.payload)};
  const protocol::LogEntry::Step of_status{.step = 1, .sid = {}, .payload = protocol::sha256(Bytes{})};
  struct Case {
    const Asking& asking;
    const TestClient& client;
    std::string outcome;
    protocol::LogEntry::Step step;
  };
  const Asking good = asked(abort);
  const Asking no_step = asked({static_cast<protocol::HandoverStep>(77), {}});
  for (const Case& one :
       {Case{late, pair.admin, "stale", of_plan}, Case{elsewhere, pair.admin, "denied", of_plan},
        Case{of_nobody, pair.admin, "not-found", of_plan}, Case{good, eve, "unauthenticated", of_plan},
        Case{good, pair.alice, "denied", of_plan}, Case{twice, pair.admin, "replayed", of_status},
        Case{no_step, pair.admin, "malformed", {}}}) {
    EXPECT_EQ(code(one.asking, one.client), one.outcome);
    const auto entry = last_entry();
    EXPECT_EQ(entry.kind, protocol::EntryKind::refusal);
    EXPECT_EQ(entry.outcome, one.outcome);
    EXPECT_EQ(entry.handover, one.step) << one.outcome << ": " << entry.detail;
    EXPECT_EQ(entry.client, one.client.uri);
  }
  // Whoever signed nothing asked for nothing.
  Bytes forged = good.signed_by(pair.admin);
  forged.back() ^= 1;
  EXPECT_FALSE(pair.cloud.call(ipc::Route::handover, to_hex(pair.bundle().key_id()),
                               pair.admin.certificate.der(), forged));
  EXPECT_EQ(last_entry().handover, protocol::LogEntry::Step{});
}

// Whatever is refused to a certificate that is known has an entry: what was asked, and the hash of it.
TEST_F(Refusal, HasAnEntryOfWhatWasPresented) {
  const std::string key = to_hex(pair.bundle().key_id());
  const Bytes good = asking().signed_by(pair.alice);
  Bytes forged = good;
  forged.back() ^= 1;
  const Bytes cut(good.begin(), good.end() - 100);
  Asking late = asking();
  late.request.time_ms -= 2 * protocol::kRequestWindowMs;
  Asking unknown = asking();
  unknown.request.key_id[0] ^= 1;
  protocol::KeyList destroy{.tenant = "acme", .serial = 1, .time_ms = pair.clock->now_ms, .keys = {}};
  destroy.keys.push_back({.key_id = pair.bundle().key_id(),
                          .use = protocol::KeyUse::destroyed,
                          .effective_ms = pair.clock->now_ms});
  pair.acme.remove(pair.rescuer);
  const Bytes old_list = pair.acme.list(1);
  Asking step =
      testing::ask(pair.cloud, pair.bundle(), protocol::HandoverBody{protocol::HandoverStep::announce, {}});

  struct Case {
    ipc::Route route;
    std::string subject;
    Bytes presented;
    std::string operation;
    std::string outcome;
  };
  const std::vector<Case> cases = {
      {ipc::Route::partial_decrypt, key, forged, "partial-decrypt", "unauthenticated"},
      {ipc::Route::partial_decrypt, key, cut, "partial-decrypt", "malformed"},
      {ipc::Route::log, key, {}, "log", "malformed"},
      {ipc::Route::partial_decrypt, key, late.signed_by(pair.alice), "partial-decrypt", "stale"},
      {ipc::Route::partial_decrypt, to_hex(unknown.request.key_id), unknown.signed_by(pair.alice),
       "partial-decrypt", "not-found"},
      {ipc::Route::handover, key, step.signed_by(pair.alice), "handover", "denied"},
      {ipc::Route::decrypt, key, {1}, "-", "malformed"},
      {ipc::Route::key_list_put, "acme", destroy.sign(pair.acme.ca_key()), "put-key-list", "denied"},
      {ipc::Route::client_list_put, "acme", old_list, "put-client-list", "conflict"},
      {ipc::Route::client_list_put, "acme", {1, 2}, "put-client-list", "malformed"},
      {ipc::Route::client_list_put, "other", old_list, "put-client-list", "not-found"},
      {ipc::Route::client_list_get, "other", {}, "read-client-list", "not-found"},
      {ipc::Route::bundle, std::string(64, '0'), {}, "read-bundle", "not-found"},
      {ipc::Route::open, "", {1}, "ceremony", "unauthenticated"},
      {ipc::Route::deal, key, {1}, "ceremony", "unauthenticated"},
  };
  for (const Case& one : cases) {
    const auto reply = pair.cloud.call(one.route, one.subject, pair.alice.certificate.der(), one.presented);
    const auto entry = last_entry();
    EXPECT_EQ(entry.kind, protocol::EntryKind::refusal) << one.operation;
    EXPECT_EQ(protocol::recorded_name(entry.operation), one.operation);
    EXPECT_EQ(entry.outcome, one.outcome) << one.operation << ": " << entry.detail;
    EXPECT_EQ(entry.request_hash, protocol::sha256(one.presented)) << one.operation;
    EXPECT_EQ(entry.tenant, "acme");
    EXPECT_EQ(entry.client, pair.alice.uri);
    if (one.operation == "ceremony") {  // what the path names is no key
      EXPECT_EQ(entry.key_id, protocol::KeyId{});
      EXPECT_EQ(entry.detail.find(key) != std::string::npos, one.route == ipc::Route::deal) << entry.detail;
    } else if (one.subject.size() == 64) {
      EXPECT_EQ(to_hex(entry.key_id), one.subject);
    }
    if (one.outcome == "denied" && one.operation == "handover") {
      EXPECT_EQ(entry.handover,
                (protocol::LogEntry::Step{.step = 2, .sid = {}, .payload = protocol::sha256(Bytes{})}));
    }
  }
  // That there is no list yet is told, and is no refusal.
  const std::size_t before = log().size();
  EXPECT_FALSE(pair.cloud.call(ipc::Route::key_list_get, "acme", pair.alice.certificate.der(), {}));
  EXPECT_EQ(log().size(), before + 2);
}

TEST_F(Refusal, FloodHasOneEntryAMinute) {
  const std::string key = to_hex(pair.bundle().key_id());
  const auto refused = [&](const TestClient& client, std::uint8_t number) {
    EXPECT_FALSE(pair.cloud.call(ipc::Route::log, key, client.certificate.der(), {number}));
  };
  const std::size_t before = log().size();
  Digest hashes{};
  for (std::uint8_t i = 0; i < 100; ++i) {
    refused(pair.alice, i);
    if (i < Refusals::kEach) continue;
    Bytes both(hashes.begin(), hashes.end());
    const Digest hash = protocol::sha256(Bytes{i});
    both.insert(both.end(), hash.begin(), hash.end());
    hashes = protocol::sha256(both);
  }
  refused(pair.rescuer, 0);  // another certificate has a count of its own
  EXPECT_EQ(log().size(), before + 2 + Refusals::kEach + 1);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(log().size(), before + 4 + Refusals::kEach + 1);
  pair.clock->now_ms += Refusals::kMinuteMs;
  pair.cloud.custodian().sweep();
  const auto entry = last_entry();
  EXPECT_EQ(protocol::recorded_name(entry.operation), "refusals");
  EXPECT_EQ(entry.detail, "70 more refusals within a minute: malformed 70");
  EXPECT_EQ(entry.request_hash, hashes);
  EXPECT_EQ(entry.client, pair.alice.uri);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(last_entry().outcome, "ok");  // nothing more of it
  refused(pair.alice, 0);
  EXPECT_EQ(last_outcome(), "malformed");
}

TEST_F(Refusal, Replay) {
  expected_computed = 1;
  const Asking request = asking();
  const Bytes once = request.signed_by(pair.alice);
  const auto again = [&](const Bytes& signed_request) {
    const auto reply = testing::send(pair.cloud, request, signed_request, pair.alice.certificate.der());
    return reply ? Code::internal : reply.error().code();
  };
  must(testing::send(pair.cloud, request, once, pair.alice.certificate.der()));
  EXPECT_EQ(again(once), Code::replayed);
  EXPECT_EQ(again(request.signed_by(pair.alice)), Code::replayed);  // signed again: the nonce is what counts
  pair.cloud.custodian().sweep();
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(again(once), Code::replayed);
  // Somebody else's nonce does not collide with it.
  expected_computed = 2;
  EXPECT_EQ(code(request, pair.rescuer), "ok");
}

// Whoever keeps the host's clock has no request answered twice.
TEST_F(Refusal, ReplayWithAnotherClock) {
  expected_computed = 1;
  const Asking request = asking();
  const Bytes once = request.signed_by(pair.alice);
  const auto again = [&] {
    const auto reply = testing::send(pair.cloud, request, once, pair.alice.certificate.der());
    return reply ? Code::internal : reply.error().code();
  };
  must(testing::send(pair.cloud, request, once, pair.alice.certificate.der()));
  constexpr std::int64_t kForwardMs = 700'000;
  pair.clock->set_forward(kForwardMs);
  pair.cloud.custodian().sweep();
  EXPECT_EQ(again(), Code::stale);
  pair.clock->set_forward(-kForwardMs);
  EXPECT_EQ(again(), Code::replayed);
  // Also set back after it was rightly forgotten.
  pair.clock->now_ms += kForwardMs;
  pair.cloud.custodian().sweep();
  EXPECT_EQ(again(), Code::stale);
  pair.clock->set_forward(-kForwardMs);
  EXPECT_EQ(again(), Code::replayed);
}

TEST_F(Refusal, RolesThatMayNot) {
  Asking recover = asking();
  recover.request.action = Action::recover;
  EXPECT_EQ(code(recover, pair.alice), "denied");
  recover = asking();
  recover.request.action = Action::recover;
  EXPECT_EQ(code(recover, pair.admin), "denied");
  EXPECT_EQ(code(testing::ask(pair.cloud, pair.bundle(), RecoveryShareBody{}), pair.alice), "denied");
  EXPECT_EQ(code(testing::ask(pair.cloud, pair.bundle(), LogBody{1, 10}), pair.alice), "denied");
  EXPECT_EQ(code(testing::ask(pair.cloud, pair.bundle(), LogBody{1, 10}), pair.rescuer), "denied");
  Asking log = testing::ask(pair.cloud, pair.bundle(), LogBody{1, 10});
  log.request.action = Action::recover;
  EXPECT_EQ(code(log, pair.admin), "denied");
}

TEST_F(Refusal, RecoveryWhereTheOperatorForbidsIt) {
  pair.cloud.close();
  pair.cloud.allow_recover = false;
  pair.cloud.open();
  Asking recover = asking();
  recover.request.action = Action::recover;
  EXPECT_EQ(code(recover, pair.rescuer), "denied");
}

TEST_F(Refusal, OperationOfAnotherRoute) {
  const Asking request = testing::ask(pair.cloud, pair.bundle(), RecoveryShareBody{});
  const Bytes signed_request = request.signed_by(pair.admin);
  for (const auto& [route, subject] : {std::pair{ipc::Route::log, to_hex(pair.bundle().key_id())},
                                       {ipc::Route::recovery_share, std::string(64, '0')}}) {
    const Bytes reply = must(pair.cloud.call(route, subject, pair.admin.certificate.der(), signed_request));
    EXPECT_EQ(testing::open(pair.cloud, request, signed_request, reply).error().code(), Code::malformed);
  }
}

TEST_F(Refusal, BodyInAnotherSuite) {
  const auto& group = protocol::group_of(SuiteId::ffdhe3072);
  const auto key = must(protocol::PublicKey::make(group.random_message(system_random())));
  auto made = must(protocol::Header::create(key, pair.bundle().key_id(), {}, system_random()));
  Asking request = asking();
  const auto core = made.first.core_bytes();
  protocol::PartialDecryptBody body;
  body.items.push_back(
      {Bytes(core.begin(), core.end()), protocol::kStanzaTdh2, made.first.stanzas()[0].ciphertext.capsule()});
  request.request.body = std::move(body);
  EXPECT_EQ(code(request, pair.alice), "malformed");
  EXPECT_EQ(last_outcome(), "malformed");
}

TEST_F(Refusal, BytesThatAreNoRequest) {
  const Bytes good = asking().signed_by(pair.alice);
  const std::string subject = to_hex(pair.bundle().key_id());
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 1}) {
    const auto reply = pair.cloud.call(ipc::Route::partial_decrypt, subject, {},
                                       Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_FALSE(reply) << size;
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(pair.cloud.call(ipc::Route::partial_decrypt, subject, {}, longer));
}

TEST_F(Refusal, ATokenThatIsGoneCostsTheRequest) {
  expected_computed = 2;
  token.remove();
  EXPECT_EQ(code(asking(), pair.alice), "unavailable");
  token.restore();
  EXPECT_EQ(code(asking(), pair.alice), "ok");
}

}  // namespace
}  // namespace coprotect::agent::custodian
