#pragma once

#include <map>
#include <vector>

#include "client/keyclient/message.h"
#include "client/pkcs11/object.h"

namespace coprotect::pkcs11 {

// A joint key as a token: its information, its mechanism, and its objects, which all have one CKA_ID.
// Immutable.
class Token {
 public:
  // `slot` determines its objects' handles, which are the same in every session.
  Token(CK_SLOT_ID slot, keyclient::Key key, const keyclient::Certificate& certificate);

  const keyclient::Key& key() const { return key_; }
  const std::map<CK_OBJECT_HANDLE, Object>& objects() const { return objects_; }
  CK_OBJECT_HANDLE private_key() const { return private_key_; }

  void describe(CK_TOKEN_INFO& info) const;
  // Its only mechanism.
  CK_MECHANISM_TYPE mechanism() const;
  CK_MECHANISM_INFO mechanism_info() const;

 private:
  keyclient::Key key_;
  CK_OBJECT_HANDLE private_key_;
  std::map<CK_OBJECT_HANDLE, Object> objects_;
};

// Fills a fixed-width field, padded with spaces.
template <std::size_t N>
void fill_text(CK_UTF8CHAR (&field)[N], std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    field[i] = i < text.size() ? static_cast<CK_UTF8CHAR>(text[i]) : CK_UTF8CHAR{' '};
}

// The first handle for session objects.
constexpr CK_OBJECT_HANDLE kFirstSessionObject = CK_OBJECT_HANDLE{1} << 24;

}  // namespace coprotect::pkcs11
