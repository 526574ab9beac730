#pragma once

#include <atomic>
#include <map>
#include <memory>

#include "agent/custodian/custodian.h"
#include "hsm/log_cut_request.h"
#include "hsm/token.h"

namespace coprotect::agent::custodian::testing {

// A time that a test sets.
struct Clock {
  std::atomic<std::int64_t> now_ms{system_clock_ms()};
  // How far somebody set the wall clock forward: agents did not run for that time.
  std::atomic<std::int64_t> set_forward_ms{0};
  void set_forward(std::int64_t ms) {
    set_forward_ms += ms;
    now_ms += ms;
  }
};

// What the holder of an invitation holds.
struct HeldInvitation {
  protocol::InvitationId id;
  Secret secret;
  Bytes certificate;  // DER
};

class TestAgent;
// The agent as a ceremony's parameters name it, after its offer; an agent of the company's is certified with
// its client CA.
protocol::Party party_of(const TestAgent& agent, std::uint8_t index, const protocol::HandoverOffer& offer,
                         const protocol::SigningKey& ca);
// An agent of nobody's here, of an organisation of its own: parameters can name it.
protocol::Party stranger(const std::string& name, std::uint8_t index, std::int64_t now_ms);
// The provider whose agents are "cloud" and "cloud-…".
const protocol::SigningKey& provider_key();

// An agent without its front: the calls are made here. Its share is in a real token; uses of it are counted.
class TestAgent {
 public:
  // Makes the agent's folder, keyring and identity.
  TestAgent(const std::filesystem::path& folder, std::string role, hsm::TokenConfig token,
            std::shared_ptr<Clock> clock);
  // A second life of an agent that is closed now: a copy of its folder, with its token.
  TestAgent(const TestAgent& original, const std::filesystem::path& folder);

  // As the program does at its start; again after close().
  Status try_open();
  void open();
  void close() { custodian_.reset(); }
  // Looked at from outside, as `coprotect-agent check` does.
  Result<std::unique_ptr<Custodian>> inspect() const;
  Custodian& custodian() { return *custodian_; }

  // Answered under the TLS certificate `peer` (DER). A chained request goes on through `carry`; without it
  // nobody else can be reached.
  Result<Bytes> call(ipc::Route route, const std::string& subject, ByteView peer, Bytes body);
  HeldInvitation invite(std::int64_t valid_ms, const std::string& tenant = {});
  // What the agent's operator says of a plan, on the agent's host.
  void approve(const protocol::HandoverPlan& plan, std::int64_t valid_ms = 24 * 3600 * 1000) const;
  void withdraw(const protocol::HandoverPlan& plan) const;
  std::vector<protocol::PendingPlan> pending() const;
  // What he says of the erasure of a destroyed key.
  void hold_erasure(const protocol::KeyId& key_id, bool held = true) const;
  // That he has an archive of the beginning of its log.
  void request_cut(const hsm::LogCutRequest& request) const;
  // What he found in a backup for an entry that rotted.
  void leave_entry(std::uint64_t seq, const Bytes& entry) const;
  // What somebody who stole it can sign with.
  protocol::SigningKey stolen_identity() const;

  const std::string& role() const { return role_; }
  std::string url() const { return "https://" + role_ + ".example:8443"; }
  const protocol::Certificate& identity_certificate() const { return *identity_certificate_; }
  const protocol::VerifyKey& identity_key() const { return identity_certificate_->key(); }
  // Its organisation's certificate, or the company's with its CA.
  protocol::OrganisationCertificate certified(const protocol::SigningKey& ca) const;
  // What it shows to other agents in TLS, DER.
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
  // Whether the command that calls it ends with status 0. May be changed at any time.
  std::shared_ptr<std::atomic<bool>> notifies = std::make_shared<std::atomic<bool>>(true);
  std::chrono::milliseconds destroy_wait = std::chrono::days(30);
  std::optional<DerivePolicy> derive = DerivePolicy{.tenants = {"acme"}};
  // Who waits for what is answered; somebody who stays, if it is null.
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
