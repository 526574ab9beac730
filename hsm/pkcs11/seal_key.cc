#include "hsm/pkcs11/seal_key.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/random.h"

namespace coprotect::hsm::pkcs11 {
namespace {

constexpr std::string_view kLabel = "coprotect-seal";
constexpr std::size_t kTagSize = 16;
constexpr CK_BBOOL kTrue = CK_TRUE;
constexpr CK_BBOOL kFalse = CK_FALSE;
constexpr CK_OBJECT_CLASS kSecretKey = CKO_SECRET_KEY;
constexpr CK_KEY_TYPE kAes = CKK_AES;
constexpr CK_ULONG kKeySize = 32;

std::vector<CK_ATTRIBUTE> any_seal_key() {
  return {attribute(CKA_CLASS, kSecretKey), attribute(CKA_KEY_TYPE, kAes), attribute(CKA_TOKEN, kTrue),
          attribute(CKA_LABEL, bytes_of(kLabel))};
}

// All six members are needed by SoftHSM2, though PKCS#11 2.40 forgot iv_bits.
CK_GCM_PARAMS gcm_parameters(const ByteArray<12>& nonce, ByteView aad) {
  return {.iv_ptr = const_cast<std::uint8_t*>(nonce.data()),
          .iv_len = nonce.size(),
          .iv_bits = 8 * nonce.size(),
          .aad_ptr = const_cast<std::uint8_t*>(aad.data()),
          .aad_len = aad.size(),
          .tag_bits = 8 * kTagSize};
}

}  // namespace

Result<SealKey> SealKey::find_or_make(const Session& session) {
  const auto found = session.find(any_seal_key(), 1);
  if (!found) return found.error();
  if (found->empty()) return make(session);
  SealKey key(session, found->front(), {});
  CK_ATTRIBUTE id = {CKA_ID, key.id_.data(), key.id_.size()};
  auto read =
      check("C_GetAttributeValue", session.module().C_GetAttributeValue(session.handle(), key.key_, &id, 1));
  if (!read) return std::move(read).error();
  if (id.ulValueLen != key.id_.size())
    return Error(Code::internal, "the token's coprotect-seal key is not ours");
  auto stays = key.stays_in_the_token();
  if (!stays) return std::move(stays).error();
  return key;
}

Result<SealKey> SealKey::make(const Session& session) {
  SealKey key(session, 0, {});
  system_random().fill(key.id_);
  std::vector<CK_ATTRIBUTE> attributes = any_seal_key();
  attributes.insert(attributes.end(), {attribute(CKA_ID, key.id_), attribute(CKA_PRIVATE, kTrue),
                                       attribute(CKA_SENSITIVE, kTrue), attribute(CKA_EXTRACTABLE, kFalse),
                                       attribute(CKA_ENCRYPT, kTrue), attribute(CKA_DECRYPT, kTrue),
                                       attribute(CKA_VALUE_LEN, kKeySize)});
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  auto made =
      check("C_GenerateKey", session.module().C_GenerateKey(session.handle(), &mechanism, attributes.data(),
                                                            attributes.size(), &key.key_));
  if (!made) return std::move(made).error();
  return key;
}

Result<SealKey> SealKey::find(const Session& session, const SealKeyId& id) {
  std::vector<CK_ATTRIBUTE> attributes = any_seal_key();
  attributes.push_back(attribute(CKA_ID, id));
  const auto found = session.find(std::move(attributes), 1);
  if (!found) return found.error();
  if (found->empty()) return Error(Code::not_found, "the token has no such sealing key");
  return SealKey(session, found->front(), id);
}

Status SealKey::stays_in_the_token() const {
  CK_BBOOL sensitive = CK_FALSE;
  CK_BBOOL extractable = CK_TRUE;
  std::array<CK_ATTRIBUTE, 2> attributes = {attribute(CKA_SENSITIVE, sensitive),
                                            attribute(CKA_EXTRACTABLE, extractable)};
  auto read = check(
      "C_GetAttributeValue",
      session_->module().C_GetAttributeValue(session_->handle(), key_, attributes.data(), attributes.size()));
  if (!read) return read;
  if (sensitive != CK_TRUE || extractable != CK_FALSE)
    return Error(Code::internal, "the token's coprotect-seal key can be taken out of the token");
  return Done{};
}

Result<Bytes> SealKey::encrypt(const ByteArray<12>& nonce, ByteView aad, const Secret& plaintext) const {
  CK_GCM_PARAMS parameters = gcm_parameters(nonce, aad);
  CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
  auto begun = check("C_EncryptInit", session_->module().C_EncryptInit(session_->handle(), &mechanism, key_));
  if (!begun) return std::move(begun).error();
  Secret input = plaintext.clone();
  Bytes ciphertext(plaintext.size() + kTagSize);
  CK_ULONG size = ciphertext.size();
  auto done = check("C_Encrypt", session_->module().C_Encrypt(session_->handle(), input.fill().data(),
                                                              input.size(), ciphertext.data(), &size));
  if (!done) return std::move(done).error();
  if (size != ciphertext.size())
    return Error(Code::internal, "C_Encrypt: not as many bytes as AES-GCM makes");
  return ciphertext;
}

Result<Secret> SealKey::decrypt(const ByteArray<12>& nonce, ByteView aad, ByteView ciphertext) const {
  CK_GCM_PARAMS parameters = gcm_parameters(nonce, aad);
  CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
  auto begun = check("C_DecryptInit", session_->module().C_DecryptInit(session_->handle(), &mechanism, key_));
  if (!begun) return std::move(begun).error();
  Bytes input(ciphertext.begin(), ciphertext.end());
  Secret plaintext(ciphertext.size());  // SoftHSM2 wants room for the tag too
  CK_ULONG size = plaintext.size();
  const CK_RV value = session_->module().C_Decrypt(session_->handle(), input.data(), input.size(),
                                                   plaintext.fill().data(), &size);
  auto done = check("C_Decrypt", value);
  // Tokens report a tag that does not fit with a general error, like a fault. A token that still works had no
  // fault.
  if (!done && works()) return Error(Code::altered, "the token cannot decrypt the sealed key");
  if (!done) return std::move(done).error();
  return Secret::copy_of(plaintext.reveal().first(std::min<std::size_t>(size, plaintext.size())));
}

// Whether the token encrypts and decrypts something of its own.
bool SealKey::works() const {
  ByteArray<12> nonce;
  system_random().fill(nonce);
  const auto sealed = encrypt(nonce, {}, Secret(1));
  if (!sealed) return false;
  CK_GCM_PARAMS parameters = gcm_parameters(nonce, {});
  CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
  if (session_->module().C_DecryptInit(session_->handle(), &mechanism, key_) != CKR_OK) return false;
  Bytes input = *sealed;
  Bytes output(input.size());
  CK_ULONG size = output.size();
  return session_->module().C_Decrypt(session_->handle(), input.data(), input.size(), output.data(), &size) ==
         CKR_OK;
}

}  // namespace coprotect::hsm::pkcs11
