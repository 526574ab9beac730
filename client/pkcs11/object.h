#pragma once

#include <p11-kit/pkcs11.h>

#include <map>
#include <set>
#include <span>
#include <string_view>

#include "client/keyclient/wiped.h"

namespace coprotect::pkcs11 {

// CK_UNAVAILABLE_INFORMATION.
constexpr CK_ULONG kUnavailable = ~CK_ULONG{0};

// A PKCS#11 object: its attributes. Some cannot be read.
class Object {
 public:
  Object& set(CK_ATTRIBUTE_TYPE type, ByteView value);
  Object& set(CK_ATTRIBUTE_TYPE type, std::string_view text) { return set(type, bytes_of(text)); }
  Object& set_number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Object& set_bool(CK_ATTRIBUTE_TYPE type, bool value);
  // Adds an attribute that cannot be read.
  Object& set_hidden(CK_ATTRIBUTE_TYPE type) {
    hidden_.insert(type);
    return *this;
  }

  bool bool_or(CK_ATTRIBUTE_TYPE type, bool otherwise) const;
  CK_ULONG number_or(CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise) const;
  // Visible only after a login.
  bool is_private() const { return bool_or(CKA_PRIVATE, false); }

  // C_GetAttributeValue for one attribute. Returns this attribute's part of the result.
  CK_RV read(CK_ATTRIBUTE& into) const;
  // Whether it has all these attributes with these values.
  bool matches(std::span<const CK_ATTRIBUTE> wanted) const;

 private:
  std::map<CK_ATTRIBUTE_TYPE, keyclient::WipedBytes> values_;
  std::set<CK_ATTRIBUTE_TYPE> hidden_;
};

// The value of an attribute as its caller gave it.
inline ByteView value_of(const CK_ATTRIBUTE& attribute) {
  if (attribute.pValue == nullptr) return {};
  return {static_cast<const std::uint8_t*>(attribute.pValue), attribute.ulValueLen};
}

}  // namespace coprotect::pkcs11
