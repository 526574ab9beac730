#pragma once

#include <optional>
#include <vector>

#include "hsm/pkcs11/error.h"
#include "hsm/pkcs11/module.h"
#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm::pkcs11 {

// A session with a token. The destructor closes it, which logs out.
class Session {
 public:
  static Result<Session> open(const Slot& slot);
  Session(Session&& other) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

  Status log_in(const Secret& pin);
  // At most `limit` objects that have all these attributes.
  Result<std::vector<CK_OBJECT_HANDLE>> find(std::vector<CK_ATTRIBUTE> attributes, std::size_t limit) const;

  CK_FUNCTION_LIST& module() const { return *module_; }
  CK_SESSION_HANDLE handle() const { return handle_; }

 private:
  Session(CK_FUNCTION_LIST* module, CK_SESSION_HANDLE handle) : module_(module), handle_(handle) {}
  CK_FUNCTION_LIST* module_;
  CK_SESSION_HANDLE handle_;
};

// An attribute for a template. The value must outlive it. (PKCS#11 takes pointers to non-const and does not
// write to them.)
template <typename T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const T& value) {
  return {type, const_cast<T*>(&value), sizeof(T)};
}
inline CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<std::uint8_t*>(value.data()), value.size()};
}

}  // namespace coprotect::hsm::pkcs11
