#pragma once

#include "client/agents.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/request.h"

namespace coprotect::provisioning {

// An agent of a key, asked by requests that an administrator signs. Replies are sealed to a key of their own
// and opened here.
class SignedLink {
 public:
  // `credentials` outlives the link.
  SignedLink(const protocol::Bundle& bundle, const protocol::Party& party,
             const client::Credentials& credentials, std::chrono::milliseconds deadline);

  // The plaintext of the reply. `endpoint` is the last part of /v1/keys/{key_id}/…; `reason` goes into the
  // agent's log. Errors name the agent.
  Result<Secret> ask(std::string_view endpoint, protocol::RequestBody body, std::string_view reason,
                     Random& random);

  const std::string& party() const { return party_; }
  const std::string& tenant() const { return tenant_; }
  client::AgentClient& connection() { return client_; }

 private:
  std::string tenant_;
  protocol::KeyId key_id_;
  std::uint32_t epoch_;
  std::string party_;
  protocol::PublicKeyBytes identity_key_;
  const client::Credentials& credentials_;
  client::AgentClient client_;
};

}  // namespace coprotect::provisioning
