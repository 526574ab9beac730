#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/dkg/organisation.h"
#include "protocol/message/client_list.h"
#include "protocol/x509/issue.h"

namespace coprotect::agent::custodian::testing {

constexpr std::int64_t kHourMs = 60 * 60 * 1000;

struct TestClient {
  std::string uri;
  protocol::SigningKey key;
  protocol::Certificate certificate;
  // The company's organisation key, for making plans in its name.
  std::shared_ptr<const protocol::SigningKey> ca_key;
};

struct Enrolment {
  std::vector<std::string> groups = {};
  protocol::CertificateUse use = protocol::CertificateUse::client;
  std::int64_t not_before_ms = -kHourMs;  // both relative to the company's time
  std::int64_t not_after_ms = 72 * kHourMs;
};

// The recovery party's signing key: that of this recovery administrator, or a key that nobody holds.
protocol::SigningKey recovery_identity(const TestClient* rescuer);

// A tenant: its CA and the enrolled clients.
class Company {
 public:
  Company(std::string tenant, std::int64_t now_ms);

  // A certificate of this CA for any URI; not yet on the list.
  TestClient certify(const std::string& uri, const Enrolment& enrolment = {}) const;
  // The same for an existing key.
  TestClient certify(const std::string& uri, const protocol::SigningKey& key) const;
  // "coprotect:TENANT:ROLE:NAME", certified and added to the list.
  TestClient enrol(const std::string& role, const std::string& name, const Enrolment& enrolment = {});
  void enrol(const TestClient& client) {
    clients_.insert_or_assign(client.certificate.key_hash(), client.uri);
  }
  void remove(const TestClient& client) { clients_.erase(client.certificate.key_hash()); }
  // The current list, with the next serial number.
  Bytes next_list() { return list(++serial_); }
  Bytes list(std::uint64_t serial) const;

  const std::string& tenant() const { return tenant_; }
  const protocol::Certificate& ca() const { return ca_; }
  const protocol::SigningKey& ca_key() const { return *ca_key_; }

 private:
  std::string tenant_;
  std::int64_t now_ms_;
  std::shared_ptr<const protocol::SigningKey> ca_key_;
  protocol::Certificate ca_;
  std::map<Digest, std::string> clients_;
  std::uint64_t serial_ = 0;
};

// A certificate made by some party's own CA.
protocol::Certificate issue(const std::string& name, protocol::CertificateUse use,
                            std::vector<std::string> uris, const protocol::VerifyKey& subject,
                            const protocol::Certificate* issuer, const protocol::SigningKey& issuer_key,
                            std::int64_t from_ms, std::int64_t to_ms);

}  // namespace coprotect::agent::custodian::testing
