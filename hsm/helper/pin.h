#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// A PIN from a file, which stays locked (flock) against other helpers as long as the object lives: a token is
// spoken to by one at a time. SoftHSM2 rewrites a token's file at each login, and a process that reads it at
// that moment does not see the token.
class PinFile {
 public:
  // `pin_source` is the value of a pin-source attribute (RFC 7512 §2.4), "file:" with an absolute path. One
  // line end after the PIN is not part of it. Fails with Code::malformed for another kind of source or a file
  // that is open to others,
  // Code::unavailable if the file cannot be read or holds no PIN of 1 to 255 bytes, Code::wrong_code if the
  // file still has the stamp `refused`: the token refused that PIN, and a token locks after a few tries.
  static Result<PinFile> open(std::string_view pin_source, ByteView refused = {});
  PinFile(PinFile&& other) noexcept;
  PinFile& operator=(PinFile&&) = delete;
  ~PinFile();

  const Secret& pin() const { return pin_; }
  // Device, inode, size, and times of the last changes of content and inode: another one for each PIN that is
  // written to the file. It says nothing of the PIN itself, of which a hash would be easy to guess.
  const Bytes& stamp() const { return stamp_; }
  // What the operator does about a PIN that was refused.
  std::string advice() const;

 private:
  PinFile(int fd, std::string path) : fd_(fd), path_(std::move(path)), pin_(0) {}
  int fd_;
  std::string path_;
  Bytes stamp_;
  Secret pin_;
};

}  // namespace coprotect::hsm
