#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/enrolment.h"

namespace coprotect::provisioning {

// What a drill found out (protocol/SPEC.md §12), as the JSON that is kept.
struct DrillEvidence {
  struct Quorum {
    struct Request {
      std::string party;
      Digest hash;  // as the party's log has it
    };
    std::vector<std::string> parties;
    std::vector<Request> requests;
    std::optional<std::string> failure;  // why the canary did not come out
  };
  std::int64_t time_ms;
  std::string administrator;  // URI
  Digest canary;              // its SHA-256
  std::vector<Quorum> quorums;

  std::uint16_t passed() const;
  std::uint16_t failed() const;
  // Of a drill with this bundle's key.
  std::string json(const protocol::Bundle& bundle) const;
};

// Checks evidence that was read from a file against the signature beside it: signed by an administrator whom
// the client CA of one of these bundles certified at that time, about that bundle's key. Says in one line
// what it is. Code::altered, or Code::unauthenticated if the signer is no administrator.
Result<std::string> verify_evidence(ByteView evidence, ByteView signature,
                                    const std::vector<protocol::Bundle>& bundles);

}  // namespace coprotect::provisioning
