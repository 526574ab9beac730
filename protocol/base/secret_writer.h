#pragma once

#include <algorithm>
#include <concepts>
#include <limits>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect {

// Writer for secrets. The buffer is locked memory, and each outgrown buffer is wiped.
class SecretWriter {
 public:
  SecretWriter& bytes(ByteView b) {
    if (b.size() > buffer_.size() - size_) grow(size_ + b.size());
    std::copy(b.begin(), b.end(), buffer_.fill().data() + size_);
    size_ += b.size();
    return *this;
  }
  SecretWriter& u8(std::uint8_t v) { return integer(v); }
  SecretWriter& u16(std::uint16_t v) { return integer(v); }
  SecretWriter& u32(std::uint32_t v) { return integer(v); }
  SecretWriter& u64(std::uint64_t v) { return integer(v); }
  SecretWriter& lp(ByteView b) {
    invariant(b.size() <= std::numeric_limits<std::uint16_t>::max());
    return u16(static_cast<std::uint16_t>(b.size())).bytes(b);
  }
  SecretWriter& lp(std::string_view text) { return lp(bytes_of(text)); }

  ByteView reveal() const { return buffer_.reveal().first(size_); }
  Secret take() && { return Secret::copy_of(reveal()); }

 private:
  void grow(std::size_t needed) {
    Secret larger(std::max(needed, 2 * buffer_.size()));
    std::copy_n(buffer_.reveal().data(), size_, larger.fill().data());
    buffer_ = std::move(larger);
  }
  template <std::unsigned_integral T>
  SecretWriter& integer(T v) {
    ByteArray<sizeof(T)> encoded;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      encoded[i] = static_cast<std::uint8_t>(v >> (8 * (sizeof(T) - 1 - i)));
    }
    return bytes(encoded);
  }

  Secret buffer_{256};
  std::size_t size_ = 0;
};

}  // namespace coprotect
