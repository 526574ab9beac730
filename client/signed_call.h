#pragma once

#include <string_view>

#include "client/agents.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/reply.h"

namespace coprotect::client {

// What is asked of one agent.
struct Question {
  std::string_view endpoint;  // the last part of /v1/keys/{key_id}/…
  protocol::RequestBody body;
  std::string_view reason;  // goes into the agent's log
};

// Signs a request about the bundle's key, sends it to this party alone and opens what it answers. Errors name
// the agent. The agent's own code if it refuses; Code::bad_proof if what came back is not this agent's reply
// to this request; Code::unavailable if it could not be asked, which is all that an answer says that the
// agent did not sign. `sent`, if there is one, gets the hash of the request, by which the agent's log names
// it.
Result<Secret> ask(AgentClient& agent, const protocol::Bundle& bundle, const protocol::Party& party,
                   const Credentials& credentials, Question question, Random& random, Digest* sent = nullptr);

// The error behind a refusal that the party signed: `cloud agent "host:port": denied: … (request 7f3a…)`.
Error refused_by(const protocol::Party& party, const protocol::Refusal& refusal);

}  // namespace coprotect::client
