#pragma once

#include <gmp.h>

#include <algorithm>

#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

static_assert(GMP_NUMB_BITS == 64);

// Limbs in locked memory, least significant first.
class Limbs {
 public:
  explicit Limbs(std::size_t count) : memory_(count * kBytes), count_(count) {}
  // OS2IP(bytes), at least `least` limbs long.
  Limbs(ByteView bytes, std::size_t least) : Limbs(std::max(least, (bytes.size() + kBytes - 1) / kBytes)) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::size_t place = bytes.size() - 1 - i;
      data()[place / kBytes] |= mp_limb_t{bytes[i]} << (8 * (place % kBytes));
    }
  }

  // The arena aligns to 16 bytes.
  mp_limb_t* data() { return reinterpret_cast<mp_limb_t*>(memory_.fill().data()); }
  const mp_limb_t* data() const { return reinterpret_cast<const mp_limb_t*>(memory_.reveal().data()); }
  std::size_t count() const { return count_; }

  // I2OSP of the low limbs.
  Secret to_bytes(std::size_t size) const {
    Secret bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t place = size - 1 - i;
      bytes.fill()[i] = static_cast<std::uint8_t>(data()[place / kBytes] >> (8 * (place % kBytes)));
    }
    return bytes;
  }

 private:
  static constexpr std::size_t kBytes = sizeof(mp_limb_t);
  Secret memory_;
  std::size_t count_;
};

}  // namespace coprotect::protocol
