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

// What TLS knows of a client whose certificate was verified.
struct Peer {
  Bytes certificate;        // DER
  std::string key;          // SHA-256 of its public key (SubjectPublicKeyInfo), in hex
  std::string tenant{};     // the same of the authority that certified a client; empty for an agent
  std::time_t valid_until;  // end of the shortest-lived certificate of its chain
  bool is_agent;            // another party's agent, which is heard on one route only
};

// Why TLS does not accept a client's certificate.
struct Rejection {
  gnutls_alert_description_t alert;
  std::string_view reason;  // for the log: a constant
};

// The certificate authorities that clients, and agents that pass requests on, may have their certificates
// from: those that the custodian named last. They distrust each other, and each tenant chose its own name and
// key identifier: so each is asked alone, and what one is called keeps nobody from another.
class ClientAuthorities {
 public:
  static Result<std::shared_ptr<const ClientAuthorities>> make(const ipc::Trust& trust);

  // Verifies the client's chain: to one of these authorities, within its dates, for clientAuth.
  // Code::unauthenticated with GnuTLS's reason otherwise, also if there is no certificate; `rejection` then
  // says it to the client's TLS.
  Result<Peer> verify(gnutls_session_t session, Rejection* rejection = nullptr) const;

 private:
  static void free_list(gnutls_x509_trust_list_t list) { gnutls_x509_trust_list_deinit(list, 1); }
  using List = Owned<gnutls_x509_trust_list_st, free_list>;
  struct Authority {
    std::string key;  // as Peer::key
    List list;
  };
  // By their subjects, DER. Several may have the same one.
  using Authorities = std::multimap<Bytes, Authority>;
  static Result<Authorities> read(const std::vector<Bytes>& authorities);
  // The key of the authority that the chain leads to.
  static Result<std::string> verify(const Authorities& authorities, std::vector<gnutls_x509_crt_t>& chain,
                                    Rejection& rejection);
  ClientAuthorities(Authorities clients, Authorities agents)
      : clients_(std::move(clients)), agents_(std::move(agents)) {}

  Authorities clients_;
  Authorities agents_;
};

}  // namespace coprotect::agent::front
