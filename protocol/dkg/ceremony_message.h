#pragma once

#include <span>
#include <vector>

#include "protocol/dkg/parameters.h"

namespace coprotect::protocol {

enum class Round : std::uint8_t { commit = 1, reveal = 2, deal = 3, confirm = 4, stored = 5 };

// A signed message of a key generation (SPEC.md §5.2).
struct CeremonyMessage {
  Round round;
  Sid sid;
  std::uint8_t sender;
  Bytes body;
  Signature signature;

  Bytes encode() const;
  static CeremonyMessage sign(Round round, const Sid& sid, std::uint8_t sender, Bytes body,
                              const SigningKey& key);
  // Parses one message and checks it against the ceremony: sid, sender in range, expected round, sender's
  // signature. Errors give the sender's party name.
  static Result<CeremonyMessage> parse(ByteView encoded, Round expected, const Parameters& parameters);
};
// The digest that a signature of this round covers. A bundle's reader computes it again for round 4.
Digest ceremony_signing_digest(Round round, const Sid& sid, std::uint8_t sender, ByteView body);

// Every party's message of one round, sorted in party order. The error names the party whose message is
// missing, or that sent a second message with another body.
Result<std::vector<CeremonyMessage>> collect_round(std::span<const Bytes> encoded, Round round,
                                                   const Parameters& parameters);

}  // namespace coprotect::protocol
