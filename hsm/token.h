#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

enum class TokenOperation : std::uint8_t;
struct TokenReply;

// A new wrapping key, and what only the same token turns back into it.
struct SealedKey {
  Secret key;    // 32 bytes
  Bytes sealed;  // to be stored; opaque, at most 4 096 bytes
};

// Where a token is and how it is reached.
struct TokenConfig {
  // "tpm:" with a TCTI after it ("tpm:device:/dev/tpmrm0", "tpm:swtpm:path=/run/s"), or an RFC 7512 URI
  // ("pkcs11:token=…?module-path=… &pin-source=file:…").
  std::string uri;
  std::filesystem::path helper;  // the coprotect-token executable
  std::chrono::milliseconds timeout{10'000};
};

// A TPM 2.0 or PKCS#11 token that releases wrapping keys. Each call runs in a coprotect-token process of its
// own that links the TPM or PKCS#11 library, is killed at the timeout, and takes with it what the library
// leaves in memory. So a crash, a hang or a vanished token costs the call (Code::unavailable) and nothing
// else. Safe from several threads, whose calls take turns; copies of a Token do so together. A PIN that the
// token refused once is not tried again by these objects, lest the token lock: all further calls that need it
// fail with Code::wrong_code.
class Token {
 public:
  explicit Token(TokenConfig config);

  // Draws a key and seals it.
  Result<SealedKey> seal_new_key() const;
  // Code::altered if `sealed` is not this token's, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  Result<Secret> unseal(ByteView sealed) const;
  // Whether the token answers.
  Status probe() const;

  const TokenConfig& config() const { return config_; }

 private:
  class Turns;
  Result<TokenReply> call(TokenOperation operation, ByteView sealed) const;

  TokenConfig config_;
  std::shared_ptr<Turns> turns_;
};

}  // namespace coprotect::hsm
