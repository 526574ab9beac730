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

// A key that a root gives out, and what unseal() turns into it.
struct NewRoot {
  Secret key;  // 32 bytes
  Bytes sealed;
};

// A token as coprotect-token reaches it. One thread, one request: what an object of this kind or its library
// leaves in memory goes with the process.
class Backend {
 public:
  virtual ~Backend() = default;

  // The token's name: printable, at most 255 bytes, and of nobody else's token (see the backends). Needs the
  // PIN. Code::altered if it is not the one that was asked for.
  virtual Result<std::string> name() = 0;
  // Encrypts a wrapping key of 32 bytes so that only this token decrypts it; at most 4 096 bytes.
  virtual Result<Bytes> seal(const Secret& key) = 0;
  // Code::altered if `sealed` is not what this token sealed, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  virtual Result<Secret> unseal(ByteView sealed) = 0;
  // Makes a root and draws its key, which unseal() gives out as long as the root exists. Code::conflict if
  // the place is taken.
  virtual Result<NewRoot> make_root(const RootId& id) = 0;
  // Done if there is none.
  virtual Status destroy_root(const RootId& id) = 0;
  // Whether the token answers and, as far as can be told without the PIN, is the one that was asked for.
  virtual Status probe() = 0;
  // Keeps a copy of what the last call may have changed, of a token whose library may lose it; with `erased`,
  // nothing is left of what that call destroyed. Code::unavailable.
  virtual Status keep_copy(bool erased) = 0;
  // What the operator has to know of the token, although it answers; may be empty.
  virtual std::string notice() = 0;
  // Where the PIN is from, if there is one.
  virtual const std::optional<PinFile>& pin() const = 0;
};

// Which token is to be used.
struct WantedToken {
  std::string uri;
  std::string name{};  // empty: whichever is there, which gets a sealing key if it has none
  Bytes refused{};     // the stamp of a PIN file that must not be tried again
};

// The backend of a URI's scheme, connected to its token. Code::malformed for a URI that no backend
// understands.
Result<std::unique_ptr<Backend>> open_backend(const WantedToken& wanted);

// Code::altered, which names both.
Error another_token(std::string_view found, std::string_view wanted);

}  // namespace coprotect::hsm
