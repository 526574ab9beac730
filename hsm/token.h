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

// A new wrapping key, and what only the same token turns back into it.
struct SealedKey {
  Secret key;        // 32 bytes
  Bytes sealed;      // to be stored; opaque, at most 4 096 bytes
  std::string name;  // of the token, printable
};

// The name of a root in a token: an object of which the token gives out a key, until it is destroyed.
using RootId = ByteArray<16>;

// Where a token is and how it is reached.
struct TokenConfig {
  // "tpm:" with a TCTI after it ("tpm:device:/dev/tpmrm0", "tpm:swtpm:path=/run/s"), or an RFC 7512 URI
  // ("pkcs11:token=…?module-path=… &pin-source=file:…").
  std::string uri;
  std::filesystem::path helper;  // the coprotect-token executable
  // How long a call waits for the token, once its turn has come.
  std::chrono::milliseconds timeout{10'000};
  // Where it is written down, for later processes, that the token refused the PIN. Empty: nowhere.
  std::filesystem::path refused_pin{};
  // Whose agent it is, if root asks on an agent's behalf (provisioning/): the helper is that user from its
  // first step on. The agent's user chooses the library that it loads, and the folder that the library
  // writes.
  std::optional<FileOwner> owner{};
  // Of the probes, after a call without an answer.
  ProbePauses pauses{};
};

// The file in an agent's state (agent_folder.h) for TokenConfig::refused_pin.
inline constexpr const char* kRefusedPinFile = "pin-refused";

// That a token hangs: what its calls fail with, and when it is asked again.
struct TokenHang {
  Error error;  // Code::unavailable; names the token, and since when
  std::chrono::seconds next_probe;
};

// A TPM 2.0 or PKCS#11 token that releases wrapping keys. Each call runs in a coprotect-token process of its
// own that links the TPM or PKCS#11 library, is killed at the timeout, and takes with it what the library
// leaves in memory. So a crash, a hang or a vanished token costs the call (Code::unavailable) and nothing
// else. Safe from several threads, whose calls take turns; copies of a Token do so together.
//
// A token that did not answer a call in its time hangs: from then on all calls fail at once, with
// Code::unavailable, and it is probed in the background until it answers. Whoever waits for the turn of a
// call that has had no answer for half of its time fails, too: one thread at most waits for a token that
// hangs. A probe needs no PIN.
//
// A PIN that the token refused is not tried again, lest the token lock: all further calls that need it fail
// with Code::wrong_code until the PIN file changes, and so do those of later processes if the configuration
// says where that is written down.
class Token {
 public:
  explicit Token(TokenConfig config);

  // The same token, which must have this name: calls fail with Code::altered if it has another.
  Token named(std::string name) const;

  // Draws a key and seals it.
  Result<SealedKey> seal_new_key() const;
  // Code::altered if `sealed` is not this token's, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  Result<Secret> unseal(ByteView sealed) const;
  // Draws a key and seals it under a new root. Code::conflict if there is a root of this name, or its place
  // in the token is taken by another program.
  Result<SealedKey> make_root(const RootId& id) const;
  // Destroys a root: unseal() does not give out its key again. Done if there is none.
  Status destroy_root(const RootId& id) const;
  // Whether the token answers.
  Status probe() const;
  // None if it does not hang, as far as the last call knows.
  std::optional<TokenHang> hang() const;

  // What the token's operator has to know of it, by the last call that it answered; may be empty.
  std::string notice() const;

  const TokenConfig& config() const { return config_; }

 private:
  class Turns;
  Result<TokenReply> call(TokenOperation operation, ByteView subject) const;
  // How messages to strangers call it: by its name, which has no path.
  std::string label() const;

  TokenConfig config_;
  std::string name_;
  std::shared_ptr<Turns> turns_;
};

}  // namespace coprotect::hsm
