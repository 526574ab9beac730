#pragma once

#include "hsm/share_keeper.h"
#include "hsm/token.h"

namespace coprotect::hsm {

// What the store holds of a sealed share: the share under a wrapping key that only the token unseals.
//   version u8 = 1 | sealed key lp | nonce 12 | AES-256-GCM(wrapping key, nonce, aad, scalar)
//   aad = "CPV1-SHARE" | tenant | key_id 32 | purpose u8 | suite u16 | index u8 | epoch u32 | sealed key lp
struct ShareRecord {
  Bytes sealed_key;
  ByteArray<12> nonce;
  Bytes ciphertext;

  static Bytes wrap(const ShareId& id, const SealedKey& key, const protocol::Scalar& share);
  // Code::altered for everything but an encoded record.
  static Result<ShareRecord> parse(ByteView encoded);
  // Code::altered if key or id is not the one that the share was wrapped with.
  Result<protocol::Scalar> unwrap(const ShareId& id, const Secret& key) const;
};

}  // namespace coprotect::hsm
