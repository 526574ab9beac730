#pragma once

#include "hsm/epoch_keys.h"
#include "hsm/share_keeper.h"
#include "hsm/token.h"

namespace coprotect::hsm {

// What the store holds of something that belongs to an epoch. Opening it needs both a wrapping key, which
// only the token unseals, and the epoch's key. Without the first it is useless beside another token;
// destroying the second erases it.
//   version u8 = 1 | sealed key lp | nonce 12 | AES-256-GCM(key, nonce, aad, content)
//   key = HKDF-SHA256(salt empty, ikm = wrapping key 32 ‖ epoch's key 32, info = "CPV1-EPOCH-RECORD", 32)
//   aad = what it is, as its user says | sealed key lp
struct EpochRecord {
  Bytes sealed_key;
  ByteArray<12> nonce;
  Bytes ciphertext;

  static Bytes wrap(ByteView what, const SealedKey& key, const Secret& epoch_key, ByteView content);
  // Code::altered for anything but an encoded record.
  static Result<EpochRecord> parse(ByteView encoded);
  // Code::altered if either key or `what` differs from those it was wrapped with.
  Result<Secret> unwrap(ByteView what, const Secret& key, const Secret& epoch_key) const;
};

// A share as the content of such a record.
//   aad = "CPV1-SHARE" | tenant | key_id 32 | purpose u8 | suite u16 | index u8 | epoch u32 | sealed key lp
Bytes wrap_share(const ShareId& id, const SealedKey& key, const Secret& epoch_key,
                 const protocol::Scalar& share);
Result<protocol::Scalar> unwrap_share(const EpochRecord& record, const ShareId& id, const Secret& key,
                                      const Secret& epoch_key);

// Other bytes of an epoch.
//   aad = "CPV1-EPOCH-BYTES" | key_id 32 | epoch u32 | what lp | sealed key lp
Bytes about_bytes(const EpochId& epoch, std::string_view what);

}  // namespace coprotect::hsm
