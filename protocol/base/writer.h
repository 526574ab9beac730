#pragma once

#include <algorithm>
#include <concepts>
#include <limits>
#include <string_view>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect {

// Appends fields to a byte string, for Reader to read. Not for secrets: the buffer is ordinary memory.
class Writer {
 public:
  Writer& bytes(ByteView b) {
    // Not insert(): optimising g++ 12 issues a false array-bounds warning for it.
    const std::size_t end = out_.size();
    out_.resize(end + b.size());
    std::copy(b.begin(), b.end(), out_.begin() + static_cast<std::ptrdiff_t>(end));
    return *this;
  }
  Writer& literal(std::string_view text) { return bytes(bytes_of(text)); }
  Writer& u8(std::uint8_t v) { return integer(v); }
  Writer& u16(std::uint16_t v) { return integer(v); }
  Writer& u32(std::uint32_t v) { return integer(v); }
  Writer& u64(std::uint64_t v) { return integer(v); }
  // u16 length, then b. Aborts if b is longer than 65 535 bytes: the caller must check.
  Writer& lp(ByteView b) {
    invariant(b.size() <= std::numeric_limits<std::uint16_t>::max());
    return u16(static_cast<std::uint16_t>(b.size())).bytes(b);
  }
  Writer& lp(std::string_view text) { return lp(bytes_of(text)); }
  // u32 length, then b.
  Writer& lp4(ByteView b) {
    invariant(b.size() <= std::numeric_limits<std::uint32_t>::max());
    return u32(static_cast<std::uint32_t>(b.size())).bytes(b);
  }

  ByteView view() const { return out_; }
  Bytes take() && { return std::move(out_); }

 private:
  template <std::unsigned_integral T>
  Writer& integer(T v) {
    for (std::size_t i = sizeof(T); i-- > 0;) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
    return *this;
  }

  Bytes out_;
};

}  // namespace coprotect
