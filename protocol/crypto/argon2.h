#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

struct Argon2Cost {
  std::uint32_t memory_kib;
  std::uint32_t passes;
  std::uint8_t lanes;
};
constexpr Argon2Cost kCodeCost{65'536, 1, 1};

// Refuses (Code::malformed) costs outside the limits of SPEC.md §8.2, so that a hostile file cannot ask for 4
// TiB.
Status check_argon2_cost(const Argon2Cost& cost);

// Argon2id version 1.3 (RFC 9106), 32 bytes out. Its working memory is wiped, not locked. Fails with
// Code::malformed for a cost outside the limits, Code::unavailable if the memory cannot be had.
Result<Secret> argon2id(ByteView input, ByteView salt, const Argon2Cost& cost);

}  // namespace coprotect::protocol
