#include "client/pkcs11/object.h"

#include <algorithm>
#include <cstring>

namespace coprotect::pkcs11 {

Object& Object::set(CK_ATTRIBUTE_TYPE type, ByteView value) {
  values_.insert_or_assign(type, keyclient::WipedBytes::copy_of(value));
  return *this;
}

Object& Object::set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return set(type, ByteView(reinterpret_cast<const std::uint8_t*>(&value), sizeof value));
}

Object& Object::set_bool(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL encoded = value ? CK_TRUE : CK_FALSE;
  return set(type, ByteView(&encoded, sizeof encoded));
}

bool Object::bool_or(CK_ATTRIBUTE_TYPE type, bool otherwise) const {
  const auto found = values_.find(type);
  if (found == values_.end() || found->second.size() != sizeof(CK_BBOOL)) return otherwise;
  return found->second.reveal()[0] != CK_FALSE;
}

CK_ULONG Object::number_or(CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise) const {
  const auto found = values_.find(type);
  if (found == values_.end() || found->second.size() != sizeof(CK_ULONG)) return otherwise;
  CK_ULONG value = 0;
  std::memcpy(&value, found->second.reveal().data(), sizeof value);
  return value;
}

CK_RV Object::read(CK_ATTRIBUTE& into) const {
  const auto refuse = [&into](CK_RV why) {
    into.ulValueLen = kUnavailable;
    return why;
  };
  if (hidden_.contains(into.type)) return refuse(CKR_ATTRIBUTE_SENSITIVE);
  const auto found = values_.find(into.type);
  if (found == values_.end()) return refuse(CKR_ATTRIBUTE_TYPE_INVALID);
  const ByteView value = found->second.reveal();
  if (into.pValue != nullptr) {
    if (into.ulValueLen < value.size()) return refuse(CKR_BUFFER_TOO_SMALL);
    std::copy(value.begin(), value.end(), static_cast<std::uint8_t*>(into.pValue));
  }
  into.ulValueLen = value.size();
  return CKR_OK;
}

bool Object::matches(std::span<const CK_ATTRIBUTE> wanted) const {
  return std::all_of(wanted.begin(), wanted.end(), [this](const CK_ATTRIBUTE& attribute) {
    const auto found = values_.find(attribute.type);
    return found != values_.end() && !hidden_.contains(attribute.type) &&
           std::ranges::equal(found->second.reveal(), value_of(attribute));
  });
}

}  // namespace coprotect::pkcs11
