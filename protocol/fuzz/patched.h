#pragma once

#include <algorithm>

#include "protocol/base/bytes.h"
#include "protocol/base/reader.h"

namespace coprotect::fuzz {

// A valid message with the fuzzer's changes applied. Each change is an offset, a kind and bytes. So even with
// an empty corpus a target reaches code behind certificates and hashes.
inline Bytes patched(Bytes good, ByteView changes) {
  Reader r(changes);
  while (!r.empty() && !good.empty()) {
    const std::size_t at = r.u16().value_or(0) % good.size();
    const auto place = good.begin() + static_cast<std::ptrdiff_t>(at);
    const std::uint8_t kind = r.u8().value_or(0);
    const std::uint8_t value = r.u8().value_or(0);
    switch (kind % 4) {
      case 0:
        *place = value;
        break;
      case 1:
        good.insert(place, value);
        break;
      case 2:
        good.erase(place);
        break;
      case 3: {
        const std::size_t count = std::min(std::min<std::size_t>(value, r.size()), good.size() - at);
        const ByteView bytes = *r.bytes(count);
        std::copy(bytes.begin(), bytes.end(), place);
        break;
      }
    }
  }
  return good;
}

}  // namespace coprotect::fuzz
