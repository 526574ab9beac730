#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/keys.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// The client that signed a request, and the key of its own tenant that the request is about.
struct Client {
  protocol::ClientIdentity identity;
  Digest key_hash;  // of the certificate's key
  KeyPtr key;
  // Whether the client is the recovery administrator of this key. Role `recovery` alone only means that it is
  // one for some key of the tenant.
  bool recovers;
};

// Identifies the client. The envelope's own signature was checked when it was parsed. Checks, in this order:
// the named key, the chain to the CA of that key's tenant only, the tenant in the certificate, the client
// list, the audience. An unknown key and a key of another tenant look the same: Code::not_found.
// Code::unauthenticated for a certificate of the tenant that is not valid, Code::denied if the request is
// addressed to other agents.
Result<Client> identify(const protocol::SignedRequest::Envelope& envelope, const Keys& keys,
                        const ClientLists& clients, const protocol::PublicKeyBytes& self,
                        std::int64_t now_ms);

// The caller as TLS identifies it: sufficient for public data, never for a share.
class Peer {
 public:
  // `certificate` is the one that the front reports; it is checked again here. A certificate that proves
  // nothing gives a peer without any rights.
  static Peer of(ByteView certificate, const Keys& keys, const ClientLists& clients,
                 const protocol::Certificate& identity_certificate, std::int64_t now_ms);

  // The tenant whose CA certified the peer, or whose key the peer's invitation made; none if this agent can
  // verify neither.
  const std::optional<std::string>& tenant() const { return tenant_; }
  // The identity in the certificate; empty if it was not verified.
  const std::string& uri() const { return uri_; }
  // Whether it is another agent that holds shares of a key together with this one.
  bool is_agent() const { return agent_; }
  // Whether it is one of this key's agents.
  bool is_agent_of(const Key& key, std::int64_t now_ms) const;
  // The invitation whose certificate this is.
  const std::optional<protocol::InvitationId>& invitation() const { return invitation_; }
  // Whether the tenant's CA certified the peer. An invitation belongs to no tenant.
  bool of_tenant(std::string_view tenant) const { return !invitation_ && tenant_ == tenant; }
  // As of_tenant(), and enrolled.
  bool may_read(std::string_view tenant) const { return of_tenant(tenant) && enrolled_; }
  bool may_read(const Key& key) const { return may_read(key.tenant()); }
  // Also allows a peer that proves possession of the client CA's key, whatever list is in force: it signs the
  // next one.
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
