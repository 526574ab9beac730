#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/ipc/messages.h"
#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::agent::front {

// What TLS knows of a client with a verified certificate.
struct Peer {
  Bytes certificate;        // DER
  std::string key;          // SHA-256 of its public key (SubjectPublicKeyInfo), in hex
  std::string tenant{};     // the same for the client's CA; empty for an agent
  std::time_t valid_until;  // end of the shortest-lived certificate of its chain
  bool is_agent;            // another party's agent, admitted to one route only
};

// Why TLS rejects a client's certificate.
struct Rejection {
  gnutls_alert_description_t alert;
  std::string_view reason;  // for the log: a constant
};

// The CAs that the custodian last named for clients, and for agents that pass requests on. The CAs distrust
// each other, and each tenant chose its own name and key identifier. So each CA is tried separately, and a
// name cannot be used to block another tenant.
class ClientAuthorities {
 public:
  static Result<std::shared_ptr<const ClientAuthorities>> make(const ipc::Trust& trust);

  // Verifies the client's chain: to one of these CAs, within its dates, for clientAuth. Otherwise, or without
  // a certificate, Code::unauthenticated with GnuTLS's reason; `rejection` then holds the alert for the
  // client's TLS.
  Result<Peer> verify(gnutls_session_t session, Rejection* rejection = nullptr) const;

 private:
  static void free_list(gnutls_x509_trust_list_t list) { gnutls_x509_trust_list_deinit(list, 1); }
  using List = Owned<gnutls_x509_trust_list_st, free_list>;
  struct Authority {
    std::string key;  // as Peer::key
    List list;
  };
  // By subject, DER. Several may have the same one.
  using Authorities = std::multimap<Bytes, Authority>;
  static Result<Authorities> read(const std::vector<Bytes>& authorities);
  // The key of the CA at the end of the chain.
  static Result<std::string> verify(const Authorities& authorities, std::vector<gnutls_x509_crt_t>& chain,
                                    Rejection& rejection);
  ClientAuthorities(Authorities clients, Authorities agents)
      : clients_(std::move(clients)), agents_(std::move(agents)) {}

  Authorities clients_;
  Authorities agents_;
};

}  // namespace coprotect::agent::front
