#pragma once

#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// What passes between an agent and coprotect-token: one request, one reply, each one packet of a
// SOCK_SEQPACKET socket pair. Both sides take the other for hostile.

constexpr int kTokenChannel = 3;  // the helper's descriptor of it
constexpr std::size_t kWrappingKeySize = 32;
constexpr std::size_t kMaxSealedKey = 4'096;
constexpr std::size_t kMaxTokenUri = 1'024;
constexpr std::size_t kMaxTokenMessage = 8'192;

enum class TokenOperation : std::uint8_t { seal_new_key = 1, unseal = 2, probe = 3 };

// "CPTQ" | version u8 = 1 | operation u8 | uri (text) | sealed lp (empty unless unseal)
struct TokenRequest {
  TokenOperation operation;
  std::string uri;
  Bytes sealed;

  Bytes encode() const;
  static Result<TokenRequest> parse(ByteView encoded);
};

// "CPTR" | version u8 = 1 | code u8 (0 done) | message (text, only with a code) | sealed lp (only of
// seal_new_key) | key lp (32 bytes, not of probe)
struct TokenReply {
  Secret key;
  Bytes sealed;

  static Secret encode(const Result<TokenReply>& reply);
  // The reply to `operation`, or the error that the helper reports. Code::unavailable for anything else than
  // an encoded reply to this operation.
  static Result<TokenReply> parse(TokenOperation operation, ByteView encoded);
};

}  // namespace coprotect::hsm
