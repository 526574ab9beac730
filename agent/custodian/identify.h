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
  // Whether the client is the recovery administrator of this very key. Role `recovery` alone says that it is
  // one of some key of the tenant.
  bool recovers;
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

  // The tenant whose CA vouches for the peer, or whose key the peer's invitation made; none if this agent can
  // verify neither.
  const std::optional<std::string>& tenant() const { return tenant_; }
  // The identity in the certificate; empty if it was not verified.
  const std::string& uri() const { return uri_; }
  // Whether it is another agent that holds shares of a key with this one.
  bool is_agent() const { return agent_; }
  // Whether it is one of this key's.
  bool is_agent_of(const Key& key, std::int64_t now_ms) const;
  // The invitation whose certificate this is.
  const std::optional<protocol::InvitationId>& invitation() const { return invitation_; }
  // Whether the tenant's CA vouches for the peer. An invitation is of no tenant.
  bool of_tenant(std::string_view tenant) const { return !invitation_ && tenant_ == tenant; }
  // As of_tenant(), but enrolled, too.
  bool may_read(std::string_view tenant) const { return of_tenant(tenant) && enrolled_; }
  bool may_read(const Key& key) const { return may_read(key.tenant()); }
  // Also who shows that it has the client CA's key, whatever list is in force: it signs the one that follows.
  bool may_read_lists(std::string_view tenant) const {
    return of_tenant(tenant) && (enrolled_ || has_ca_key_);
  }

 private:
  std::optional<protocol::Certificate> certificate_;
  std::optional<protocol::InvitationId> invitation_;
  std::optional<std::string> tenant_;
  std::string uri_;
  bool enrolled_ = false;
  bool has_ca_key_ = false;
  bool agent_ = false;
};

}  // namespace coprotect::agent::custodian
