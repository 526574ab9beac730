#include "provisioning/invited_agent.h"

#include "protocol/base/fault.h"

namespace coprotect::provisioning {
namespace {

using protocol::ControlKind;
using protocol::Sid;

// A token may be slow to make a key. Argon2id does not run here.
constexpr std::chrono::seconds kInvitedDeadline{60};

client::AgentClient connect(const protocol::Invitation& invitation) {
  return {client::Endpoint{invitation.role, invitation.url, invitation.identity_certificate},
          client::ClientCredentials{{invitation.client_certificate}, &invitation.client_key},
          kInvitedDeadline};
}

Bytes control(const protocol::Invitation& invitation, ControlKind kind, const Sid& sid, Random& random) {
  protocol::ControlMessage message{
      .invitation = invitation.id, .kind = kind, .sid = sid, .nonce = {}, .mac = {}};
  random.fill(message.nonce);
  return message.encode(invitation.secret);
}

Status without_body(Result<Bytes> answer) {
  if (!answer) return std::move(answer).error();
  return Done{};
}

}  // namespace

InvitedAgent::InvitedAgent(protocol::Invitation invitation)
    : invitation_(std::make_unique<protocol::Invitation>(std::move(invitation))),
      link_(connect(*invitation_)) {}

Result<protocol::StatusMessage> InvitedAgent::status(Random& random) {
  auto answer =
      post("/v1/ceremonies/status", "status", control(*invitation_, ControlKind::status, Sid{}, random));
  if (!answer) return std::move(answer).error();
  auto status = protocol::StatusMessage::parse(*answer);
  if (!status) return std::move(status).error().in(party() + " agent's status");
  return status;
}

Status InvitedAgent::abort(const Sid& sid, Random& random) {
  return without_body(post("/v1/ceremonies/" + to_hex(sid) + "/abort", "abort",
                           control(*invitation_, ControlKind::abort, sid, random)));
}

Result<protocol::HandoverOffer> InvitedAgent::open(const Purpose& purpose, Random& random) {
  protocol::OpenMessage open{.invitation = invitation_->id,
                             .tenant = purpose.tenant,
                             .purpose = purpose.purpose,
                             .suite = purpose.suite,
                             .key_id = purpose.key_id,
                             .newest_hash = purpose.newest_hash,
                             .nonce = {},
                             .mac = {}};
  random.fill(open.nonce);
  const Bytes encoded = open.encode(invitation_->secret);
  auto answer = post("/v1/ceremonies", "open", encoded);
  if (!answer) return std::move(answer).error();
  if (!protocol::verify_offer_mac(invitation_->secret, *answer, encoded))
    return Error(Code::unauthenticated, party() + " agent's offer was not made with this invitation");
  auto message = protocol::OfferMessage::parse(*answer);
  if (!message) return std::move(message).error().in(party() + " agent's offer");
  protocol::HandoverOffer& offer = message->offer;
  if (!invitation_->identity_certificate.key().verify(offer.hash(), offer.signature))
    return Error(Code::unauthenticated, party() + " agent did not sign its offer");
  if (offer.key_id != purpose.key_id || offer.newest_hash != purpose.newest_hash)
    return Error(Code::malformed, party() + " agent offers to take part in something else");
  return std::move(offer);
}

Result<Bytes> InvitedAgent::commit(const protocol::Parameters& parameters) {
  const protocol::ParametersMessage message{
      .invitation = invitation_->id, .parameters = parameters.encoded(), .mac = {}};
  return post("/v1/ceremonies/" + to_hex(parameters.sid()) + "/parameters", "parameters",
              message.encode(invitation_->secret));
}

Result<Bytes> InvitedAgent::reveal(const Sid& sid, const std::vector<Bytes>& commits) {
  return round(sid, "reveal", commits);
}

Result<Bytes> InvitedAgent::deal(const Sid& sid, const std::vector<Bytes>& reveals) {
  return round(sid, "deal", reveals);
}

Result<Bytes> InvitedAgent::prepare(const Sid& sid, const std::vector<Bytes>& deals) {
  return round(sid, "prepare", deals);
}

Result<Bytes> InvitedAgent::store_blob(const protocol::StoreBlobMessage& blob) {
  return post("/v1/ceremonies/" + to_hex(blob.sid) + "/store-blob", "store-blob", blob.encode());
}

Status InvitedAgent::activate(const Sid& sid, ByteView bundle) {
  return without_body(post("/v1/ceremonies/" + to_hex(sid) + "/activate", "activate", bundle));
}

Result<protocol::Signature> InvitedAgent::join(const Sid& sid, const protocol::JoinMessage& message) {
  return signature(
      post("/v1/ceremonies/" + to_hex(sid) + "/join", "join", message.encode(invitation_->secret)));
}

Result<protocol::Signature> InvitedAgent::confirm_again(const Sid& sid) {
  return signature(round(sid, "prepare", {}));
}

Result<protocol::Signature> InvitedAgent::activate_handed_over(const protocol::Bundle& bundle) {
  return signature(
      post("/v1/ceremonies/" + to_hex(bundle.sharing().sid) + "/activate", "activate", bundle.encoded()));
}

Result<protocol::Signature> InvitedAgent::abort_handover(const protocol::HandoverPlan& plan) {
  const protocol::VoidMessage message{.invitation = invitation_->id, .plan = plan.encoded(), .mac = {}};
  return signature(
      post("/v1/ceremonies/" + to_hex(plan.sid()) + "/abort", "abort", message.encode(invitation_->secret)));
}

Result<protocol::Signature> InvitedAgent::signature(const Result<Bytes>& answer) const {
  if (!answer) return answer.error();
  auto parsed = protocol::parse_signature(*answer);
  if (!parsed) return std::move(parsed).error().in(party() + " agent");
  return parsed;
}

Result<Bytes> InvitedAgent::round(const Sid& sid, std::string_view name, const std::vector<Bytes>& messages) {
  return post("/v1/ceremonies/" + to_hex(sid) + "/" + std::string(name), name,
              protocol::MessageList{messages}.encode());
}

Result<Bytes> InvitedAgent::post(const std::string& path, std::string_view what, ByteView body) {
  const std::string point = "send " + std::string(what) + " to " + party();
  fault_point(("before " + point).c_str());
  auto answer = link_.post(path, body);
  fault_point(("after " + point).c_str());
  return answer;
}

}  // namespace coprotect::provisioning
