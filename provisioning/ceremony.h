#pragma once

#include <functional>
#include <optional>
#include <span>

#include "protocol/bundle/bundle.h"
#include "protocol/dkg/dealer.h"
#include "provisioning/invited_agent.h"
#include "provisioning/new_recovery.h"

namespace coprotect::provisioning {

// The key to make.
struct KeyPlan {
  std::string tenant;
  protocol::Purpose purpose;
  protocol::SuiteId suite;
  protocol::Certificate client_ca;
  // The key of the kit's recovery administrator, who is the recovery party. Must outlive the ceremony.
  const protocol::SigningKey& recovery_administrator;
  const protocol::SigningKey& ca_key;  // certifies the company's parties; must outlive the ceremony
};

// The key generation of protocol/SPEC.md §5 in the default layout. The cloud's agent holds index 1, the
// company's index 2. This tool is the party `recovery`: it deals, and it seals the recovery key. Every dealer
// deals index 3 to that key through the agents. The tool relays every message and can read no other party's
// shares.
class Ceremony {
 public:
  // `agents` are the cloud's and the company's, in this order. They must outlive the ceremony.
  Ceremony(KeyPlan plan, std::span<InvitedAgent> agents, const Operator& person, Random& random);

  // Everything before the commit point. Afterwards both agents are PREPARED and hold the recovery blob, the
  // code that the operator retyped has opened the blob, and only the tool's signature is missing. On failure,
  // all reachable agents are told to abort.
  Status prepare();

  // The results of prepare().
  const protocol::PublicTranscript& transcript() const { return outcome_->transcript; }
  const protocol::RecoveryBlob& blob() const { return recovery_.blob(); }
  const protocol::RecoveryKey& recovery_key() const { return recovery_.recovery_key(); }
  // The contents of the blob, opened with the retyped code. Call it last.
  protocol::RecoveryBlob::Opened opened() && { return std::move(recovery_).opened(); }
  // The tool's signature, the last one. Anyone with the bundle can activate the key, so make everything that
  // is needed afterwards durable first.
  Result<protocol::Bundle> sign() const;

 private:
  Status open_at_both();
  Status commit();
  Status reveal();
  Status deal();
  Status let_agents_prepare();
  Status seal_recovery_key();
  Status reopen_recovery_key();
  Status store_recovery_key();
  void abort_at_both();

  // One message from each agent, followed by the tool's own.
  Result<std::vector<Bytes>> exchange(const std::function<Result<Bytes>(InvitedAgent&)>& ask, Bytes own);
  // The body of an agent's message after form, sender and signature were checked.
  Result<Bytes> checked_body(const Bytes& message, protocol::Round round, std::size_t sender) const;
  const protocol::Sid& sid() const { return dealer_->parameters().sid(); }

  KeyPlan plan_;
  std::span<InvitedAgent> agents_;
  const Operator& operator_;
  Random& random_;
  NewRecovery recovery_;
  std::vector<protocol::HandoverOffer> offers_;
  std::optional<protocol::Dealer> dealer_;
  std::vector<Bytes> commits_;
  std::vector<Bytes> reveals_;
  std::vector<Bytes> deals_;
  std::vector<Bytes> confirms_;
  std::optional<protocol::Dealer::Outcome> outcome_;
};

}  // namespace coprotect::provisioning
