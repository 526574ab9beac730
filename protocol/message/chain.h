#pragma once

#include <string>
#include <variant>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/message/refusal.h"

namespace coprotect::protocol {

// A client's signed request on its way along the chain of the parties that it is addressed to (SPEC.md §7.6).
// Only the request inside is signed: the rest is a hint of whoever passes it on, and can make an agent do
// less, never more.
struct ForwardMessage {
  Bytes request;  // the client's own bytes
  std::vector<PublicKeyBytes>
      visited;              // identity keys of parties that need not be asked any more; at most 16
  std::uint32_t budget_ms;  // how long the sender will wait for the answer

  Bytes encode() const;
  static Result<ForwardMessage> parse(ByteView encoded);
};

// What comes back through a chain: for each party that was asked or should have been, its sealed reply, or
// why there is none in the words of an agent on the way. Only what stands in a sealed reply is authentic:
// every agent on the way, and every front, could have changed the rest.
struct ChainReply {
  struct Entry {
    PublicKeyBytes party;
    std::variant<Bytes, Refusal> answer;  // an encoded SealedReply
  };
  std::vector<Entry> entries;  // 1 to 16, of distinct parties

  Bytes encode() const;
  static Result<ChainReply> parse(ByteView encoded);
};

}  // namespace coprotect::protocol
