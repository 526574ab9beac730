#pragma once

#include "protocol/message/handover.h"
#include "provisioning/signed_link.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {

// An agent that holds shares of a key. Each call is one step of a handover (protocol/SPEC.md §13.6). Fault
// points are before and after every message.
class HolderAgent {
 public:
  // `credentials` must outlive it.
  HolderAgent(const protocol::Bundle& bundle, const protocol::Party& party,
              const client::Credentials& credentials, Random& random);

  const protocol::Party& party() const { return party_; }
  const std::string& name() const { return party_.name; }

  Result<protocol::HandoverStatus> status();
  // The newest epoch that it decided, according to its last status. 0 before the first status.
  std::uint32_t decided() const { return decided_; }
  Result<protocol::HandoverNotice> announce(const protocol::Announcement& announcement);
  Status veto(const protocol::HandoverNotice& notice);
  Result<protocol::HandoverOffer> offer();
  // The agent's encoded consent to the plan. Empty if it does not deal by it. Code::limited until its
  // operator has approved.
  Result<Bytes> consent(const protocol::DealRequest& request);
  // The encoded deals of those of the agent's shares that the plan names. May be empty.
  Result<std::vector<Bytes>> deal(const protocol::DealRequest& request);
  Result<protocol::Signature> prepare(const protocol::PrepareRequest& request);
  // Returns the acknowledgement.
  Result<protocol::Signature> activate(ByteView version);
  Status retire(const protocol::RetireRequest& request);
  // Returns the statement that it never confirms the plan.
  Result<protocol::Signature> abort(const protocol::AbortRequest& request);
  // The agent's copy of the tenant's list, encoded.
  Result<Bytes> list(const ListKind& kind);
  // The recovery blob; for a recovery administrator also the parts that belong to it (client/recovery.h).
  Result<std::pair<Bytes, Bytes>> recovery_share();

 private:
  Result<Bytes> ask(protocol::HandoverStep step, Bytes payload);
  Result<protocol::Signature> ask_signature(protocol::HandoverStep step, Bytes payload);

  protocol::Party party_;
  std::uint32_t decided_ = 0;
  Random& random_;
  SignedLink link_;
};

}  // namespace coprotect::provisioning
