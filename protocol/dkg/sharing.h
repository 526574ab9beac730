#pragma once

#include <optional>
#include <vector>

#include "protocol/dkg/parameters.h"
#include "protocol/file/header.h"
#include "protocol/recovery/recovery_part.h"

namespace coprotect::protocol {

// The public part of what the dealers of a ceremony gave the recovery party (SPEC.md §8.6).
struct RecoveryDealing {
  std::uint8_t index;  // of the recovery party
  Digest parts_hash;
  std::vector<RecoveryStatement> statements;  // one for each dealer's part, ascending
};

// How a key is shared in one epoch: the public outcome of the key generation or handover that made its
// shares. Every Sharing comes from a checked transcript.
struct Sharing {
  KeyId key_id;
  std::uint32_t epoch;
  Sid sid;                                                 // the ceremony's
  Parameters parameters;                                   // who holds which index, and t
  Element h;                                               // the public key, the same in every epoch
  std::vector<Element> public_shares;                      // h_1 … h_n
  std::optional<RecoveryDealing> recovery = std::nullopt;  // if there is a recovery party
  std::optional<Digest> blob_hash =
      std::nullopt;  // of its blob, if a handover made the epoch: its plan says so

  const Group& group() const { return parameters.group(); }
  // h_i, 1 ≤ index ≤ n.
  const Element& public_share(std::uint8_t index) const { return public_shares[index - 1u]; }
};

}  // namespace coprotect::protocol
