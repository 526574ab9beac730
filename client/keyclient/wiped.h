#pragma once

#include <cstring>
#include <utility>

#include "protocol/base/bytes.h"

namespace coprotect::keyclient {

// Secret bytes inside a foreign program. They are wiped on release but not locked, because the limit of
// locked memory belongs to that program, and it receives these bytes to use them. Can be moved, not copied.
class WipedBytes {
 public:
  WipedBytes() = default;
  explicit WipedBytes(std::size_t size) : bytes_(size) {}
  static WipedBytes copy_of(ByteView bytes) {
    WipedBytes copy;
    copy.bytes_.assign(bytes.begin(), bytes.end());
    return copy;
  }
  WipedBytes(WipedBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  WipedBytes& operator=(WipedBytes&& other) noexcept {
    WipedBytes taken(std::move(other));
    bytes_.swap(taken.bytes_);
    return *this;
  }
  ~WipedBytes() {
    if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
  }

  std::size_t size() const { return bytes_.size(); }
  ByteView reveal() const { return bytes_; }
  std::span<std::uint8_t> fill() { return bytes_; }

 private:
  Bytes bytes_;  // never grows: a growing vector leaves old contents in freed memory
};

}  // namespace coprotect::keyclient
