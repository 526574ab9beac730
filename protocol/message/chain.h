#pragma once

#include <string>
#include <variant>
#include <vector>

#include "protocol/crypto/ecdsa.h"
#include "protocol/message/refusal.h"

namespace coprotect::protocol {

// A client's signed request on its way along the chain of parties to which it is addressed (SPEC.md §7.6).
// Only the request inside is signed. The other fields are hints from the forwarder. They can make an agent do
// less, never more.
struct ForwardMessage {
  Bytes request;  // the client's signed bytes
  std::vector<PublicKeyBytes>
      visited;              // identity keys of parties that need not be asked any more; at most 16
  std::uint32_t budget_ms;  // how long the sender will wait for the answer

  Bytes encode() const;
  static Result<ForwardMessage> parse(ByteView encoded);
};

// The reply of a chain: for each party that was asked or should have been, its sealed reply, or an
// intermediate agent's reason for its absence. Only the contents of a sealed reply are authentic. Every agent
// and every front on the way could have changed the rest.
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
