#pragma once

#include "client/agents.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/request.h"

namespace coprotect::provisioning {

// An agent of a key, asked by requests that an administrator signs. Replies are opened here, and their
// signatures checked.
class SignedLink {
 public:
  // `credentials` outlives the link.
  SignedLink(const protocol::Bundle& bundle, const protocol::Party& party,
             const client::Credentials& credentials, std::chrono::milliseconds deadline);

  // What the agent answers, as client::ask() says (client/signed_call.h).
  Result<Secret> ask(std::string_view endpoint, protocol::RequestBody body, std::string_view reason,
                     Random& random);

  const std::string& party() const { return party_.name; }
  std::string tenant() const { return bundle_.tenant(); }
  client::AgentClient& connection() { return client_; }

 private:
  protocol::Bundle bundle_;
  protocol::Party party_;
  const client::Credentials& credentials_;
  client::AgentClient client_;
};

}  // namespace coprotect::provisioning
