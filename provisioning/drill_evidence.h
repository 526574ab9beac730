#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/enrolment.h"

namespace coprotect::provisioning {

// A drill's results (protocol/SPEC.md §12), as the JSON that is kept.
struct DrillEvidence {
  struct Quorum {
    struct Request {
      std::string party;
      Digest hash;  // as in the party's log
    };
    std::vector<std::string> parties;
    std::vector<Request> requests;
    std::optional<std::string> failure;  // why the canary was not recovered
  };
  std::int64_t time_ms;
  std::string administrator;  // URI
  Digest canary;              // its SHA-256
  std::vector<Quorum> quorums;

  std::uint16_t passed() const;
  std::uint16_t failed() const;
  // For a drill with this bundle's key.
  std::string json(const protocol::Bundle& bundle) const;
};

// Checks evidence from a file against the signature beside it. The signer must be an administrator whom the
// client CA of one of these bundles certified at that time, and the evidence must be about that bundle's key.
// Returns a one-line summary. Code::altered, or Code::unauthenticated if the signer is not an administrator.
Result<std::string> verify_evidence(ByteView evidence, ByteView signature,
                                    const std::vector<protocol::Bundle>& bundles);

}  // namespace coprotect::provisioning
