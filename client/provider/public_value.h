#pragma once

#include <openssl/bn.h>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::provider {

using Number = Owned<BIGNUM, BN_free>;
Number number_of(ByteView bytes);

// Public values in the one form that this provider stores: an uncompressed P-256 point (65 bytes), or a
// number in the prime's width. Both return Code::malformed for a value that is not a member of the group
// other than the identity. Nothing here is secret.

// The strength of a group whose shared secrets have this size (NIST SP 800-57 Part 1, table 2; RFC 7919 §A).
constexpr int security_bits(std::size_t shared_secret_size) {
  return shared_secret_size == 256 ? 112 : shared_secret_size == 512 ? 152 : 128;
}

// SEC 1 §2.3.4: compressed or uncompressed.
Result<Bytes> parse_point(ByteView encoded);
// For the quadratic residues modulo a safe prime. `value` is big-endian; leading zeros are optional.
Result<Bytes> parse_residue(ByteView prime, ByteView value);

}  // namespace coprotect::provider
