#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm {

// A PIN from a file. While the object exists, the file stays locked (flock) against other helpers, so that
// only one at a time uses the token. SoftHSM2 rewrites a token's file at each login, and a process that reads
// it at that moment does not find the token.
class PinFile {
 public:
  // `pin_source` is the value of a pin-source attribute (RFC 7512 §2.4): "file:" with an absolute path. One
  // line end after the PIN is not part of it. Code::malformed for another kind of source, or a file that
  // other users can access. Code::unavailable if the file cannot be read or holds no PIN of 1 to 255 bytes.
  // Code::wrong_code if the file still has the stamp `refused`: the token rejected that PIN, and it locks
  // after a few tries.
  static Result<PinFile> open(std::string_view pin_source, ByteView refused = {});
  PinFile(PinFile&& other) noexcept;
  PinFile& operator=(PinFile&&) = delete;
  ~PinFile();

  const Secret& pin() const { return pin_; }
  // Device, inode, size, and times of the last changes of content and inode: different for each PIN written
  // to the file. It reveals nothing of the PIN; a hash of the PIN would be easy to guess.
  const Bytes& stamp() const { return stamp_; }
  // What the operator should do about a rejected PIN.
  std::string advice() const;

 private:
  PinFile(int fd, std::string path) : fd_(fd), path_(std::move(path)), pin_(0) {}
  int fd_;
  std::string path_;
  Bytes stamp_;
  Secret pin_;
};

}  // namespace coprotect::hsm
