#pragma once

#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// The messages between an agent and coprotect-token: one request and one reply, each a single packet of a
// SOCK_SEQPACKET socket pair. Each side treats the other as hostile.

constexpr int kTokenChannel = 3;  // its descriptor in the helper
constexpr std::size_t kWrappingKeySize = 32;
constexpr std::size_t kMaxSealedKey = 4'096;
constexpr std::size_t kMaxTokenUri = 1'024;
constexpr std::size_t kMaxTokenName = 255;
constexpr std::size_t kPinFileStampSize = 40;
constexpr std::size_t kMaxTokenMessage = 8'192;

constexpr std::size_t kRootIdSize = 16;

enum class TokenOperation : std::uint8_t {
  seal_new_key = 1,
  unseal = 2,
  probe = 3,
  make_root = 4,
  destroy_root = 5
};

// Environment variable of a helper: the URI of the only token that it serves.
inline constexpr const char* kOnlyToken = "COPROTECT_ONLY_TOKEN";

// "CPTQ" | version u8 = 1 | operation u8 | uri (text) | name lp | refused lp | subject lp (of unseal: what
// was sealed; of make_root and destroy_root: the root's id 16; otherwise empty)
struct TokenRequest {
  TokenOperation operation;
  std::string uri;
  std::string name;  // the required token; empty: any
  Bytes refused;     // the stamp of a PIN file whose PIN must not be tried (pin.h); empty: none
  Bytes subject;

  Bytes encode() const;
  static Result<TokenRequest> parse(ByteView encoded);
};

// "CPTR" | version u8 = 1 | code u8 (0 done) | message (text; with code 0 a notice) | refused lp (only with
// Code::wrong_code) | name lp | sealed lp (of seal_new_key and make_root) | key lp (32 bytes; it and the
// name of all but probe and destroy_root)
struct TokenReply {
  Secret key;
  Bytes sealed;
  std::string name;      // of the token that answered
  std::string notice{};  // what its operator must know although it answered; may be empty

  // `refused`: the PIN file's stamp, if the error is that the token rejected its PIN.
  static Secret encode(const Result<TokenReply>& reply, ByteView refused = {});
  // The reply to `operation`, or the error that the helper reports. If the token rejected the PIN, `refused`
  // gets the PIN file's stamp. Code::unavailable for anything but an encoded reply to this operation.
  static Result<TokenReply> parse(TokenOperation operation, ByteView encoded, Bytes* refused = nullptr);
};

}  // namespace coprotect::hsm
