#include "agent/custodian/testing/company.h"

#include "protocol/base/random.h"
#include "protocol/base/test_must.h"

namespace coprotect::agent::custodian::testing {

using protocol::Certificate;
using protocol::CertificateUse;
using protocol::SigningKey;

Certificate issue(const std::string& name, CertificateUse use, std::vector<std::string> uris,
                  const protocol::VerifyKey& subject, const Certificate* issuer, const SigningKey& issuer_key,
                  std::int64_t from_ms, std::int64_t to_ms) {
  const protocol::CertificateRequest request{.common_name = name,
                                             .use = use,
                                             .uris = std::move(uris),
                                             .hosts = {},
                                             .not_before_ms = from_ms,
                                             .not_after_ms = to_ms};
  return must(protocol::issue_certificate(request, subject, issuer, issuer_key, system_random()));
}

SigningKey recovery_identity(const TestClient* rescuer) {
  return rescuer == nullptr ? SigningKey::generate(system_random())
                            : must(SigningKey::from_scalar(rescuer->key.scalar().reveal()));
}

Company::Company(std::string tenant, std::int64_t now_ms)
    : tenant_(std::move(tenant)),
      now_ms_(now_ms),
      ca_key_(std::make_shared<const SigningKey>(SigningKey::generate(system_random()))),
      ca_(issue(tenant_ + " clients", CertificateUse::authority, {}, ca_key_->public_key(), nullptr, *ca_key_,
                now_ms - kHourMs, now_ms + 10'000 * kHourMs)) {}

TestClient Company::certify(const std::string& uri, const Enrolment& enrolment) const {
  SigningKey key = SigningKey::generate(system_random());
  std::vector<std::string> uris = enrolment.groups;
  uris.insert(uris.begin(), uri);
  Certificate certificate = issue("client", enrolment.use, std::move(uris), key.public_key(), &ca_, *ca_key_,
                                  now_ms_ + enrolment.not_before_ms, now_ms_ + enrolment.not_after_ms);
  return {uri, std::move(key), std::move(certificate), ca_key_};
}

TestClient Company::certify(const std::string& uri, const SigningKey& key) const {
  Certificate certificate = issue("client", CertificateUse::client, {uri}, key.public_key(), &ca_, *ca_key_,
                                  now_ms_ - kHourMs, now_ms_ + 72 * kHourMs);
  return {uri, must(SigningKey::from_scalar(key.scalar().reveal())), std::move(certificate), ca_key_};
}

TestClient Company::enrol(const std::string& role, const std::string& name, const Enrolment& enrolment) {
  TestClient client = certify("coprotect:" + tenant_ + ":" + role + ":" + name, enrolment);
  clients_.emplace(client.certificate.key_hash(), client.uri);
  return client;
}

Bytes Company::list(std::uint64_t serial) const {
  const protocol::ClientList list{
      .tenant = tenant_, .serial = serial, .time_ms = now_ms_, .clients = clients_};
  return list.sign(*ca_key_);
}

}  // namespace coprotect::agent::custodian::testing
