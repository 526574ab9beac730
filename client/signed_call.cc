#include "client/signed_call.h"

#include "client/problem.h"
#include "protocol/crypto/hash.h"

namespace coprotect::client {

Error refused_by(const protocol::Party& party, const protocol::Refusal& refusal) {
  const Code code = code_of_agent(refusal.code);
  return {code, agent_name(party) + ": " + std::string(code_name(code)) + ": " + shown(refusal.detail) +
                    " (request " + to_hex(refusal.request_id) + ")"};
}

Result<Secret> ask(AgentClient& agent, const protocol::Bundle& bundle, const protocol::Party& party,
                   const Credentials& credentials, Question question, Random& random, Digest* sent) {
  const auto reply_key = protocol::HpkePrivateKey::generate(random);
  protocol::Request request{.tenant = bundle.tenant(),
                            .key_id = bundle.key_id(),
                            .epoch = bundle.epoch(),
                            .audience = {party.identity_key.bytes()},
                            .action = protocol::Action::view,
                            .reason = std::string(question.reason),
                            .nonce = {},
                            .time_ms = now_ms(),
                            .reply_key = reply_key.public_key(),
                            .body = std::move(question.body)};
  random.fill(request.nonce);
  const Bytes message = protocol::SignedRequest::sign(request, {credentials.certificate}, credentials.key);
  if (sent != nullptr) *sent = protocol::sha256(message);
  const auto answer =
      agent.ask("/v1/keys/" + to_hex(bundle.key_id()) + "/" + std::string(question.endpoint), message);
  if (!answer) return answer.error();
  const auto sealed = protocol::SealedReply::parse(*answer);
  if (!sealed) return Error(Code::bad_proof, agent_name(party) + " sent what is not a reply");
  auto content = sealed->open(party.identity_key, reply_key, protocol::sha256(message));
  if (!content)
    return Error(Code::bad_proof, agent_name(party) + " sent a reply that is not its own to this request: " +
                                      content.error().message());
  if (const auto* const refusal = std::get_if<protocol::Refusal>(&*content))
    return refused_by(party, *refusal);
  return std::get<Secret>(*std::move(content));
}

}  // namespace coprotect::client
