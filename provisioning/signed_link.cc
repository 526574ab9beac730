#include "provisioning/signed_link.h"

#include "protocol/crypto/hash.h"
#include "protocol/message/reply.h"
#include "provisioning/clock.h"

namespace coprotect::provisioning {

SignedLink::SignedLink(const protocol::Bundle& bundle, const protocol::Party& party,
                       const client::Credentials& credentials, std::chrono::milliseconds deadline)
    : tenant_(bundle.tenant()),
      key_id_(bundle.key_id()),
      epoch_(bundle.epoch()),
      party_(party.name),
      identity_key_(party.identity_key.bytes()),
      credentials_(credentials),
      client_(client::connect(party, credentials, deadline)) {}

Result<Secret> SignedLink::ask(std::string_view endpoint, protocol::RequestBody body, std::string_view reason,
                               Random& random) {
  const auto reply_key = protocol::HpkePrivateKey::generate(random);
  protocol::Request request{.tenant = tenant_,
                            .key_id = key_id_,
                            .epoch = epoch_,
                            .audience = {identity_key_},
                            .action = protocol::Action::view,
                            .reason = std::string(reason),
                            .nonce = {},
                            .time_ms = now_ms(),
                            .reply_key = reply_key.public_key(),
                            .body = std::move(body)};
  random.fill(request.nonce);
  const Bytes signed_request =
      protocol::SignedRequest::sign(request, {credentials_.certificate}, credentials_.key);
  auto answer = client_.post("/v1/keys/" + to_hex(key_id_) + "/" + std::string(endpoint), signed_request);
  if (!answer) return std::move(answer).error();
  auto sealed = protocol::SealedReply::parse(*answer);
  if (!sealed) return std::move(sealed).error().in(party_ + " agent's reply");
  if (sealed->party != identity_key_)
    return Error(Code::altered, party_ + " agent answered in another party's name");
  auto plaintext = sealed->open(reply_key, protocol::sha256(signed_request));
  if (!plaintext) return std::move(plaintext).error().in(party_ + " agent's reply");
  return plaintext;
}

}  // namespace coprotect::provisioning
