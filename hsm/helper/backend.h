#pragma once

#include <memory>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// A token as coprotect-token reaches it. One thread, one request: what an object of this kind or its library
// leaves in memory goes with the process.
class Backend {
 public:
  virtual ~Backend() = default;

  // Encrypts a wrapping key of 32 bytes so that only this token decrypts it; at most 4 096 bytes.
  virtual Result<Bytes> seal(const Secret& key) = 0;
  // Code::altered if `sealed` is not what this token sealed, Code::wrong_code for the PIN, Code::locked_out,
  // Code::unavailable.
  virtual Result<Secret> unseal(ByteView sealed) = 0;
  // Whether the token answers. Does not use the PIN.
  virtual Status probe() = 0;
};

// The backend of a URI's scheme, connected to its token. Code::malformed for a URI that no backend
// understands.
Result<std::unique_ptr<Backend>> open_backend(std::string_view uri);

}  // namespace coprotect::hsm
