#include "hsm/pkcs11/seal_key.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "protocol/base/random.h"

namespace coprotect::hsm::pkcs11 {
namespace {

constexpr std::size_t kTagSize = 16;
constexpr CK_BBOOL kTrue = CK_TRUE;
constexpr CK_OBJECT_CLASS kSecretKey = CKO_SECRET_KEY;
constexpr CK_KEY_TYPE kAes = CKK_AES;
constexpr CK_ULONG kKeySize = 32;

struct Flag {
  CK_ATTRIBUTE_TYPE type;
  CK_BBOOL value;
  const char* name;
};
// Every attribute of PKCS#11 2.40 §4.10 about permitted uses of the key. The token chooses the value of an
// attribute that is not stated, and SoftHSM2, for example, chooses "yes".
constexpr std::array<Flag, 12> kAsked = {{{CKA_PRIVATE, CK_TRUE, "CKA_PRIVATE"},
                                          {CKA_SENSITIVE, CK_TRUE, "CKA_SENSITIVE"},
                                          {CKA_EXTRACTABLE, CK_FALSE, "CKA_EXTRACTABLE"},
                                          {CKA_ENCRYPT, CK_TRUE, "CKA_ENCRYPT"},
                                          {CKA_DECRYPT, CK_TRUE, "CKA_DECRYPT"},
                                          {CKA_SIGN, CK_FALSE, "CKA_SIGN"},
                                          {CKA_VERIFY, CK_FALSE, "CKA_VERIFY"},
                                          {CKA_WRAP, CK_FALSE, "CKA_WRAP"},
                                          {CKA_UNWRAP, CK_FALSE, "CKA_UNWRAP"},
                                          {CKA_DERIVE, CK_FALSE, "CKA_DERIVE"},
                                          {CKA_MODIFIABLE, CK_FALSE, "CKA_MODIFIABLE"},
                                          {CKA_COPYABLE, CK_FALSE, "CKA_COPYABLE"}}};
// The token's record of the key's past: generated on the token, and never exported.
constexpr std::array<Flag, 3> kHistory = {{{CKA_LOCAL, CK_TRUE, "CKA_LOCAL"},
                                           {CKA_ALWAYS_SENSITIVE, CK_TRUE, "CKA_ALWAYS_SENSITIVE"},
                                           {CKA_NEVER_EXTRACTABLE, CK_TRUE, "CKA_NEVER_EXTRACTABLE"}}};

std::vector<CK_ATTRIBUTE> any_of(std::string_view label) {
  return {attribute(CKA_CLASS, kSecretKey), attribute(CKA_KEY_TYPE, kAes), attribute(CKA_TOKEN, kTrue),
          attribute(CKA_LABEL, bytes_of(label))};
}

// SoftHSM2 needs all six members, although PKCS#11 2.40 omits iv_bits.
CK_GCM_PARAMS gcm_parameters(const ByteArray<12>& nonce, ByteView aad) {
  return {.iv_ptr = const_cast<std::uint8_t*>(nonce.data()),
          .iv_len = nonce.size(),
          .iv_bits = 8 * nonce.size(),
          .aad_ptr = const_cast<std::uint8_t*>(aad.data()),
          .aad_len = aad.size(),
          .tag_bits = 8 * kTagSize};
}

}  // namespace

Result<SealKey> SealKey::make(const Session& session, std::string_view label, const SealKeyId& id) {
  SealKey key(session, 0, id);
  std::vector<CK_ATTRIBUTE> attributes = any_of(label);
  attributes.insert(attributes.end(), {attribute(CKA_ID, key.id_), attribute(CKA_VALUE_LEN, kKeySize)});
  for (const Flag& flag : kAsked) attributes.push_back(attribute(flag.type, flag.value));
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  auto made =
      check("C_GenerateKey", session.module().C_GenerateKey(session.handle(), &mechanism, attributes.data(),
                                                            attributes.size(), &key.key_));
  if (!made) return std::move(made).error();
  return key;
}

Result<std::vector<SealKey>> SealKey::find_all(const Session& session, std::string_view label,
                                               const std::optional<SealKeyId>& id) {
  constexpr std::size_t kMost = 16;
  std::vector<CK_ATTRIBUTE> attributes = any_of(label);
  if (id) attributes.push_back(attribute(CKA_ID, *id));
  const auto found = session.find(std::move(attributes), kMost);
  if (!found) return found.error();
  std::vector<SealKey> keys;
  for (const CK_OBJECT_HANDLE handle : *found) {
    SealKey key(session, handle, {});
    CK_ATTRIBUTE its = {CKA_ID, key.id_.data(), key.id_.size()};
    // A key whose CKA_ID does not fit is not ours.
    if (session.module().C_GetAttributeValue(session.handle(), handle, &its, 1) == CKR_OK &&
        its.ulValueLen == key.id_.size())
      keys.push_back(key);
  }
  return keys;
}

Status SealKey::check_attributes() const {
  const auto check_flag = [&](const Flag& flag) -> Status {
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE wanted = attribute(flag.type, value);
    auto read = check(std::string("C_GetAttributeValue of ") + flag.name,
                      session_->module().C_GetAttributeValue(session_->handle(), key_, &wanted, 1));
    if (!read) return std::move(read).error();
    if (wanted.ulValueLen != sizeof value || value != flag.value)
      return Error(Code::internal, std::string("the token's key for sealing has ") + flag.name +
                                       (flag.value == CK_TRUE ? " not" : "") +
                                       " set, so it is not the key that CoProtect makes: move it to another "
                                       "label, or use another token");
    return Done{};
  };
  for (const Flag& flag : kAsked)
    if (auto fits = check_flag(flag); !fits) return fits;
  for (const Flag& flag : kHistory)
    if (auto fits = check_flag(flag); !fits) return fits;
  return Done{};
}

Status SealKey::destroy() const {
  return check("C_DestroyObject", session_->module().C_DestroyObject(session_->handle(), key_));
}

Result<ByteArray<16>> SealKey::check_value() const {
  const auto sealed = encrypt({}, bytes_of("CPV1-TOKEN-NAME"), Secret(16));
  if (!sealed) return sealed.error();
  ByteArray<16> tag;
  std::copy_n(sealed->end() - std::ssize(tag), tag.size(), tag.begin());
  return tag;
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
  Secret plaintext(ciphertext.size());  // SoftHSM2 needs room for the tag, too
  CK_ULONG size = plaintext.size();
  const CK_RV value = session_->module().C_Decrypt(session_->handle(), input.data(), input.size(),
                                                   plaintext.fill().data(), &size);
  auto done = check("C_Decrypt", value);
  // Tokens report a wrong tag with a general error, like a fault. If the token still works, it was not a
  // fault.
  if (!done && works()) return Error(Code::altered, "the token cannot decrypt the sealed key");
  if (!done) return std::move(done).error();
  return Secret::copy_of(plaintext.reveal().first(std::min<std::size_t>(size, plaintext.size())));
}

// Whether the token encrypts and decrypts a value of its own.
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
