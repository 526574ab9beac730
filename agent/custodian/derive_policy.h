#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// Who may use keys of purpose `derive`, how often and for what. No file, and therefore no file policy, is
// involved: an agent without such a policy derives for nobody.
struct DerivePolicy {
  std::set<std::string> users = {};     // URIs, "coprotect:acme:user:alice"
  std::set<std::string> groups = {};    // URIs, "coprotect:acme:group:mail"
  std::set<std::string> tenants = {};   // names: all clients enrolled there
  std::set<std::string> purposes = {};  // the reason that a request states must be one of these; empty: any
  std::uint64_t per_key_per_day = 100'000;  // values derived, not requests
  std::uint64_t per_client_per_day = 100'000;
  bool operator==(const DerivePolicy&) const = default;

  // Code::denied, with what is missing. Only the caps bind action `recover`, whose role was checked before:
  // it is for the day when none of the named clients is left.
  Status check(const protocol::Request& request, const protocol::ClientIdentity& client) const;
};

}  // namespace coprotect::agent::custodian
