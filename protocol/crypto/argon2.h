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

// Code::malformed for a cost outside the limits of SPEC.md §8.2, so that a hostile file cannot demand 4 TiB.
Status check_argon2_cost(const Argon2Cost& cost);

// Argon2id version 1.3 (RFC 9106) with 32 bytes of output. Its working memory is wiped, not locked.
// Code::malformed for a cost outside the limits. Code::unavailable if the memory cannot be allocated.
Result<Secret> argon2id(ByteView input, ByteView salt, const Argon2Cost& cost);

}  // namespace coprotect::protocol
