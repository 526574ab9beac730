#pragma once

#include "client/agents.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/request.h"

namespace coprotect::provisioning {

// A connection to an agent of a key, for requests that an administrator signs. Opens the replies and checks
// their signatures.
class SignedLink {
 public:
  // `credentials` must outlive the link.
  SignedLink(const protocol::Bundle& bundle, const protocol::Party& party,
             const client::Credentials& credentials, std::chrono::milliseconds deadline);

  // The agent's answer, with the errors of client::ask() (client/signed_call.h).
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
