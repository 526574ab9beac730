#include <gtest/gtest.h>

#include "protocol/x509/certificate.h"
#include "protocol/x509/test_ca.h"

namespace coprotect::protocol {
namespace {

const std::vector<std::string> kAlice = {"coprotect:acme:user:alice"};

bool refused(std::span<const Certificate> chain, const Certificate& ca, std::int64_t now_ms = kNow) {
  const Status status = verify_client_chain(chain, ca, now_ms);
  return !status && status.error().code() == Code::unauthenticated;
}
bool refused(const Certificate& leaf, const Certificate& ca, std::int64_t now_ms = kNow) {
  return refused({&leaf, 1}, ca, now_ms);
}

TEST(ClientChain, AcceptsAClientOfThisCa) {
  const TestCa ca;
  const Certificate alice = ca.issue(client_request(kAlice));
  EXPECT_TRUE(verify_client_chain({&alice, 1}, ca.certificate, kNow));
}

TEST(ClientChain, RefusesNone) {
  const TestCa ca;
  EXPECT_TRUE(refused(std::span<const Certificate>(), ca.certificate));
}

TEST(ClientChain, RefusesSelfSigned) {
  const TestCa ca;
  const SigningKey key = SigningKey::generate(system_random());
  const auto mallory =
      issue_certificate(client_request(kAlice), key.public_key(), nullptr, key, system_random());
  ASSERT_TRUE(mallory);
  EXPECT_TRUE(refused(*mallory, ca.certificate));
}

TEST(ClientChain, RefusesAnotherCaEvenOfTheSameName) {
  const TestCa ca("acme clients");
  const TestCa other("globex clients");
  const TestCa twin("acme clients");
  for (const TestCa* const wrong : {&other, &twin}) {
    const Certificate leaf = wrong->issue(client_request(kAlice));
    EXPECT_TRUE(refused(leaf, ca.certificate));
    // Sending the other CA along does not help either.
    const std::vector<Certificate> chain{leaf, wrong->certificate};
    EXPECT_TRUE(refused(chain, ca.certificate));
  }
}

TEST(ClientChain, RefusesOutsideItsTime) {
  const TestCa ca;
  const Certificate alice = ca.issue(client_request(kAlice));
  EXPECT_TRUE(refused(alice, ca.certificate, kNow - 2 * kHour));
  EXPECT_TRUE(refused(alice, ca.certificate, kNow + 2 * kHour));
  CertificateRequest long_lived = client_request(kAlice);
  long_lived.not_after_ms = kNow + 100 * kHour;
  EXPECT_TRUE(refused(ca.issue(long_lived), ca.certificate, kNow + 25 * kHour));  // the CA itself has expired
}

TEST(ClientChain, RefusesOtherKeyUsages) {
  const TestCa ca;
  CertificateRequest server = client_request(kAlice);
  server.use = CertificateUse::server;
  EXPECT_TRUE(refused(ca.issue(server), ca.certificate));
  CertificateRequest authority = client_request(kAlice);
  authority.use = CertificateUse::authority;
  EXPECT_TRUE(refused(ca.issue(authority), ca.certificate));
  EXPECT_TRUE(refused(ca.certificate, ca.certificate));
  const Certificate without =
      ca.issue_changed(client_request(kAlice), [](X509* x509) { remove_extension(x509, NID_ext_key_usage); });
  EXPECT_TRUE(refused(without, ca.certificate));
}

TEST(ClientChain, RefusesAnIntermediateBelowAPathLengthOfZero) {
  const TestCa ca;
  TestCa below;
  CertificateRequest request = client_request({});
  request.use = CertificateUse::authority;
  const auto intermediate =
      issue_certificate(request, below.key.public_key(), &ca.certificate, ca.key, system_random());
  ASSERT_TRUE(intermediate);
  below.certificate = *intermediate;
  const std::vector<Certificate> chain{below.issue(client_request(kAlice)), below.certificate};
  EXPECT_TRUE(refused(chain, ca.certificate));
  EXPECT_TRUE(refused(chain.front(), ca.certificate));
}

TEST(ClientChain, RefusesAClientActingAsCa) {
  const TestCa ca;
  const Certificate alice = ca.issue(client_request(kAlice));
  const SigningKey key = SigningKey::generate(system_random());
  const auto forged = issue_certificate(client_request({"coprotect:acme:admin:alice"}), key.public_key(),
                                        &alice, ca.client_key, system_random());
  ASSERT_TRUE(forged);
  const std::vector<Certificate> chain{*forged, alice};
  EXPECT_TRUE(refused(chain, ca.certificate));
}

TEST(ClientChain, RefusesAnAlteredCertificate) {
  const TestCa ca;
  Bytes der = ca.issue(client_request(kAlice)).der();
  const std::string_view text = text_of(der);
  der[text.find("alice")] = 'm';
  const auto altered = Certificate::parse_der(der);
  ASSERT_TRUE(altered);
  EXPECT_TRUE(refused(*altered, ca.certificate));
}

TEST(ClientChain, RefusesSha1Signatures) {
  const TestCa ca;
  const Certificate issued = ca.issue(client_request(kAlice));
  const Owned<X509, X509_free> x509(X509_dup(issued.x509()));
  ASSERT_GT(X509_sign(x509.get(), ca.key.evp(), EVP_sha1()), 0);
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(x509.get(), &der);
  const auto weak = Certificate::parse_der({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  ASSERT_TRUE(weak);
  EXPECT_TRUE(refused(*weak, ca.certificate));
}

}  // namespace
}  // namespace coprotect::protocol
