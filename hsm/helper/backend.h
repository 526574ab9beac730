#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hsm/helper/pin.h"

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

using RootId = ByteArray<16>;

// A key that a root releases, and the input from which unseal() returns it.
struct NewRoot {
  Secret key;  // 32 bytes
  Bytes sealed;
};

// A token as seen by coprotect-token. One thread, one request: whatever such an object or its library leaves
// in memory goes with the process.
class Backend {
 public:
  virtual ~Backend() = default;

  // The token's name: printable, at most 255 bytes, unique to this token (see the backends). Needs the PIN.
  // Code::altered if it is not the requested one.
  virtual Result<std::string> name() = 0;
  // Encrypts a 32-byte wrapping key so that only this token can decrypt it; at most 4 096 bytes.
  virtual Result<Bytes> seal(const Secret& key) = 0;
  // Code::altered if this token did not produce `sealed`, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  virtual Result<Secret> unseal(ByteView sealed) = 0;
  // Makes a root and generates its key, which unseal() releases while the root exists. Code::conflict if the
  // place is taken.
  virtual Result<NewRoot> make_root(const RootId& id) = 0;
  // Succeeds if there is none.
  virtual Status destroy_root(const RootId& id) = 0;
  // Checks that the token answers and, as far as possible without the PIN, is the requested one.
  virtual Status probe() = 0;
  // Copies what the last call may have changed, for a token whose library may lose it. With `erased`, leaves
  // nothing of what that call destroyed. Code::unavailable.
  virtual Status keep_copy(bool erased) = 0;
  // What the operator must know about the token although it answers; may be empty.
  virtual std::string notice() = 0;
  // The source of the PIN, if there is one.
  virtual const std::optional<PinFile>& pin() const = 0;
};

// The requested token.
struct WantedToken {
  std::string uri;
  std::string name{};  // empty: any; it gets a sealing key if it has none
  Bytes refused{};     // stamp of a PIN file that must not be tried again
};

// The backend for a URI's scheme, connected to its token. Code::malformed for a URI that no backend
// understands.
Result<std::unique_ptr<Backend>> open_backend(const WantedToken& wanted);

// Code::altered, naming both.
Error another_token(std::string_view found, std::string_view wanted);

}  // namespace coprotect::hsm
