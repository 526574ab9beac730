#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <ctime>
#include <memory>
#include <vector>

#include "agent/ipc/messages.h"
#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::agent::front {

// What TLS knows of a client whose certificate was verified.
struct Peer {
  Bytes certificate;        // DER
  std::time_t valid_until;  // end of the shortest-lived certificate of its chain
  bool is_agent;            // another party's agent, which is heard on one route only
};

// The certificate authorities that clients, and agents that pass requests on, may have their certificates
// from: those that the custodian named last.
class ClientAuthorities {
 public:
  static Result<std::shared_ptr<const ClientAuthorities>> make(const ipc::Trust& trust);

  // Verifies the client's chain: to one of these authorities, within its dates, for clientAuth.
  // Code::unauthenticated with GnuTLS's reason otherwise, also if there is no certificate.
  Result<Peer> verify(gnutls_session_t session) const;

 private:
  static void free_list(gnutls_x509_trust_list_t list) { gnutls_x509_trust_list_deinit(list, 1); }
  using List = Owned<gnutls_x509_trust_list_st, free_list>;
  static Result<List> list_of(const std::vector<Bytes>& authorities);
  ClientAuthorities(List clients, List agents) : clients_(std::move(clients)), agents_(std::move(agents)) {}

  List clients_;
  List agents_;
};

}  // namespace coprotect::agent::front
