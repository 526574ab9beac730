#pragma once

#include <algorithm>

#include "protocol/base/secret.h"

namespace coprotect::protocol {

// The input of a proof's hash. It is in locked memory because it contains partial decryptions and nonces.
// Aborts if more is added than its capacity.
class Transcript {
 public:
  explicit Transcript(std::size_t capacity) : memory_(capacity) {}

  Transcript& add(ByteView bytes) {
    invariant(bytes.size() <= memory_.size() - size_);
    std::copy(bytes.begin(), bytes.end(), memory_.fill().begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
    return *this;
  }
  Transcript& add_u16(std::size_t value) {
    invariant(value <= 0xffff);
    return add(ByteArray<2>{static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)});
  }
  // lp(bytes) of SPEC.md §1.
  Transcript& add_lp(ByteView bytes) { return add_u16(bytes.size()).add(bytes); }

  ByteView reveal() const { return memory_.reveal().first(size_); }

 private:
  Secret memory_;
  std::size_t size_ = 0;
};

}  // namespace coprotect::protocol
