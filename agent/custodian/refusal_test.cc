#include <gtest/gtest.h>

#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

// Who and what is refused as a whole, with which code, always without a use of the share.
namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::LogBody;
using protocol::RecoveryShareBody;
using protocol::SuiteId;
using testing::Asking;
using testing::Company;
using testing::encrypt;
using testing::kHourMs;
using testing::TestClient;

class Refusal : public ::testing::Test {
 protected:
  Refusal() {
    pair.cloud.close();
    pair.cloud.requests_per_key_per_day = 2;
    pair.cloud.open();
    pair.onboard();
  }
  ~Refusal() override { EXPECT_EQ(pair.cloud.computed(), expected_computed); }

  Asking asking() { return pair.ask_for(pair.cloud, {&file()}); }
  const testing::TestFile& file() {
    if (!file_) file_ = encrypt(pair.bundle());
    return *file_;
  }
  // How the cloud's agent refuses this request of this client; "ok" if it does not.
  std::string code(const Asking& request, const TestClient& client) {
    const auto reply = testing::answer(pair.cloud, request, client);
    if (!reply) message = reply.error().message();
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  }
  std::string last_outcome() {
    const auto log = testing::read_log(pair.cloud, pair.bundle(), pair.admin);
    return log[log.size() - 2].outcome;  // before the intent to read the log
  }

  harness::Scratch scratch;
  harness::SoftToken token{scratch / "token"};
  bool used = (token.use(), true);
  testing::Pair pair{scratch.path(), testing::token_at(token.uri()), SuiteId::p256};
  std::string message;
  int expected_computed = 0;

 private:
  std::optional<testing::TestFile> file_;
};

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
  EXPECT_EQ(code(asking(), alice), "not-found");
  EXPECT_EQ(last_outcome(), "not-found");
  EXPECT_EQ(code(asking(), bob), "not-found");
  Asking foreign = asking();
  foreign.request.tenant = "other";
  EXPECT_EQ(code(foreign, bob), "not-found");

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
  must(pair.cloud.call(ipc::Route::client_list_put, "other", tool.invitation(0).certificate,
                       other.next_list()));

  const std::string key_id = to_hex(pair.bundle().key_id());
  const auto get = [&](ipc::Route route, const std::string& subject) {
    const auto reply = pair.cloud.call(route, subject, bob.certificate.der(), {});
    return reply ? "ok" : std::string(code_name(reply.error().code()));
  };
  EXPECT_EQ(get(ipc::Route::bundle, to_hex(tool.bundle().key_id())), "ok");
  EXPECT_EQ(get(ipc::Route::bundle, key_id), "not-found");
  EXPECT_EQ(get(ipc::Route::client_list_get, "acme"), "not-found");
  EXPECT_EQ(code(asking(), bob), "not-found");
  Asking crossed = asking();  // bob's own key, but acme's name on it
  crossed.request.key_id = tool.bundle().key_id();
  EXPECT_EQ(code(crossed, bob), "not-found");

  for (const auto& entry : testing::read_log(pair.cloud, pair.bundle(), pair.admin))
    EXPECT_EQ(entry.tenant, "acme");
  for (const auto& entry : testing::read_log(pair.cloud, tool.bundle(), bob))
    EXPECT_EQ(entry.tenant, "other");
}

TEST_F(Refusal, ChainWithAnotherFirstCertificate) {
  const auto eve = pair.acme.certify("coprotect:acme:user:eve");
  const Asking request = asking();
  // Signed by eve, but with alice's certificate.
  const Bytes forged = protocol::SignedRequest::sign(request.request, {pair.alice.certificate}, eve.key);
  const auto reply = testing::send(pair.cloud, request.request, forged, pair.alice.certificate.der());
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
    EXPECT_EQ(code(request, pair.alice), "replayed") << off;
  }
  EXPECT_EQ(last_outcome(), "replayed");
}

TEST_F(Refusal, Replay) {
  expected_computed = 1;
  const Asking request = asking();
  const Bytes once = request.signed_by(pair.alice);
  const auto again = [&](const Bytes& signed_request) {
    const auto reply =
        testing::send(pair.cloud, request.request, signed_request, pair.alice.certificate.der());
    return reply ? Code::internal : reply.error().code();
  };
  must(testing::send(pair.cloud, request.request, once, pair.alice.certificate.der()));
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

TEST_F(Refusal, CapReachedAlsoAfterARestart) {
  expected_computed = 3;
  constexpr std::int64_t kDayMs = 24 * kHourMs;
  pair.clock->now_ms = (pair.clock->now_ms / kDayMs + 1) * kDayMs - kHourMs;  // the last hour of a day
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "limited");
  EXPECT_EQ(last_outcome(), "limited");
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(code(asking(), pair.rescuer), "limited");
  EXPECT_EQ(code(testing::ask(pair.cloud, pair.bundle(), LogBody{1, 1}), pair.admin), "ok");
  pair.clock->now_ms += kHourMs;
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
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
  const auto reply = pair.cloud.call(ipc::Route::log, to_hex(pair.bundle().key_id()),
                                     pair.admin.certificate.der(), request.signed_by(pair.admin));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::malformed);
  const auto elsewhere = pair.cloud.call(ipc::Route::recovery_share, std::string(64, '0'),
                                         pair.admin.certificate.der(), request.signed_by(pair.admin));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code(), Code::malformed);
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
