#pragma once

#include <cstring>
#include <utility>

#include "protocol/base/bytes.h"

namespace coprotect::keyclient {

// Secret bytes inside somebody else's program: wiped when they go, but not locked, because that program's
// limit of locked memory is its own, and it was given these bytes to use them. Moves; never copies.
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
  Bytes bytes_;  // never grows: a vector that does leaves what it had in freed memory
};

}  // namespace coprotect::keyclient
