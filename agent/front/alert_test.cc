// A client that TLS rejects is told why, by the alert that RFC 8446 §6.2 defines for it. By then the client
// believes that its handshake is done, and has sent its request. Neither may keep the alert from arriving.

#include <openssl/err.h>

#include <fcntl.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "agent/front/test_front.h"

namespace coprotect::agent::front {
namespace {

class AlertTest : public FrontTest {
 protected:
  // The alert that ends a connection of this client; 0 if none comes.
  unsigned alert_for(const Identity* identity, int version = TLS1_3_VERSION,
                     std::size_t sent = 100'000) const {
    const Fd socket = RawClient::connect_plain(target().port);
    const Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context.get(), version);
    if (identity != nullptr) {
      SSL_CTX_use_certificate(context.get(), identity->certificate.x509());
      SSL_CTX_use_PrivateKey(context.get(), identity->key.evp());
    }
    const Owned<SSL, SSL_free> session(SSL_new(context.get()));
    SSL_set_fd(session.get(), socket.get());
    ERR_clear_error();
    if (SSL_connect(session.get()) == 1) {
      const std::string request(sent, 'x');
      SSL_write(session.get(), request.data(), static_cast<int>(request.size()));
      char byte = 0;
      SSL_read(session.get(), &byte, 1);
    }
    const int reason = ERR_GET_REASON(ERR_peek_error());
    return reason > SSL_AD_REASON_OFFSET ? static_cast<unsigned>(reason - SSL_AD_REASON_OFFSET) : 0;
  }
  void expect_alert(unsigned alert, const Identity* identity, int version = TLS1_3_VERSION) {
    start();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(alert_for(identity, version), alert);
      ASSERT_EQ(alert_for(identity, version, 1), alert);
    }
  }
};

TEST_F(AlertTest, SaysThatACertificateIsRequired) {
  expect_alert(SSL_AD_CERTIFICATE_REQUIRED, nullptr);
}

TEST_F(AlertTest, SaysThatACertificateIsExpired) {
  const Identity expired =
      acme_.issue({.use = protocol::CertificateUse::client, .begins = -2h, .ends = -1min});
  expect_alert(SSL_AD_CERTIFICATE_EXPIRED, &expired);
}

TEST_F(AlertTest, SaysThatACertificateIsNotYetValid) {
  const Identity early = acme_.issue({.use = protocol::CertificateUse::client, .begins = 1h, .ends = 2h});
  expect_alert(SSL_AD_CERTIFICATE_EXPIRED, &early);  // or "not currently valid"
}

TEST_F(AlertTest, SaysThatAnAuthorityIsUnknown) {
  const Identity stranger = TestAuthority("strangers").client();
  expect_alert(SSL_AD_UNKNOWN_CA, &stranger);
}

// An expired certificate of an unknown CA is a stranger's all the same.
TEST_F(AlertTest, SaysNothingAboutTheDatesOfAStranger) {
  const Identity stranger =
      TestAuthority("strangers")
          .issue({.use = protocol::CertificateUse::client, .begins = -2h, .ends = -1min});
  expect_alert(SSL_AD_UNKNOWN_CA, &stranger);
}

TEST_F(AlertTest, SaysThatACertificateIsNotForClients) {
  const Identity server = acme_.issue({.use = protocol::CertificateUse::server});
  expect_alert(SSL_AD_UNSUPPORTED_CERTIFICATE, &server);
}

TEST_F(AlertTest, SaysThatTls12IsTooOld) {
  expect_alert(SSL_AD_PROTOCOL_VERSION, &alice_, TLS1_2_VERSION);
}

TEST_F(AlertTest, SummarisesInTheLog) {
  const std::filesystem::path log = folder_ / "log";
  const Fd own_errors(dup(STDERR_FILENO));
  {
    const Fd file(open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    dup2(file.get(), STDERR_FILENO);  // the front inherits it
  }
  start();
  dup2(own_errors.get(), STDERR_FILENO);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(alert_for(nullptr), unsigned{SSL_AD_CERTIFICATE_REQUIRED});
  std::string text;
  for (const auto end = Clock::now() + 20s; text.find('\n') == std::string::npos && Clock::now() < end;) {
    std::this_thread::sleep_for(50ms);
    std::ifstream in(log);
    text.assign(std::istreambuf_iterator(in), {});
  }
  EXPECT_TRUE(text.starts_with("<4>front: refused or cut: 127.0.0.1: ")) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;  // the next is due in a minute
}

}  // namespace
}  // namespace coprotect::agent::front
