#pragma once

#include "protocol/base/bytes.h"

namespace coprotect {

// States that a value may become public although it was computed from secrets: a verdict that is sent, a
// rejected sample. Each call says why. Programs link declassify_none.cc, where this does nothing. The
// constant-time test (protocol/constant_time) links declassify_valgrind.cc, where only this call ends
// valgrind's tracking of a secret.
void declassify(ByteView bytes) noexcept;

template <typename T>
T declassified(T value) noexcept {
  declassify({reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  return value;
}

}  // namespace coprotect
