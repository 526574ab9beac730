#pragma once

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <functional>

#include "protocol/x509/issue.h"

// Certificates for tests: valid ones, and ones that issue_certificate() would not make.
namespace coprotect::protocol {

constexpr std::int64_t kNow = 1'800'000'000'000;
constexpr std::int64_t kHour = 3'600'000;

inline CertificateRequest client_request(std::vector<std::string> uris) {
  return {.common_name = "a client",
          .use = CertificateUse::client,
          .uris = std::move(uris),
          .hosts = {},
          .not_before_ms = kNow - kHour,
          .not_after_ms = kNow + kHour};
}

struct TestCa {
  explicit TestCa(const std::string& name = "acme clients")
      : key(SigningKey::generate(system_random())),
        certificate(*issue_certificate({.common_name = name,
                                        .use = CertificateUse::authority,
                                        .uris = {},
                                        .hosts = {},
                                        .not_before_ms = kNow - 24 * kHour,
                                        .not_after_ms = kNow + 24 * kHour},
                                       key.public_key(), nullptr, key, system_random())) {}

  Certificate issue(const CertificateRequest& request) const {
    return *issue_certificate(request, client_key.public_key(), &certificate, key, system_random());
  }
  // Like issue(), but changed and then signed again.
  Certificate issue_changed(const CertificateRequest& request,
                            const std::function<void(X509*)>& change) const {
    const Certificate issued = issue(request);
    const Owned<X509, X509_free> x509(X509_dup(issued.x509()));
    change(x509.get());
    EXPECT_GT(X509_sign(x509.get(), key.evp(), EVP_sha256()), 0);
    std::uint8_t* der = nullptr;
    const int size = i2d_X509(x509.get(), &der);
    auto certificate_read = Certificate::parse_der({der, static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return *std::move(certificate_read);
  }

  SigningKey key;
  SigningKey client_key = SigningKey::generate(system_random());
  Certificate certificate;
};

inline void remove_extension(X509* x509, int nid) {
  X509_EXTENSION_free(X509_delete_ext(x509, X509_get_ext_by_NID(x509, nid, -1)));
}

}  // namespace coprotect::protocol
