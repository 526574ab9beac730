#include "protocol/x509/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "protocol/crypto/hash.h"
#include "protocol/x509/test_ca.h"

namespace coprotect::protocol {
namespace {

Bytes der_of(X509* x509) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(x509, &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

// A self-signed certificate with any kind of key.
Bytes self_signed(EVP_PKEY* key, const EVP_MD* digest) {
  const Owned<X509, X509_free> x509(X509_new());
  X509_set_version(x509.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
  X509_set_pubkey(x509.get(), key);
  EXPECT_GT(X509_sign(x509.get(), key, digest), 0);
  return der_of(x509.get());
}

TEST(Certificate, KeepsWhatWasIssued) {
  const TestCa ca;
  const Certificate issued =
      ca.issue(client_request({"coprotect:acme:user:alice", "coprotect:acme:group:staff"}));
  const auto read = Certificate::parse_pem(bytes_of(issued.pem()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->der(), issued.der());
  EXPECT_EQ(read->key(), ca.client_key.public_key());
  EXPECT_EQ(read->uris(),
            (std::vector<std::string>{"coprotect:acme:user:alice", "coprotect:acme:group:staff"}));
  EXPECT_EQ(read->not_after_ms(), kNow + kHour);

  std::uint8_t* info = nullptr;
  const int size = i2d_PUBKEY(ca.client_key.evp(), &info);
  EXPECT_EQ(read->key_hash(), sha256({info, static_cast<std::size_t>(size)}));
  OPENSSL_free(info);

  Certificate copy = ca.certificate;
  copy = *read;
  EXPECT_EQ(copy.der(), issued.der());
  EXPECT_NE(copy.der(), ca.certificate.der());
}

TEST(Certificate, RefusesWhatIsNotOneWholeDerCertificate) {
  const TestCa ca;
  Bytes der = ca.certificate.der();
  for (std::size_t size = 0; size < der.size(); ++size)
    EXPECT_FALSE(Certificate::parse_der(ByteView(der).first(size))) << size;
  der.push_back(0);
  EXPECT_FALSE(Certificate::parse_der(der));
  EXPECT_FALSE(Certificate::parse_der(Bytes(70'000)));
  EXPECT_FALSE(Certificate::parse_pem({}));
  EXPECT_FALSE(
      Certificate::parse_pem(bytes_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")));
}

TEST(Certificate, RefusesBer) {
  // The outer length has one byte more than it needs.
  const TestCa ca;
  const Bytes& der = ca.certificate.der();
  ASSERT_EQ(der[1], 0x82);
  Bytes ber{der[0], 0x83, 0x00};
  ber.insert(ber.end(), der.begin() + 2, der.end());
  const auto read = Certificate::parse_der(ber);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::malformed);
}

TEST(Certificate, RefusesOtherKeys) {
  const Owned<EVP_PKEY, EVP_PKEY_free> p384(EVP_EC_gen("P-384"));
  const Owned<EVP_PKEY, EVP_PKEY_free> ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Owned<EVP_PKEY, EVP_PKEY_free> rsa(EVP_RSA_gen(2048));
  const Owned<EVP_PKEY, EVP_PKEY_free> p256(EVP_EC_gen("P-256"));
  EXPECT_TRUE(Certificate::parse_der(self_signed(p256.get(), EVP_sha256())));
  EXPECT_FALSE(Certificate::parse_der(self_signed(p384.get(), EVP_sha256())));
  EXPECT_FALSE(Certificate::parse_der(self_signed(ed25519.get(), nullptr)));
  EXPECT_FALSE(Certificate::parse_der(self_signed(rsa.get(), EVP_sha256())));
  // The same curve, spelled out, and a compressed point. One key must have one hash.
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(p256.get(), "point-format", "compressed"), 1);
  EXPECT_FALSE(Certificate::parse_der(self_signed(p256.get(), EVP_sha256())));
  const Owned<EVP_PKEY, EVP_PKEY_free> spelled(EVP_EC_gen("P-256"));
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(spelled.get(), "encoding", "explicit"), 1);
  EXPECT_FALSE(Certificate::parse_der(self_signed(spelled.get(), EVP_sha256())));
}

TEST(Certificate, RefusesTwoAlternativeNameExtensions) {
  const TestCa ca;
  const Certificate issued = ca.issue(client_request({"coprotect:acme:user:alice"}));
  const Owned<X509, X509_free> x509(X509_dup(issued.x509()));
  const int at = X509_get_ext_by_NID(x509.get(), NID_subject_alt_name, -1);
  ASSERT_EQ(X509_add_ext(x509.get(), X509_get_ext(x509.get(), at), -1), 1);
  ASSERT_GT(X509_sign(x509.get(), ca.key.evp(), EVP_sha256()), 0);
  EXPECT_FALSE(Certificate::parse_der(der_of(x509.get())));
}

TEST(Issue, RefusesWhatCannotBeEncoded) {
  const TestCa ca;
  const auto refused = [&](const CertificateRequest& request) {
    const auto issued =
        issue_certificate(request, ca.client_key.public_key(), &ca.certificate, ca.key, system_random());
    return !issued && issued.error().code() == Code::malformed;
  };
  for (const std::string& name : {std::string(), std::string(65, 'a'), std::string("a\0b", 3),
                                  std::string("\xff"), std::string("two\nlines")}) {
    CertificateRequest request = client_request({});
    request.common_name = name;
    EXPECT_TRUE(refused(request)) << name;
  }
  for (const std::string& uri : {std::string(), std::string(256, 'a'), std::string("a\0b", 3),
                                 std::string("a b"), std::string("\xc3\xa4")})
    EXPECT_TRUE(refused(client_request({uri}))) << uri;
  CertificateRequest server = client_request({});
  server.hosts = {"host/path"};
  EXPECT_TRUE(refused(server));
  CertificateRequest late = client_request({});
  late.not_after_ms = INT64_MAX;
  EXPECT_TRUE(refused(late));
  CertificateRequest backwards = client_request({});
  std::swap(backwards.not_before_ms, backwards.not_after_ms);
  EXPECT_TRUE(refused(backwards));
}

TEST(Issue, RefusesAKeyThatIsNotTheIssuers) {
  const TestCa ca;
  EXPECT_FALSE(issue_certificate(client_request({}), ca.client_key.public_key(), &ca.certificate,
                                 ca.client_key, system_random()));
  EXPECT_FALSE(
      issue_certificate(client_request({}), ca.client_key.public_key(), nullptr, ca.key, system_random()));
}

TEST(Issue, NamesHostsAndAddressesOfServers) {
  const TestCa ca;
  CertificateRequest request = client_request({});
  request.use = CertificateUse::server;
  request.hosts = {"agent.example", "127.0.0.1", "::1"};
  const Certificate server = ca.issue(request);
  EXPECT_EQ(X509_check_host(server.x509(), "agent.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(server.x509(), "other.example", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(server.x509(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(server.x509(), "::1", 0), 1);
  EXPECT_EQ(X509_check_purpose(server.x509(), X509_PURPOSE_SSL_SERVER, 0), 1);
  EXPECT_EQ(X509_check_purpose(server.x509(), X509_PURPOSE_SSL_CLIENT, 0), 0);
}

TEST(Issue, LetsAnAgentServeAndAsk) {
  const TestCa ca;
  CertificateRequest request = client_request({});
  request.use = CertificateUse::agent;
  request.hosts = {"agent.example"};
  const Certificate agent = ca.issue(request);
  EXPECT_EQ(X509_check_purpose(agent.x509(), X509_PURPOSE_SSL_SERVER, 0), 1);
  EXPECT_EQ(X509_check_purpose(agent.x509(), X509_PURPOSE_SSL_CLIENT, 0), 1);
  EXPECT_EQ(X509_check_ca(agent.x509()), 0);
}

}  // namespace
}  // namespace coprotect::protocol
