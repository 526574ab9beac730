#pragma once

#include <algorithm>

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {

// Returns the bytes that it was constructed with, in order. Aborts when they run out. For vectors.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void fill(std::span<std::uint8_t> out) override {
    invariant(bytes_.size() - used_ >= out.size());
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(used_), out.size(), out.begin());
    used_ += out.size();
  }
  bool used_up() const { return used_ == bytes_.size(); }

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

// Returns the same byte again and again, like a generator in a virtual machine restored to a snapshot.
class StuckRandom final : public Random {
 public:
  explicit StuckRandom(std::uint8_t byte = 7) : byte_(byte) {}
  void fill(std::span<std::uint8_t> out) override { std::ranges::fill(out, byte_); }

 private:
  std::uint8_t byte_;
};

}  // namespace coprotect::protocol
