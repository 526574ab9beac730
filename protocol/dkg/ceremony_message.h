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
  // signature. Errors name the sender by its party name.
  static Result<CeremonyMessage> parse(ByteView encoded, Round expected, const Parameters& parameters);
};
// What a round-4 signature is made over; a bundle's reader recomputes it.
Digest ceremony_signing_digest(Round round, const Sid& sid, std::uint8_t sender, ByteView body);

// Every party's message of one round, in party order whatever order they came in. Refuses a missing one and a
// second one with another body from the same sender, by name.
Result<std::vector<CeremonyMessage>> collect_round(std::span<const Bytes> encoded, Round round,
                                                   const Parameters& parameters);

}  // namespace coprotect::protocol
