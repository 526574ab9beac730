#pragma once

#include <functional>
#include <optional>
#include <span>

#include "protocol/bundle/bundle.h"
#include "protocol/dkg/dealer.h"
#include "provisioning/invited_agent.h"
#include "provisioning/new_recovery.h"

namespace coprotect::provisioning {

// What is to be made.
struct KeyPlan {
  std::string tenant;
  protocol::Purpose purpose;
  protocol::SuiteId suite;
  protocol::Certificate client_ca;
  // Of the kit's recovery administrator, who is the recovery party. Outlives the ceremony.
  const protocol::SigningKey& recovery_administrator;
  const protocol::SigningKey& ca_key;  // certifies the company's parties; outlives the ceremony
};

// The key generation of protocol/SPEC.md §5 in the default layout: the cloud's agent holds index 1, the
// company's index 2, and this tool, as the party `recovery`, deals and seals the recovery key, to which
// everybody deals index 3 by way of the agents. The tool relays every message and can read none of the
// others' shares.
class Ceremony {
 public:
  // `agents` are the cloud's and the company's, in this order, and outlive the ceremony.
  Ceremony(KeyPlan plan, std::span<InvitedAgent> agents, const Operator& person, Random& random);

  // Everything before the commit point: afterwards both agents are PREPARED and hold the recovery blob, the
  // blob was opened again with what the operator retyped, and nothing but the tool's signature is missing. On
  // failure both agents are told to abort, as far as they can be reached.
  Status prepare();

  // What prepare() made.
  const protocol::PublicTranscript& transcript() const { return outcome_->transcript; }
  const protocol::RecoveryBlob& blob() const { return recovery_.blob(); }
  const protocol::RecoveryKey& recovery_key() const { return recovery_.recovery_key(); }
  // What the retyped code got out of the blob. The last thing that is asked of it.
  protocol::RecoveryBlob::Opened opened() && { return std::move(recovery_).opened(); }
  // The tool's signature, the last one. Whoever has the bundle can activate the key: make all that is needed
  // afterwards durable first.
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

  // One message from each agent, and the tool's own after them.
  Result<std::vector<Bytes>> exchange(const std::function<Result<Bytes>(InvitedAgent&)>& ask, Bytes own);
  // The body of an agent's message, once form, sender and signature hold.
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
