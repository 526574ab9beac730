// Which clients TLS accepts. The custodian never sees a rejected client.

#include <fcntl.h>

#include <fstream>

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

class TlsTest : public FrontTest {
 protected:
  bool gets_in(const Identity* identity) {
    HttpClient client(target(), identity);
    return client.get("/v1/health").status == 200;
  }
  void refuses(const Identity* identity) {
    start();
    EXPECT_FALSE(gets_in(identity));
    EXPECT_EQ(calls(), 0u);
    EXPECT_TRUE(gets_in(&alice_));  // and goes on
  }
};

TEST_F(TlsTest, AcceptsAClientOfATrustedAuthority) {
  answer_with([this](const auto&, const ipc::Call& call) {
    EXPECT_EQ(call.peer_certificate, alice_.certificate.der());
    return echo(call);
  });
  start();
  EXPECT_TRUE(gets_in(&alice_));
}

TEST_F(TlsTest, RefusesAClientWithoutCertificate) {
  refuses(nullptr);
}

TEST_F(TlsTest, RefusesASelfSignedCertificate) {
  const Identity self = [] {
    auto key = protocol::SigningKey::generate(system_random());
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    auto certificate = protocol::issue_certificate({.common_name = "alice",
                                                    .use = protocol::CertificateUse::client,
                                                    .uris = {"coprotect:acme:user:alice"},
                                                    .hosts = {},
                                                    .not_before_ms = now - 3'600'000,
                                                    .not_after_ms = now + 3'600'000},
                                                   key.public_key(), nullptr, key, system_random());
    return Identity{.certificate = *std::move(certificate), .key = std::move(key)};
  }();
  refuses(&self);
}

TEST_F(TlsTest, RefusesAnotherAuthority) {
  const Identity stranger = TestAuthority("strangers").client();
  refuses(&stranger);
}

TEST_F(TlsTest, RefusesAnotherAuthorityOfTheSameName) {
  const Identity impostor = TestAuthority("acme clients").client();
  refuses(&impostor);
}

TEST_F(TlsTest, RefusesAnExpiredCertificate) {
  const Identity expired =
      acme_.issue({.use = protocol::CertificateUse::client, .begins = -2h, .ends = -1min});
  refuses(&expired);
}

TEST_F(TlsTest, RefusesACertificateThatIsNotYetValid) {
  const Identity early = acme_.issue({.use = protocol::CertificateUse::client, .begins = 1h, .ends = 2h});
  refuses(&early);
}

TEST_F(TlsTest, RefusesACertificateForServersOnly) {
  const Identity server = acme_.issue({.use = protocol::CertificateUse::server});
  refuses(&server);
}

TEST_F(TlsTest, RefusesTls12) {
  start();
  HttpClient client(target(), &alice_);
  client.only_tls12();
  EXPECT_EQ(client.get("/v1/health").status, 0u);
  EXPECT_EQ(calls(), 0u);
}

TEST_F(TlsTest, RefusesEverybodyWithoutAuthorities) {
  start();
  send_trust({});
  await_taken();
  EXPECT_FALSE(gets_in(&alice_));
}

TEST_F(TlsTest, AcceptsANewAuthorityWithoutARestart) {
  start();
  const TestAuthority umbrella("umbrella clients");
  const Identity bob = umbrella.client();
  EXPECT_FALSE(gets_in(&bob));
  send_trust({&acme_, &umbrella});
  await_taken();
  EXPECT_TRUE(gets_in(&bob));
  EXPECT_TRUE(gets_in(&alice_));
}

// Tenants choose the names of their CAs: none can block another.
TEST_F(TlsTest, AnAuthorityThatImitatesAnotherTakesNobodysPlace) {
  start();
  const TestAuthority other = acme_.imitated();
  const Identity bob = other.client();
  for (const auto& order :
       std::vector<std::vector<const TestAuthority*>>{{&acme_, &other}, {&other, &acme_}}) {
    send_trust(order);
    await_taken();
    EXPECT_TRUE(gets_in(&alice_));
    EXPECT_TRUE(gets_in(&bob));
  }
  const Identity eve = acme_.imitated().client();
  EXPECT_FALSE(gets_in(&eve));
}

// The certificate of an open connection is checked with every request.
TEST_F(TlsTest, AuthorityThatIsRemovedIsRefusedOnOpenConnections) {
  start();
  const TestAuthority umbrella("umbrella clients");
  HttpClient client(target(), &alice_);
  EXPECT_EQ(client.get("/v1/health").status, 200u);
  send_trust({&umbrella});
  await_taken();
  const Answer answer = client.get("/v1/health");
  EXPECT_EQ(answer.status, 401u);
  EXPECT_EQ(client.connections(), 1);
  EXPECT_EQ(calls(), 1u);
}

TEST_F(TlsTest, CertificateThatExpiresIsRefusedOnOpenConnections) {
  start();
  const Identity brief = acme_.issue({.use = protocol::CertificateUse::client, .begins = -1h, .ends = 2s});
  HttpClient client(target(), &brief);
  EXPECT_EQ(client.get("/v1/health").status, 200u);
  unsigned status = 200;
  for (const auto end = Clock::now() + 20s; status == 200 && Clock::now() < end;)
    status = client.get("/v1/health").status;
  EXPECT_EQ(status, 401u);
  EXPECT_EQ(client.connections(), 1);
}

class ReloadTest : public TlsTest {
 protected:
  void reload() {
    const Fd certificate(open((folder_ / "tls.pem").c_str(), O_RDONLY | O_CLOEXEC));
    const Fd key(open((folder_ / "tls.key.pem").c_str(), O_RDONLY | O_CLOEXEC));
    const int files[] = {certificate.get(), key.get()};
    ASSERT_TRUE(front_->channel()->send(ipc::encode_reload(), files));
    await_ready();
  }
};

TEST_F(ReloadTest, NewConnectionsGetTheNewCertificate) {
  start();
  HttpClient old(target(), &alice_);
  EXPECT_EQ(old.get("/v1/health").status, 200u);
  identity_ = TestAuthority("the agent, renewed");
  write_tls_files();
  EXPECT_FALSE(gets_in(&alice_));  // still the old one
  reload();
  EXPECT_TRUE(gets_in(&alice_));
  EXPECT_EQ(old.get("/v1/health").status, 200u);
  EXPECT_EQ(old.connections(), 1);
}

TEST_F(ReloadTest, BadCertificateLeavesTheOldOne) {
  start();
  for (const char* const content : {"", "not a certificate"}) {
    std::ofstream(folder_ / "tls.pem") << content;
    reload();
    EXPECT_TRUE(gets_in(&alice_));
  }
}

TEST_F(ReloadTest, KeyOfAnotherCertificateLeavesTheOldOne) {
  start();
  const Identity other = identity_.issue({.use = protocol::CertificateUse::server});
  std::ofstream(folder_ / "tls.pem") << other.certificate.pem();
  reload();
  EXPECT_TRUE(gets_in(&alice_));
}

}  // namespace
}  // namespace coprotect::agent::front
