#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include "protocol/base/arena.h"
#include "protocol/base/bytes.h"

namespace coprotect {

// Bytes in locked memory, wiped on release. A Secret can be moved. It cannot be copied, compared with ==,
// printed or converted: reading it is always a visible call to reveal().
class Secret {
 public:
  // `size` zero bytes. Throws std::bad_alloc if no memory can be locked.
  explicit Secret(std::size_t size)
      : data_(static_cast<std::uint8_t*>(locked_memory::allocate(size == 0 ? 1 : size))), size_(size) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  // Copies the bytes into locked memory. The caller wipes a source that was not locked.
  static Secret copy_of(ByteView bytes) {
    Secret s(bytes.size());
    std::copy(bytes.begin(), bytes.end(), s.data_);
    return s;
  }
  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    Secret taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    return *this;
  }
  ~Secret() { locked_memory::release(data_); }

  std::size_t size() const { return size_; }
  ByteView reveal() const { return {data_, size_}; }
  std::span<std::uint8_t> fill() { return {data_, size_}; }
  // Another Secret with the same bytes. The call is explicit because each copy can leak.
  Secret clone() const { return copy_of(reveal()); }

 private:
  std::uint8_t* data_;
  std::size_t size_;
};

inline bool equal_in_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}
inline bool equal_in_constant_time(const Secret& a, const Secret& b) {
  return equal_in_constant_time(a.reveal(), b.reveal());
}

}  // namespace coprotect
