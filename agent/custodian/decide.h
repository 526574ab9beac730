#pragma once

#include <string>
#include <vector>

#include "agent/custodian/identify.h"
#include "protocol/message/reply.h"

namespace coprotect::agent::custodian {

// What becomes of one item of a partial-decrypt request.
struct Decision {
  protocol::ItemStatus status;
  std::string detail;  // why not

  bool done() const { return status == protocol::ItemStatus::done; }
};

// Judges each item: the policy of its file, then the proof that its ciphertext was made for this very core.
// No share is touched.
std::vector<Decision> decide(const protocol::PartialDecryptBody& body, protocol::Action action,
                             const Client& client, std::int64_t now_ms);

}  // namespace coprotect::agent::custodian
