#pragma once

#include <string_view>

#include "client/agents.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/reply.h"

namespace coprotect::client {

// A request to one agent.
struct Question {
  std::string_view endpoint;  // the last part of /v1/keys/{key_id}/…
  protocol::RequestBody body;
  std::string_view reason;  // goes into the agent's log
};

// Signs a request about the bundle's key, sends it to this party only and opens the answer. Errors name the
// agent. If the agent refuses, its own code. Code::bad_proof if the answer is not this agent's reply to this
// request. Code::unavailable if the agent could not be asked, or its answer is unsigned. `sent`, if not null,
// receives the request's hash, by which the agent's log names it.
Result<Secret> ask(AgentClient& agent, const protocol::Bundle& bundle, const protocol::Party& party,
                   const Credentials& credentials, Question question, Random& random, Digest* sent = nullptr);

// The error for a refusal that the party signed: `cloud agent "host:port": denied: … (request 7f3a…)`.
Error refused_by(const protocol::Party& party, const protocol::Refusal& refusal);

}  // namespace coprotect::client
