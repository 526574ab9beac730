#pragma once

#include <memory>

#include "client/agent_client.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/handover.h"
#include "protocol/message/onboarding.h"

namespace coprotect::provisioning {

// An agent as its operator's invitation admits the tool to it: the ceremony's endpoints of agent/API.md, each
// a call. A fault point stands before and after every message.
class InvitedAgent {
 public:
  explicit InvitedAgent(protocol::Invitation invitation);

  const protocol::Invitation& invitation() const { return *invitation_; }
  const std::string& party() const { return invitation_->role; }

  Result<protocol::StatusMessage> status(Random& random);
  Status abort(const protocol::Sid& sid, Random& random);
  // What a ceremony is to make, as the agent is asked for its offer.
  struct Purpose {
    const std::string& tenant;
    protocol::Purpose purpose;
    protocol::SuiteId suite;
    protocol::KeyId key_id = {};  // of a handover; zeros: a key generation
    Digest newest_hash = {};      // that the handover follows; zeros likewise
  };
  // Asks for a new ceremony. Code::unauthenticated unless the offer's MAC shows that it comes from whoever
  // made the invitation, and its signature that it is the invited agent's.
  Result<protocol::HandoverOffer> open(const Purpose& purpose, Random& random);
  // Rounds 1 to 4: what the round begins with goes in, the agent's message comes out.
  Result<Bytes> commit(const protocol::Parameters& parameters);
  Result<Bytes> reveal(const protocol::Sid& sid, const std::vector<Bytes>& commits);
  Result<Bytes> deal(const protocol::Sid& sid, const std::vector<Bytes>& reveals);
  Result<Bytes> prepare(const protocol::Sid& sid, const std::vector<Bytes>& deals);
  // Round 5.
  Result<Bytes> store_blob(const protocol::StoreBlobMessage& blob);
  Status activate(const protocol::Sid& sid, ByteView bundle);

  // A handover in which the agent gets its first share of a key. The answers are its confirmation, the same
  // again, its acknowledgement, and that it never confirms.
  Result<protocol::Signature> join(const protocol::Sid& sid, const protocol::JoinMessage& message);
  Result<protocol::Signature> confirm_again(const protocol::Sid& sid);
  Result<protocol::Signature> activate_handed_over(const protocol::Bundle& bundle);
  Result<protocol::Signature> abort_handover(const protocol::HandoverPlan& plan);

 private:
  Result<protocol::Signature> signature(const Result<Bytes>& answer) const;
  Result<Bytes> post(const std::string& path, std::string_view what, ByteView body);
  Result<Bytes> round(const protocol::Sid& sid, std::string_view name, const std::vector<Bytes>& messages);

  // On the heap: the link refers to the invitation's key.
  std::unique_ptr<protocol::Invitation> invitation_;
  client::AgentClient link_;
};

}  // namespace coprotect::provisioning
