#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "protocol/base/bytes.h"

namespace coprotect {

// Reads fields from the front of untrusted bytes. A failed read consumes nothing. Integers are big-endian
// (protocol/SPEC.md §1).
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  std::optional<ByteView> bytes(std::size_t n) {
    if (n > rest_.size()) return std::nullopt;
    const ByteView head = rest_.first(n);
    rest_ = rest_.subspan(n);
    return head;
  }
  template <std::size_t N>
  std::optional<ByteArray<N>> array() {
    const auto b = bytes(N);
    if (!b) return std::nullopt;
    ByteArray<N> a;
    std::memcpy(a.data(), b->data(), N);
    return a;
  }
  std::optional<std::uint8_t> u8() { return integer<std::uint8_t>(); }
  std::optional<std::uint16_t> u16() { return integer<std::uint16_t>(); }
  std::optional<std::uint32_t> u32() { return integer<std::uint32_t>(); }
  std::optional<std::uint64_t> u64() { return integer<std::uint64_t>(); }
  // lp(x): u16 length, then x.
  std::optional<ByteView> lp() { return prefixed<std::uint16_t>(); }
  // lp4(x): u32 length, then x.
  std::optional<ByteView> lp4() { return prefixed<std::uint32_t>(); }
  std::optional<std::string> text() {
    const auto b = lp();
    if (!b) return std::nullopt;
    return std::string(text_of(*b));
  }
  // Consumes the given bytes if they come next.
  bool literal(std::string_view expected) {
    if (rest_.size() < expected.size() || text_of(rest_.first(expected.size())) != expected) return false;
    rest_ = rest_.subspan(expected.size());
    return true;
  }

  bool empty() const { return rest_.empty(); }
  std::size_t size() const { return rest_.size(); }
  ByteView rest() const { return rest_; }

 private:
  template <typename T>
  std::optional<T> integer() {
    const auto b = bytes(sizeof(T));
    if (!b) return std::nullopt;
    T value = 0;
    for (const std::uint8_t byte : *b) value = static_cast<T>((std::uint64_t{value} << 8) | byte);
    return value;
  }
  template <typename T>
  std::optional<ByteView> prefixed() {
    const Reader before = *this;
    const auto n = integer<T>();
    if (!n) return std::nullopt;
    const auto b = bytes(*n);
    if (!b) *this = before;
    return b;
  }

  ByteView rest_;
};

}  // namespace coprotect
