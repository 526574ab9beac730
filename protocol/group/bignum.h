#pragma once

#include <openssl/bn.h>

#include <algorithm>
#include <utility>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// OpenSSL's integers for the sources of this folder. Their functions fail only when memory runs out or
// through a defect of ours, so a failure ends the process.

using Bignum = Owned<BIGNUM, BN_clear_free>;
using BignumContext = Owned<BN_CTX, BN_CTX_free>;

inline void ensure(int ok) {
  invariant(ok == 1);
}

inline Bignum new_bignum() {
  Bignum n(BN_new());
  invariant(n != nullptr);
  return n;
}
// A new context for each call, not one for each thread: a long-lived context would keep copies of secret
// values.
inline BignumContext new_context() {
  BignumContext context(BN_CTX_new());
  invariant(context != nullptr);
  return context;
}
// OS2IP.
inline Bignum bignum(ByteView bytes) {
  Bignum n(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  invariant(n != nullptr);
  return n;
}
// OS2IP for a secret. The running time of BN_bin2bn reveals how many leading zero bytes it skips, and such
// leaks from many nonces give a share away. So a leading one is added, and removed afterwards.
inline Bignum secret_bignum(ByteView bytes) {
  Secret marked(1 + bytes.size());
  marked.fill().front() = 1;
  std::copy(bytes.begin(), bytes.end(), marked.fill().begin() + 1);
  Bignum n = bignum(marked.reveal());
  ensure(BN_mask_bits(n.get(), static_cast<int>(8 * bytes.size())));
  return n;
}
inline Bignum copy(const BIGNUM* n) {
  Bignum c(BN_dup(n));
  invariant(c != nullptr);
  return c;
}
// I2OSP; aborts if out is too short.
inline void write_bytes(const BIGNUM* n, std::span<std::uint8_t> out) {
  invariant(BN_bn2binpad(n, out.data(), static_cast<int>(out.size())) == static_cast<int>(out.size()));
}

}  // namespace coprotect::protocol
