#include "hsm/pkcs11/session.h"

#include <algorithm>
#include <utility>

namespace coprotect::hsm::pkcs11 {

Result<Session> Session::open(const Slot& slot) {
  CK_SESSION_HANDLE handle = 0;
  auto opened = check(
      "C_OpenSession",
      slot.module->C_OpenSession(slot.id, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle));
  if (!opened) return std::move(opened).error();
  return Session(slot.module, handle);
}

Session::Session(Session&& other) noexcept
    : module_(std::exchange(other.module_, nullptr)), handle_(other.handle_) {}

Session::~Session() {
  if (module_ != nullptr) module_->C_CloseSession(handle_);
}

Status Session::log_in(const Secret& pin) {
  Secret writable = pin.clone();
  const CK_RV value = module_->C_Login(handle_, CKU_USER, writable.fill().data(), writable.size());
  if (value == CKR_USER_ALREADY_LOGGED_IN) return Done{};
  return check("C_Login", value);
}

Result<std::vector<CK_OBJECT_HANDLE>> Session::find(std::vector<CK_ATTRIBUTE> attributes,
                                                    std::size_t limit) const {
  auto begun =
      check("C_FindObjectsInit", module_->C_FindObjectsInit(handle_, attributes.data(), attributes.size()));
  if (!begun) return std::move(begun).error();
  std::vector<CK_OBJECT_HANDLE> found(limit);
  CK_ULONG count = 0;
  auto searched = check("C_FindObjects", module_->C_FindObjects(handle_, found.data(), found.size(), &count));
  module_->C_FindObjectsFinal(handle_);
  if (!searched) return std::move(searched).error();
  found.resize(std::min<std::size_t>(count, limit));
  return found;
}

}  // namespace coprotect::hsm::pkcs11
