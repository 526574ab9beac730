#pragma once

#include "protocol/base/bytes.h"

namespace coprotect {

// Says that a value may be known, although it was computed from secrets: a verdict that is answered, a
// rejected sample. Each call says why. Programs link declassify_none.cc, where this does nothing; the
// constant-time test (protocol/constant_time) links declassify_valgrind.cc, where it is the one way to end
// valgrind's tracking of a secret.
void declassify(ByteView bytes) noexcept;

template <typename T>
T declassified(T value) noexcept {
  declassify({reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  return value;
}

}  // namespace coprotect
