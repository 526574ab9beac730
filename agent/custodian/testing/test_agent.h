#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "agent/custodian/custodian.h"
#include "hsm/log_cut_request.h"
#include "hsm/token.h"

namespace coprotect::agent::custodian::testing {

// A clock that a test sets.
struct Clock {
  std::atomic<std::int64_t> now_ms{system_clock_ms()};
  // How far the wall clock was set forward: agents did not run for that time.
  std::atomic<std::int64_t> set_forward_ms{0};
  void set_forward(std::int64_t ms) {
    set_forward_ms += ms;
    now_ms += ms;
  }
};

// The data of an invitation's holder.
struct HeldInvitation {
  protocol::InvitationId id;
  Secret secret;
  Bytes certificate;  // DER
};

class TestAgent;
// The agent as a ceremony's parameters name it, after its offer. The company's client CA certifies the
// company's agents.
protocol::Party party_of(const TestAgent& agent, std::uint8_t index, const protocol::HandoverOffer& offer,
                         const protocol::SigningKey& ca);
// An agent of a separate organisation, which parameters can name.
protocol::Party stranger(const std::string& name, std::uint8_t index, std::int64_t now_ms);
// The provider whose agents are "cloud" and "cloud-…".
const protocol::SigningKey& provider_key();

// An agent without a front: tests make the calls directly. Its share is in a real token, and uses of it are
// counted.
class TestAgent {
 public:
  // Makes the agent's folder, keyring and identity.
  TestAgent(const std::filesystem::path& folder, std::string role, hsm::TokenConfig token,
            std::shared_ptr<Clock> clock);
  // A copy of a closed agent: a copy of its folder, with the same token.
  TestAgent(const TestAgent& original, const std::filesystem::path& folder);

  // Opens as the program does at start; again after close().
  Status try_open();
  void open();
  void close() { custodian_.reset(); }
  // Looked at from outside, as `coprotect-agent check` does.
  Result<std::unique_ptr<Custodian>> inspect() const;
  Custodian& custodian() { return *custodian_; }

  // Makes a call under the TLS certificate `peer` (DER). `carry` passes a chained request on; without it no
  // other agent is reachable.
  Result<Bytes> call(ipc::Route route, const std::string& subject, ByteView peer, Bytes body);
  HeldInvitation invite(std::int64_t valid_ms, const std::string& tenant = {});
  // The operator's approval of a plan, on the agent's host.
  void approve(const protocol::HandoverPlan& plan, std::int64_t valid_ms = 24 * 3600 * 1000) const;
  void withdraw(const protocol::HandoverPlan& plan) const;
  std::vector<protocol::PendingPlan> pending() const;
  // The operator's hold or release of a destroyed key's erasure.
  void hold_erasure(const protocol::KeyId& key_id, bool held = true) const;
  // The operator's request to cut the beginning of the log, which is archived.
  void request_cut(const hsm::LogCutRequest& request) const;
  // The entry that the operator found in a backup to replace a damaged one.
  void leave_entry(std::uint64_t seq, const Bytes& entry) const;
  // The identity key, as a thief of it could use it.
  protocol::SigningKey stolen_identity() const;

  const std::string& role() const { return role_; }
  std::string url() const { return "https://" + role_ + ".example:8443"; }
  const protocol::Certificate& identity_certificate() const { return *identity_certificate_; }
  const protocol::VerifyKey& identity_key() const { return identity_certificate_->key(); }
  // Its organisation's certificate, or the company's with its CA.
  protocol::OrganisationCertificate certified(const protocol::SigningKey& ca) const;
  // Its TLS certificate towards other agents, DER.
  const Bytes& tls_certificate() const { return tls_certificate_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path state() const { return hsm::state_of(folder_); }
  const hsm::TokenConfig& token() const { return token_; }
  std::filesystem::path store() const { return state() / "store.db"; }
  std::int64_t now_ms() const { return clock_->now_ms; }
  // How often a share was used.
  int computed() const { return *computed_; }
  // To be changed before open().
  // Agents named cloud… are one provider's; the others are their company's.
  std::optional<protocol::OrganisationCertificate> organisation;
  RequestCaps requests;
  bool allow_recover = true;
  bool allow_sole_holder = false;
  std::uint8_t agents_of_new_keys = 2;
  std::int64_t handover_delay_ms = 24 * 3600 * 1000;
  bool announced = true;  // HandoverPolicy::announced
  std::function<void(const Notification&)> notify;
  // Whether the notification command ends with status 0. May be changed at any time.
  std::shared_ptr<std::atomic<bool>> notifies = std::make_shared<std::atomic<bool>>(true);
  std::chrono::milliseconds destroy_wait = std::chrono::days(30);
  std::optional<DerivePolicy> derive = DerivePolicy{.tenants = {"acme"}};
  // The caller that waits for the answer; null: one that never leaves.
  const Interest* caller = nullptr;
  // Called when a share is about to be used.
  std::shared_ptr<std::function<void()>> on_use = std::make_shared<std::function<void()>>();
  // Takes a chain's message to its next party.
  std::function<Result<Bytes>(const Chain&)> carry;

 private:
  Settings settings() const;
  hsm::Keyring keyring() const;
  std::function<std::future<bool>(const Notification&)> notifying() const;

  std::filesystem::path folder_;
  std::string role_;
  hsm::TokenConfig token_;
  std::shared_ptr<Clock> clock_;
  std::optional<protocol::Certificate> identity_certificate_;
  mutable std::map<protocol::PublicKeyBytes, protocol::OrganisationCertificate> certified_;  // by its CA
  Bytes tls_certificate_;
  std::shared_ptr<std::atomic<int>> computed_ = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<Custodian> custodian_;
};

}  // namespace coprotect::agent::custodian::testing
