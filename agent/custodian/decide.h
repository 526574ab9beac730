#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/custodian/identify.h"
#include "protocol/base/interest.h"
#include "protocol/message/reply.h"

namespace coprotect::agent::custodian {

// What becomes of one item of a request: the share is used on its base if it is to be done.
struct Decision {
  // The ciphertext's c1, or the peer's value that is derived with; none if what was sent is no element.
  std::optional<protocol::Element> base;
  Digest base_hash;  // SHA-256 of its encoding, as it was sent
  protocol::ItemStatus status;
  std::string detail;  // why not

  bool done() const { return status == protocol::ItemStatus::done; }
};

// Judges each item of a request that the server's policy allows: the policy of its file, then the proof that
// its ciphertext was made for this very core. A value to derive with is a member of the group since it was
// read, and nothing else is asked of it. Requests of other operations have no items. No share is touched.
// Code::unavailable if the caller goes meanwhile.
Result<std::vector<Decision>> decide(const protocol::Request& request, const Client& client,
                                     std::int64_t now_ms, const Interest& caller);

}  // namespace coprotect::agent::custodian
