#include "agent/custodian/identify.h"

#include <algorithm>

namespace coprotect::agent::custodian {
namespace {

using protocol::Certificate;
using protocol::InvitationId;

constexpr std::string_view kInvitationUri = "coprotect:invitation:";

Error no_such_key(const protocol::KeyId& key_id) {
  return {Code::not_found, "key " + to_hex(key_id) + " is not known here"};
}

// Whether this is the certificate of the key's recovery administrator: of role recovery, and for the key that
// every party of the ceremony signed as the recovery party's (SPEC.md §5.1). The client CA certifies for
// several keys, and the holder of one kit has no rights to the others.
bool recovers(const protocol::ClientIdentity& identity, const Certificate& certificate, const Key& key) {
  const protocol::VerifyKey* const administrator = key.parameters().recovery_administrator();
  return identity.role == protocol::Role::recovery && administrator != nullptr &&
         certificate.key() == *administrator;
}

// Whether this CA signed any certificate of the chain, whatever else is wrong with the certificate.
bool issued_by(std::span<const Certificate> chain, const Certificate& ca) {
  return std::any_of(chain.begin(), chain.end(), [&](const Certificate& certificate) {
    return X509_verify(certificate.x509(), ca.key().evp()) == 1;
  });
}

}  // namespace

Result<Client> identify(const protocol::SignedRequest::Envelope& envelope, const Keys& keys,
                        const ClientLists& clients, const protocol::PublicKeyBytes& self,
                        std::int64_t now_ms) {
  const auto& request = envelope.request;
  KeyPtr key = keys.serving(request.key_id, request.epoch);
  // An agent that left can still be told again that all others have taken over. One that joined and reverted
  // can be told that this was wrong.
  if (key == nullptr && envelope.operation == protocol::Operation::handover) {
    key = keys.left(request.key_id);
    if (const auto taken_back = keys.shelved(request.key_id); key == nullptr && !taken_back.empty())
      key = taken_back.back();
  }
  if (key == nullptr || key->tenant() != request.tenant) return no_such_key(request.key_id);
  if (auto verified = protocol::verify_client_chain(envelope.chain, key->client_ca(), now_ms); !verified) {
    const bool judged = verified.error().code() != Code::unavailable;
    if (judged && !issued_by(envelope.chain, key->client_ca())) return no_such_key(request.key_id);
    return std::move(verified).error();
  }

  const Certificate& certificate = envelope.chain.front();
  auto identity = protocol::client_identity(certificate);
  if (!identity) return std::move(identity).error();
  if (identity->tenant != key->tenant())
    return Error(Code::unauthenticated,
                 "certificate of \"" + identity->uri + "\" is not of tenant \"" + key->tenant() + "\"");
  if (!clients.enrolled(*identity, certificate))
    return Error(Code::unauthenticated, "certificate of \"" + identity->uri + "\" is not enrolled");
  if (std::find(request.audience.begin(), request.audience.end(), self) == request.audience.end())
    return Error(Code::denied, "the request is addressed to other agents");
  // While an epoch with an older code is still served, the recovery administrator of the new code is
  // recognised in it, too.
  const KeyPtr active = keys.active(request.key_id);
  const bool own = recovers(*identity, certificate, *key) ||
                   (active != nullptr && recovers(*identity, certificate, *active));
  return Client{*std::move(identity), certificate.key_hash(), key, own};
}

bool Peer::is_agent_of(const Key& key, std::int64_t now_ms) const {
  // An agent's identity key also signs invitation certificates; those have a URI.
  if (!certificate_ || tenant_ || invitation_ || !certificate_->uris().empty()) return false;
  const std::span<const Certificate> chain(&*certificate_, 1);
  const auto& parties = key.parameters()->parties;
  return std::any_of(parties.begin(), parties.end(), [&](const protocol::Party& party) {
    return party.is_agent() && protocol::verify_client_chain(chain, *party.identity_certificate, now_ms);
  });
}

Peer Peer::of(ByteView certificate, const Keys& keys, const ClientLists& clients,
              const Certificate& identity_certificate, std::int64_t now_ms) {
  Peer peer;
  const auto parsed = Certificate::parse_der(certificate);
  if (!parsed) return peer;
  peer.certificate_ = *parsed;
  const std::span<const Certificate> chain(&*parsed, 1);

  const auto uris = parsed->uris();
  if (uris.size() == 1 && uris.front().starts_with(kInvitationUri)) {
    const auto id = from_hex(std::string_view(uris.front()).substr(kInvitationUri.size()));
    if (!id || id->size() != InvitationId{}.size()) return peer;
    if (!protocol::verify_client_chain(chain, identity_certificate, now_ms)) return peer;
    peer.invitation_.emplace();
    std::copy(id->begin(), id->end(), peer.invitation_->begin());
    const KeyPtr key = keys.of_invitation(*peer.invitation_);
    peer.uri_ = uris.front();
    if (key != nullptr && key->state == KeyState::active) peer.tenant_ = key->tenant();
    return peer;
  }

  const auto identity = protocol::client_identity(*parsed);
  const KeyPtr key = identity ? keys.published_of_tenant(identity->tenant) : nullptr;
  if (key == nullptr || !protocol::verify_client_chain(chain, key->client_ca(), now_ms)) {
    for (const KeyPtr& shared : keys.all_active()) peer.agent_ |= peer.is_agent_of(*shared, now_ms);
    return peer;
  }
  peer.tenant_ = identity->tenant;
  peer.uri_ = identity->uri;
  peer.enrolled_ = clients.enrolled(*identity, *parsed);
  peer.has_ca_key_ = protocol::is_of_session(*identity, *parsed);
  return peer;
}

}  // namespace coprotect::agent::custodian
