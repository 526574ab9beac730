#pragma once

#include "hsm/pkcs11/session.h"

namespace coprotect::hsm::pkcs11 {

using SealKeyId = ByteArray<16>;  // CKA_ID of a sealing key, random

// The token's own AES-256 key for sealing: generated on the token, sensitive, not extractable, usable only
// after login and only to encrypt and decrypt. It never leaves the token.
class SealKey {
 public:
  static Result<SealKey> make(const Session& session, std::string_view label, const SealKeyId& id);
  // All keys with this label and, if given, this id. check_attributes() decides whether one may be used.
  static Result<std::vector<SealKey>> find_all(const Session& session, std::string_view label,
                                               const std::optional<SealKeyId>& id = std::nullopt);

  // Code::internal, naming the attribute, unless every attribute about the key's present and past uses is as
  // make() sets it. For example, a key that may also wrap could release what it sealed.
  Status check_attributes() const;
  // 16 bytes that only this key produces: the AES-GCM tag over 16 zeros with an all-zero nonce, which is used
  // for nothing else.
  Result<ByteArray<16>> check_value() const;

  const SealKeyId& id() const { return id_; }
  Status destroy() const;

  // CKM_AES_GCM with a nonce of 12 bytes and a tag of 16 bytes, which follows the ciphertext.
  Result<Bytes> encrypt(const ByteArray<12>& nonce, ByteView aad, const Secret& plaintext) const;
  // Code::altered if it was not encrypted with this key, nonce and aad.
  Result<Secret> decrypt(const ByteArray<12>& nonce, ByteView aad, ByteView ciphertext) const;

 private:
  SealKey(const Session& session, CK_OBJECT_HANDLE key, const SealKeyId& id)
      : session_(&session), key_(key), id_(id) {}
  bool works() const;

  const Session* session_;
  CK_OBJECT_HANDLE key_;
  SealKeyId id_;
};

}  // namespace coprotect::hsm::pkcs11
