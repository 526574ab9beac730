#pragma once

#include <optional>

#include "agent/custodian/derive_policy.h"
#include "protocol/dkg/parameters.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// What this agent's operator allows. A file's policy can only narrow it. Code::denied otherwise.
struct ServerPolicy {
  bool allow_recover;
  std::optional<DerivePolicy> derive;

  Status check(const protocol::Request& request, const protocol::ClientIdentity& client,
               protocol::Purpose purpose) const;
};

}  // namespace coprotect::agent::custodian
