#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "hsm/durable_file.h"
#include "hsm/token_watch.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

enum class TokenOperation : std::uint8_t;
struct TokenReply;

// A new wrapping key, and its sealed form, which only the same token can unseal.
struct SealedKey {
  Secret key;        // 32 bytes
  Bytes sealed;      // to store; opaque, at most 4 096 bytes
  std::string name;  // of the token, printable
};

// The name of a root in a token: an object whose key the token releases until the object is destroyed.
using RootId = ByteArray<16>;

// Where a token is and how to reach it.
struct TokenConfig {
  // "tpm:" with a TCTI after it ("tpm:device:/dev/tpmrm0", "tpm:swtpm:path=/run/s"), or an RFC 7512 URI
  // ("pkcs11:token=…?module-path=… &pin-source=file:…").
  std::string uri;
  std::filesystem::path helper;  // the coprotect-token executable
  // How long a call waits for the token once its turn has come.
  std::chrono::milliseconds timeout{10'000};
  // The file that tells later processes that the token rejected the PIN. Empty: none.
  std::filesystem::path refused_pin{};
  // The agent's user, if root calls on an agent's behalf (provisioning/). The helper runs as that user from
  // its first step, because that user chooses the library that it loads and the folder that the library
  // writes.
  std::optional<FileOwner> owner{};
  // The pauses between probes after a call without an answer.
  ProbePauses pauses{};
};

// The file in an agent's state (agent_folder.h) for TokenConfig::refused_pin.
inline constexpr const char* kRefusedPinFile = "pin-refused";

// State of a hanging token: the error of its calls, and the time of the next probe.
struct TokenHang {
  Error error;  // Code::unavailable; states the token, and since when
  std::chrono::seconds next_probe;
};

// A TPM 2.0 or PKCS#11 token that releases wrapping keys. Each call runs in its own coprotect-token process,
// which links the TPM or PKCS#11 library. The process is killed at the timeout, and what the library leaves
// in memory goes with it. So a crash, a hang or a removed token costs only that call (Code::unavailable).
// Safe from several threads: their calls take turns, also across copies of a Token.
//
// A token that did not answer a call in time is hanging. From then on all calls fail immediately with
// Code::unavailable, and a background thread probes it until it answers. A call also fails if it waits for
// its turn behind a call that has been without an answer for half of its time: at most one thread waits for a
// hanging token. A probe needs no PIN.
//
// A rejected PIN is not tried again, so that the token does not lock. All later calls that need it fail with
// Code::wrong_code until the PIN file changes. The same holds for later processes if the configuration names
// a file for it.
class Token {
 public:
  explicit Token(TokenConfig config);

  // The same token, but it must have this name: otherwise calls fail with Code::altered.
  Token named(std::string name) const;

  // Generates a key and seals it.
  Result<SealedKey> seal_new_key() const;
  // Code::altered if `sealed` is not this token's, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  Result<Secret> unseal(ByteView sealed) const;
  // Generates a key and seals it under a new root. Code::conflict if a root of this name exists, or another
  // program uses its place in the token.
  Result<SealedKey> make_root(const RootId& id) const;
  // Destroys a root: unseal() never releases its key again. Succeeds if there is none.
  Status destroy_root(const RootId& id) const;
  // Whether the token answers.
  Status probe() const;
  // None if it does not hang, as of the last call.
  std::optional<TokenHang> hang() const;

  // What the token's operator must know about it, as of the last answered call; may be empty.
  std::string notice() const;

  const TokenConfig& config() const { return config_; }

 private:
  class Turns;
  Result<TokenReply> call(TokenOperation operation, ByteView subject) const;
  // Its name in messages to untrusted peers: without a path.
  std::string label() const;

  TokenConfig config_;
  std::string name_;
  std::shared_ptr<Turns> turns_;
};

}  // namespace coprotect::hsm
