#include "provisioning/credential.h"

#include <algorithm>

#include "protocol/x509/issue.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {

using protocol::CertificateUse;
using protocol::SigningKey;

namespace {

constexpr std::int64_t kRecoveryDays = 5 * 365;
constexpr std::int64_t kSessionMs = 60 * kMinuteMs;  // protocol::is_of_session() allows two hours

}  // namespace

std::int64_t client_ca_end_ms(std::int64_t now_ms) {
  return now_ms + 30 * 365 * kDayMs;
}

std::int64_t recovery_end_ms(const protocol::Certificate& ca, std::int64_t now_ms) {
  return std::min(now_ms + kRecoveryDays * kDayMs, ca.not_after_ms());
}

Result<Credential> new_client_ca(const std::string& tenant, std::int64_t now_ms, Random& random) {
  SigningKey key = SigningKey::generate(random);
  auto certificate = issue_certificate({.common_name = "coprotect " + tenant + " clients",
                                        .use = CertificateUse::authority,
                                        .uris = {},
                                        .hosts = {},
                                        .not_before_ms = now_ms - kBackdateMs,
                                        .not_after_ms = client_ca_end_ms(now_ms)},
                                       key.public_key(), nullptr, key, random);
  if (!certificate) return std::move(certificate).error().in("client CA");
  return Credential{std::move(key), std::move(*certificate)};
}

namespace {

Result<protocol::Certificate> issue_client(const std::vector<std::string>& uris, std::int64_t not_after_ms,
                                           const protocol::VerifyKey& subject,
                                           const protocol::Certificate& ca, const SigningKey& ca_key,
                                           std::int64_t now_ms, Random& random) {
  // X.520 limits a common name to 64 characters. The identity is in the URI, and no program reads the name.
  constexpr std::size_t kMaxCommonName = 64;
  auto certificate = issue_certificate({.common_name = uris.front().substr(0, kMaxCommonName),
                                        .use = CertificateUse::client,
                                        .uris = uris,
                                        .hosts = {},
                                        .not_before_ms = now_ms - kBackdateMs,
                                        .not_after_ms = not_after_ms},
                                       subject, &ca, ca_key, random);
  if (!certificate) return std::move(certificate).error().in("certificate of \"" + uris.front() + "\"");
  return certificate;
}

}  // namespace

Result<Credential> new_client(const std::vector<std::string>& uris, std::int64_t not_after_ms,
                              const protocol::Certificate& ca, const SigningKey& ca_key, std::int64_t now_ms,
                              Random& random) {
  SigningKey key = SigningKey::generate(random);
  auto certificate = issue_client(uris, not_after_ms, key.public_key(), ca, ca_key, now_ms, random);
  if (!certificate) return std::move(certificate).error();
  return Credential{std::move(key), std::move(*certificate)};
}

Result<Credential> new_session(const std::string& tenant, const protocol::Certificate& ca,
                               const SigningKey& ca_key, std::int64_t now_ms, Random& random) {
  return new_client({"coprotect:" + tenant + ":admin:coprotect-provision"}, now_ms + kSessionMs, ca, ca_key,
                    now_ms, random);
}

Result<protocol::Certificate> renewed_recovery(const protocol::Certificate& certificate,
                                               const protocol::Certificate& ca, const SigningKey& ca_key,
                                               std::int64_t now_ms, Random& random) {
  return issue_client(certificate.uris(), recovery_end_ms(ca, now_ms), certificate.key(), ca, ca_key, now_ms,
                      random);
}

}  // namespace coprotect::provisioning
