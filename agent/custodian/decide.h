#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/custodian/identify.h"
#include "protocol/base/interest.h"
#include "protocol/message/reply.h"

namespace coprotect::agent::custodian {

// The decision on one item of a request. If it is to be done, the share is used on its base.
struct Decision {
  // The ciphertext's c1, or the peer's value to derive with; none if the input is not a group element.
  std::optional<protocol::Element> base;
  Digest base_hash;  // SHA-256 of its encoding as sent
  protocol::ItemStatus status;
  std::string detail;  // why not

  bool done() const { return status == protocol::ItemStatus::done; }
};

// Judges each item of a request that the server's policy allows. Checks the policy of the item's file, then
// the proof that its ciphertext was made for this very core. A value to derive with was checked for group
// membership when it was parsed; nothing else is required of it. Requests of other operations have no items.
// Uses no share. Code::unavailable if the caller disconnects meanwhile.
Result<std::vector<Decision>> decide(const protocol::Request& request, const Client& client,
                                     std::int64_t now_ms, const Interest& caller);

}  // namespace coprotect::agent::custodian
