#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "provisioning/handover/holder_agent.h"
#include "provisioning/invited_agent.h"
#include "provisioning/new_recovery.h"

namespace coprotect::provisioning {

// An agent of the next epoch: one that holds a share and stays, or one that joins by its invitation.
struct NewHolder {
  HolderAgent* holder = nullptr;
  InvitedAgent* invited = nullptr;
  const std::string& name() const { return holder != nullptr ? holder->name() : invited->party(); }
};

// The opened recovery share, as a dealer.
struct RecoveryDealer {
  std::uint8_t index;
  protocol::Scalar share;
};

// What a handover is to do. Everything that it refers to must outlive it.
struct HandoverOrder {
  std::uint8_t t;
  std::vector<NewHolder> agents;   // with indices 1, 2, …; the recovery share's index follows
  std::vector<NewHolder> dealers;  // agents that can deal, preferred first; only as many as needed deal
  std::optional<RecoveryDealer> recovery_dealer;  // if there are too few
  NewRecovery* new_recovery = nullptr;            // new recovery key and code; null: the old code stays
  Bytes blob;                                     // the kit's recovery blob, if it was opened
  // The client CA's key. It certifies agents of the company that join, and a new recovery party.
  const protocol::SigningKey* ca_key = nullptr;
  std::vector<std::string> our_agents = {};  // names of agents that join and are the company's own
  bool is_ours(const InvitedAgent& agent) const {
    return std::ranges::find(our_agents, agent.party()) != our_agents.end();
  }
  // How long the operators of dealing agents have to approve.
  std::chrono::seconds wait = std::chrono::hours(1);
};

// The tool's side of the handover of protocol/SPEC.md §13: who deals, who receives what, who confirms. The
// tool relays every message and can read no other party's shares.
class Handover {
 public:
  Handover(protocol::Bundle now, HandoverOrder order, const Operator& person, Random& random);

  // Everything before the commit point. Afterwards all parties have confirmed the next epoch. On failure, all
  // reachable parties are told to abort.
  Status prepare();
  // The result of prepare(): the key with its next epoch. Anyone who has it can activate the epoch.
  const protocol::Bundle& next() const { return *next_; }

 private:
  Status make_plan();
  Result<Bytes> blob_in_use();
  Result<std::uint32_t> choose_epoch();
  Status bring_forward(HolderAgent& agent, std::uint32_t epoch, HolderAgent& furthest);
  Status gather_consents();
  Status ask_for_consents(const std::vector<NewHolder>& agents, std::set<std::string>& told);
  Status deal();
  Status take_deals(HolderAgent& agent, const protocol::DealRequest& request);
  std::vector<std::uint8_t> indices_dealt_by(const HolderAgent& agent) const;
  std::string dealers_by_name() const;
  Status seal_recovery_key();
  Status let_all_prepare();
  void abort();

  Result<protocol::HandoverOffer> offer_of(const NewHolder& agent);
  Result<protocol::Party> party_of(const NewHolder& agent, const protocol::HandoverOffer& offer,
                                   std::uint8_t index) const;
  Result<protocol::Party> recovery_party(std::uint8_t index);
  std::vector<std::uint8_t> choose_dealers() const;
  // The agents that must know the plan: those that deal, and present holders that get a share.
  std::vector<NewHolder> asked() const;
  const Bytes& next_blob() const {
    return order_.new_recovery != nullptr ? order_.new_recovery->blob().encoded() : blob_;
  }
  void keep_joiners_waiting();
  Result<protocol::Signature> prepare_at(const NewHolder& agent);

  protocol::Bundle now_;
  HandoverOrder order_;
  const Operator& operator_;
  Random& random_;
  Bytes blob_;                                   // empty if there is no recovery party
  std::vector<protocol::HandoverOffer> offers_;  // of order_.agents
  std::optional<protocol::HandoverPlan> plan_;
  std::vector<Bytes> consents_;  // of all agents that deal
  Bytes recovery_proof_;         // for the recovery share, if it deals
  std::vector<protocol::Deal> deals_;
  Bytes possession_;
  std::optional<protocol::Bundle> next_;
};

}  // namespace coprotect::provisioning
