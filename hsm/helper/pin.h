#pragma once

#include <memory>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// A PIN from a file, which stays locked (flock) against other helpers as long as the object lives: a token is
// spoken to by one at a time. SoftHSM2 rewrites a token's file at each login, and a process that reads it at
// that moment does not see the token.
class PinFile {
 public:
  // `pin_source` is the value of a pin-source attribute (RFC 7512 §2.4), "file:" with an absolute path. One
  // line end after the PIN is not part of it. Fails with Code::malformed for another kind of source,
  // Code::unavailable if the file cannot be read or holds no PIN of 1 to 255 bytes.
  static Result<PinFile> open(std::string_view pin_source);
  PinFile(PinFile&& other) noexcept;
  PinFile& operator=(PinFile&&) = delete;
  ~PinFile();

  const Secret& pin() const { return pin_; }

 private:
  PinFile(int fd, Secret pin) : fd_(fd), pin_(std::move(pin)) {}
  int fd_;
  Secret pin_;
};

}  // namespace coprotect::hsm
