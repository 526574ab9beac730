#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/keys.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// Who signed a request, and the key of their own tenant that it is about.
struct Client {
  protocol::ClientIdentity identity;
  Digest key_hash;  // of the certificate's key
  KeyPtr key;
};

// Judges who asks; the envelope's own signature was checked when it was parsed. In this order: the key that
// is named, the chain to the CA of that key's tenant alone, the tenant in the certificate, the client list,
// the audience. A key that is not here and a key of somebody else's tenant look the same: Code::not_found.
// Code::unauthenticated for a certificate of the tenant that does not hold, Code::denied if the request is
// for other agents.
Result<Client> identify(const protocol::SignedRequest::Envelope& envelope, const Keys& keys,
                        const ClientLists& clients, const protocol::PublicKeyBytes& self,
                        std::int64_t now_ms);

// Who TLS says is calling: enough for what is public, never for a share.
class Peer {
 public:
  // The certificate is the one that the front reports; it is checked again here. A certificate that says
  // nothing gives a peer that may nothing.
  static Peer of(ByteView certificate, const Keys& keys, const ClientLists& clients,
                 const protocol::Certificate& identity_certificate, std::int64_t now_ms);

  // The invitation whose certificate this is.
  const std::optional<protocol::InvitationId>& invitation() const { return invitation_; }
  // Whether the tenant's CA vouches for the peer, or the peer holds an invitation that made a key of the
  // tenant's.
  bool of_tenant(std::string_view tenant) const { return tenant_ == tenant; }
  // As of_tenant(), but a client must be enrolled.
  bool may_read(std::string_view tenant) const { return of_tenant(tenant) && (enrolled_ || invitation_); }
  // An invitation reads its own key only.
  bool may_read(const Key& key) const {
    return enrolled_ ? of_tenant(key.tenant()) : invitation_ == key.invitation;
  }

 private:
  std::optional<protocol::InvitationId> invitation_;
  std::optional<std::string> tenant_;
  bool enrolled_ = false;
};

}  // namespace coprotect::agent::custodian
