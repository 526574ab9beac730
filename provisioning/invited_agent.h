#pragma once

#include <memory>

#include "client/agent_client.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/handover.h"
#include "protocol/message/onboarding.h"

namespace coprotect::provisioning {

// An agent that the tool reaches through its operator's invitation. Each call is one of the ceremony
// endpoints of agent/API.md. Fault points are before and after every message.
class InvitedAgent {
 public:
  explicit InvitedAgent(protocol::Invitation invitation);

  const protocol::Invitation& invitation() const { return *invitation_; }
  const std::string& party() const { return invitation_->role; }

  Result<protocol::StatusMessage> status(Random& random);
  Status abort(const protocol::Sid& sid, Random& random);
  // What a ceremony is to make. It is part of the request for an offer.
  struct Purpose {
    const std::string& tenant;
    protocol::Purpose purpose;
    protocol::SuiteId suite;
    protocol::KeyId key_id = {};  // in a handover; zeros: a key generation
    Digest newest_hash = {};      // that the handover follows; zeros likewise
  };
  // Asks for a new ceremony. Code::unauthenticated unless the offer's MAC proves that it comes from the maker
  // of the invitation, and its signature that the invited agent made it.
  Result<protocol::HandoverOffer> open(const Purpose& purpose, Random& random);
  // Rounds 1 to 4. Takes the input of the round, and returns the agent's message.
  Result<Bytes> commit(const protocol::Parameters& parameters);
  Result<Bytes> reveal(const protocol::Sid& sid, const std::vector<Bytes>& commits);
  Result<Bytes> deal(const protocol::Sid& sid, const std::vector<Bytes>& reveals);
  Result<Bytes> prepare(const protocol::Sid& sid, const std::vector<Bytes>& deals);
  // Round 5.
  Result<Bytes> store_blob(const protocol::StoreBlobMessage& blob);
  Status activate(const protocol::Sid& sid, ByteView bundle);

  // A handover in which the agent gets its first share of a key. The results are: its confirmation, the same
  // again, its acknowledgement, and the statement that it never confirms.
  Result<protocol::Signature> join(const protocol::Sid& sid, const protocol::JoinMessage& message);
  Result<protocol::Signature> confirm_again(const protocol::Sid& sid);
  Result<protocol::Signature> activate_handed_over(const protocol::Bundle& bundle);
  Result<protocol::Signature> abort_handover(const protocol::HandoverPlan& plan);

 private:
  Result<protocol::Signature> signature(const Result<Bytes>& answer) const;
  Result<Bytes> post(const std::string& path, std::string_view what, ByteView body);
  Result<Bytes> round(const protocol::Sid& sid, std::string_view name, const std::vector<Bytes>& messages);

  // On the heap because the link refers to the invitation's key.
  std::unique_ptr<protocol::Invitation> invitation_;
  client::AgentClient link_;
};

}  // namespace coprotect::provisioning
