#include "client/pkcs11/derivation.h"

#include <array>
#include <cstring>
#include <optional>

namespace coprotect::pkcs11 {
namespace {

using keyclient::Kdf;

std::optional<Kdf> kdf_of(CK_ULONG number) {
  switch (number) {
    case CKD_NULL:
      return Kdf::none;
    case CKD_SHA1_KDF:
      return Kdf::sha1;
    case CKD_SHA256_KDF:
      return Kdf::sha256;
    case CKD_SHA384_KDF:
      return Kdf::sha384;
    case CKD_SHA512_KDF:
      return Kdf::sha512;
    default:
      return std::nullopt;
  }
}

// A point may also be wrapped in an OCTET STRING in DER, like CKA_EC_POINT. The size tells the two apart,
// because both begin with 4.
ByteView without_octet_string(ByteView point) {
  constexpr std::size_t kHeader = 2;
  constexpr std::size_t kCompressed = 33;
  constexpr std::size_t kUncompressed = 65;
  const bool size_of_wrapped =
      point.size() == kHeader + kUncompressed || point.size() == kHeader + kCompressed;
  return size_of_wrapped && point[0] == 0x04 && point[1] == point.size() - kHeader ? point.subspan(kHeader)
                                                                                   : point;
}

CK_RV read_ecdh(const CK_MECHANISM& mechanism, keyclient::Derivation& derivation) {
  CK_ECDH1_DERIVE_PARAMS params;
  if (mechanism.pParameter == nullptr || mechanism.ulParameterLen != sizeof params)
    return CKR_MECHANISM_PARAM_INVALID;
  std::memcpy(&params, mechanism.pParameter, sizeof params);
  const auto kdf = kdf_of(params.kdf);
  if (!kdf || params.pPublicData == nullptr || params.ulPublicDataLen > keyclient::kMaxPeer ||
      (params.pSharedData == nullptr) != (params.ulSharedDataLen == 0) ||
      params.ulSharedDataLen > keyclient::kMaxSharedInfo ||
      (*kdf == Kdf::none && params.ulSharedDataLen != 0))
    return CKR_MECHANISM_PARAM_INVALID;
  derivation.kdf = *kdf;
  derivation.peer = without_octet_string({params.pPublicData, params.ulPublicDataLen});
  derivation.shared_info = {params.pSharedData, params.ulSharedDataLen};
  return CKR_OK;
}

CK_RV read_dh(const CK_MECHANISM& mechanism, keyclient::Derivation& derivation) {
  if (mechanism.pParameter == nullptr || mechanism.ulParameterLen > keyclient::kMaxPeer)
    return CKR_MECHANISM_PARAM_INVALID;
  derivation.kdf = Kdf::none;
  derivation.peer = {static_cast<const std::uint8_t*>(mechanism.pParameter), mechanism.ulParameterLen};
  // A number. Some programs put a sign byte before it.
  while (!derivation.peer.empty() && derivation.peer.front() == 0)
    derivation.peer = derivation.peer.subspan(1);
  return CKR_OK;
}

// The sizes of key types with only one size.
std::optional<CK_ULONG> size_of_type(CK_ULONG key_type) {
  switch (key_type) {
    case CKK_DES:
      return 8;
    case CKK_DES2:
      return 16;
    case CKK_DES3:
      return 24;
    default:
      return std::nullopt;
  }
}

CK_RV read_template(std::span<const CK_ATTRIBUTE> wanted, Object& key) {
  for (const CK_ATTRIBUTE& attribute : wanted) {
    if (attribute.pValue == nullptr && attribute.ulValueLen != 0) return CKR_ATTRIBUTE_VALUE_INVALID;
    switch (attribute.type) {
      case CKA_VALUE:
      case CKA_LOCAL:
      case CKA_ALWAYS_SENSITIVE:
      case CKA_NEVER_EXTRACTABLE:
      case CKA_KEY_GEN_MECHANISM:
        return CKR_TEMPLATE_INCONSISTENT;
      case CKA_CLASS:
      case CKA_KEY_TYPE:
      case CKA_VALUE_LEN:
        if (attribute.ulValueLen != sizeof(CK_ULONG)) return CKR_ATTRIBUTE_VALUE_INVALID;
        break;
      case CKA_TOKEN:
      case CKA_PRIVATE:
      case CKA_SENSITIVE:
      case CKA_EXTRACTABLE:
        if (attribute.ulValueLen != sizeof(CK_BBOOL)) return CKR_ATTRIBUTE_VALUE_INVALID;
        break;
      default:
        if ((attribute.type & CKF_ARRAY_ATTRIBUTE) != 0) return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    key.set(attribute.type, value_of(attribute));
  }
  if (key.bool_or(CKA_TOKEN, false)) return CKR_TOKEN_WRITE_PROTECTED;
  return key.number_or(CKA_CLASS, CKO_SECRET_KEY) == CKO_SECRET_KEY ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

Object secret_key() {
  Object key;
  key.set_number(CKA_CLASS, CKO_SECRET_KEY).set_number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  key.set_bool(CKA_TOKEN, false).set_bool(CKA_PRIVATE, false).set_bool(CKA_MODIFIABLE, false);
  key.set_bool(CKA_COPYABLE, false).set_bool(CKA_DESTROYABLE, true).set(CKA_LABEL, "").set(CKA_ID, "");
  key.set_bool(CKA_SENSITIVE, false).set_bool(CKA_EXTRACTABLE, true);
  // The secret comes from a key agreement, so the other side has it too.
  key.set_bool(CKA_ALWAYS_SENSITIVE, false).set_bool(CKA_NEVER_EXTRACTABLE, false).set_bool(CKA_LOCAL, false);
  key.set_number(CKA_KEY_GEN_MECHANISM, kUnavailable);
  for (const CK_ATTRIBUTE_TYPE use :
       {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE})
    key.set_bool(use, false);
  return key;
}

}  // namespace

CK_RV read_derive_request(const Token& token, const CK_MECHANISM& mechanism,
                          std::span<const CK_ATTRIBUTE> wanted, DeriveRequest& request) {
  if (mechanism.mechanism != token.mechanism()) return CKR_MECHANISM_INVALID;
  request.derivation.key_id = token.key().key_id;
  const CK_RV read = mechanism.mechanism == CKM_ECDH1_DERIVE ? read_ecdh(mechanism, request.derivation)
                                                             : read_dh(mechanism, request.derivation);
  if (read != CKR_OK) return read;
  if (request.derivation.peer.empty()) return CKR_MECHANISM_PARAM_INVALID;

  request.key = secret_key();
  if (const CK_RV fits = read_template(wanted, request.key); fits != CKR_OK) return fits;
  const CK_ULONG whole = keyclient::shared_secret_size(token.key().suite);
  const CK_ULONG of_type =
      size_of_type(request.key.number_or(CKA_KEY_TYPE, CKK_GENERIC_SECRET)).value_or(whole);
  const CK_ULONG size = request.key.number_or(CKA_VALUE_LEN, of_type);
  const CK_ULONG largest = request.derivation.kdf == Kdf::none ? whole : keyclient::kMaxDerived;
  if (size == 0 || size > largest) return CKR_KEY_SIZE_RANGE;
  request.derivation.size = static_cast<std::uint16_t>(size);
  return CKR_OK;
}

void set_value(Object& key, ByteView value) {
  key.set_number(CKA_VALUE_LEN, value.size());
  if (key.bool_or(CKA_SENSITIVE, false) || !key.bool_or(CKA_EXTRACTABLE, true))
    key.set_hidden(CKA_VALUE);
  else
    key.set(CKA_VALUE, value);
}

}  // namespace coprotect::pkcs11
