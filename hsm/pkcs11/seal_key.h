#pragma once

#include "hsm/pkcs11/session.h"

namespace coprotect::hsm::pkcs11 {

using SealKeyId = ByteArray<16>;  // CKA_ID of a sealing key, random

// The token's own AES-256 key for sealing, labelled "coprotect-seal": made on the token, sensitive, not
// extractable, and usable only after login. It never leaves the token.
class SealKey {
 public:
  // Makes the key if there is none. Fails with Code::internal if there is one that can be taken out of the
  // token.
  static Result<SealKey> find_or_make(const Session& session);
  // Code::not_found if the token has no such key.
  static Result<SealKey> find(const Session& session, const SealKeyId& id);

  const SealKeyId& id() const { return id_; }

  // CKM_AES_GCM with a nonce of 12 and a tag of 16 bytes, which stands behind the ciphertext.
  Result<Bytes> encrypt(const ByteArray<12>& nonce, ByteView aad, const Secret& plaintext) const;
  // Code::altered if it was not encrypted with this key, nonce and aad.
  Result<Secret> decrypt(const ByteArray<12>& nonce, ByteView aad, ByteView ciphertext) const;

 private:
  SealKey(const Session& session, CK_OBJECT_HANDLE key, const SealKeyId& id)
      : session_(&session), key_(key), id_(id) {}
  static Result<SealKey> make(const Session& session);
  Status stays_in_the_token() const;
  bool works() const;

  const Session* session_;
  CK_OBJECT_HANDLE key_;
  SealKeyId id_;
};

}  // namespace coprotect::hsm::pkcs11
