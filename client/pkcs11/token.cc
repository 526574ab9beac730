#include "client/pkcs11/token.h"

#include <array>

namespace coprotect::pkcs11 {
namespace {

using keyclient::Certificate;
using keyclient::Key;
using keyclient::Suite;

constexpr CK_OBJECT_HANDLE kObjectsPerToken = 3;
constexpr std::size_t kIdSize = 16;
// RFC 5480 §2.1.1.1: secp256r1, an OBJECT IDENTIFIER in DER.
constexpr ByteArray<10> kP256 = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr ByteArray<2> kPointHead = {0x04, 65};  // OCTET STRING header for a point's 65 bytes
constexpr ByteArray<1> kTwo = {2};               // the generator of RFC 7919's groups

// The attributes that the three objects share.
Object common(CK_OBJECT_CLASS kind, const Key& key, bool is_private) {
  Object object;
  object.set_number(CKA_CLASS, kind).set_bool(CKA_TOKEN, true).set_bool(CKA_PRIVATE, is_private);
  object.set_bool(CKA_MODIFIABLE, false).set_bool(CKA_COPYABLE, false).set_bool(CKA_DESTROYABLE, false);
  object.set(CKA_LABEL, key.name).set(CKA_ID, ByteView(key.key_id).first(kIdSize));
  object.set(CKA_START_DATE, ByteView()).set(CKA_END_DATE, ByteView());
  return object;
}

Object key_object(CK_OBJECT_CLASS kind, const Key& key, bool is_private, const Certificate& certificate) {
  Object object = common(kind, key, is_private);
  object.set_number(CKA_KEY_TYPE, key.suite == Suite::p256 ? CKK_EC : CKK_DH).set_bool(CKA_DERIVE, true);
  object.set_bool(CKA_LOCAL, false).set_number(CKA_KEY_GEN_MECHANISM, kUnavailable);
  object.set(CKA_SUBJECT, certificate.subject);
  if (key.suite == Suite::p256) {
    Bytes point(kPointHead.begin(), kPointHead.end());
    point.insert(point.end(), key.public_key.begin(), key.public_key.end());
    object.set(CKA_EC_PARAMS, kP256).set(CKA_EC_POINT, point);
  } else {
    object.set(CKA_PRIME, key.prime).set(CKA_BASE, kTwo);
  }
  return object;
}

Object private_key_object(const Key& key, const Certificate& certificate) {
  Object object = key_object(CKO_PRIVATE_KEY, key, key.login_needed, certificate);
  object.set_bool(CKA_SENSITIVE, true).set_bool(CKA_ALWAYS_SENSITIVE, true);
  object.set_bool(CKA_EXTRACTABLE, false).set_bool(CKA_NEVER_EXTRACTABLE, true);
  object.set_bool(CKA_DECRYPT, false).set_bool(CKA_SIGN, false).set_bool(CKA_SIGN_RECOVER, false);
  object.set_bool(CKA_UNWRAP, false).set_bool(CKA_WRAP_WITH_TRUSTED, false);
  object.set_bool(CKA_ALWAYS_AUTHENTICATE, false).set_hidden(CKA_VALUE);
  return object;
}

Object public_key_object(const Key& key, const Certificate& certificate) {
  Object object = key_object(CKO_PUBLIC_KEY, key, false, certificate);
  object.set_bool(CKA_ENCRYPT, false).set_bool(CKA_VERIFY, false).set_bool(CKA_VERIFY_RECOVER, false);
  object.set_bool(CKA_WRAP, false).set_bool(CKA_TRUSTED, false);
  if (key.suite != Suite::p256) object.set(CKA_VALUE, key.public_key);
  return object;
}

Object certificate_object(const Key& key, const Certificate& certificate) {
  Object object = common(CKO_CERTIFICATE, key, false);
  object.set_number(CKA_CERTIFICATE_TYPE, CKC_X_509).set_bool(CKA_TRUSTED, false);
  object.set_number(CKA_CERTIFICATE_CATEGORY, 1);  // the token user's
  object.set(CKA_VALUE, certificate.der).set(CKA_SUBJECT, certificate.subject);
  object.set(CKA_ISSUER, certificate.issuer).set(CKA_SERIAL_NUMBER, certificate.serial);
  return object;
}

}  // namespace

Token::Token(CK_SLOT_ID slot, Key key, const Certificate& certificate)
    : key_(std::move(key)), private_key_(slot * kObjectsPerToken + 1) {
  objects_.emplace(private_key_, private_key_object(key_, certificate));
  objects_.emplace(private_key_ + 1, public_key_object(key_, certificate));
  if (!certificate.der.empty()) objects_.emplace(private_key_ + 2, certificate_object(key_, certificate));
}

void Token::describe(CK_TOKEN_INFO& info) const {
  info = {};
  fill_text(info.label, key_.name);
  fill_text(info.manufacturerID, "CoProtect");
  fill_text(info.model, keyclient::suite_name(key_.suite));
  fill_text(info.serialNumber, to_hex(ByteView(key_.key_id).first(8)));
  // Nothing on it can be changed. Read-write sessions are still accepted, because programs open them.
  info.flags = CKF_TOKEN_INITIALIZED | CKF_WRITE_PROTECTED | CKF_RNG;
  if (key_.login_needed) info.flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  info.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulSessionCount = kUnavailable;
  info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulRwSessionCount = kUnavailable;
  info.ulMaxPinLen = keyclient::kMaxPassphrase;
  info.ulTotalPublicMemory = kUnavailable;
  info.ulFreePublicMemory = kUnavailable;
  info.ulTotalPrivateMemory = kUnavailable;
  info.ulFreePrivateMemory = kUnavailable;
}

CK_MECHANISM_TYPE Token::mechanism() const {
  return key_.suite == Suite::p256 ? CKM_ECDH1_DERIVE : CKM_DH_PKCS_DERIVE;
}

CK_MECHANISM_INFO Token::mechanism_info() const {
  const CK_ULONG bits = keyclient::shared_secret_size(key_.suite) * 8;
  CK_FLAGS flags = CKF_DERIVE;
  if (key_.suite == Suite::p256) flags |= CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
  return {.ulMinKeySize = bits, .ulMaxKeySize = bits, .flags = flags};
}

}  // namespace coprotect::pkcs11
