#include "client/pkcs11/library.h"

#include <algorithm>

#include "client/pkcs11/failure.h"

namespace coprotect::pkcs11 {

void Library::look() {
  const auto keys = client_.list();
  if (!keys) report(keys.error());
  std::vector<std::pair<keyclient::Key, keyclient::Certificate>> found;
  if (keys) {
    for (const keyclient::Key& key : *keys) {
      if (key.purpose != keyclient::Purpose::derive) continue;
      auto certificate = client_.certificate(key.key_id);
      if (!certificate) report(certificate.error());
      found.emplace_back(key, certificate ? *std::move(certificate) : keyclient::Certificate{});
    }
  }
  const std::lock_guard lock(mutex_);
  looked_ = true;
  if (!keys) return;
  for (Slot& slot : slots_) slot.token = nullptr;
  for (auto& [key, certificate] : found) {
    auto place = std::ranges::find(slots_, key.key_id, &Slot::key_id);
    if (place == slots_.end()) place = slots_.insert(slots_.end(), {.key_id = key.key_id, .token = nullptr});
    const auto number = static_cast<CK_SLOT_ID>(place - slots_.begin());
    place->token = std::make_shared<const Token>(number, std::move(key), certificate);
  }
}

std::vector<CK_SLOT_ID> Library::slots(bool look_again) {
  {
    const std::lock_guard lock(mutex_);
    look_again = look_again || !looked_;
  }
  if (look_again) look();
  const std::lock_guard lock(mutex_);
  std::vector<CK_SLOT_ID> numbers;
  for (CK_SLOT_ID i = 0; i < slots_.size(); ++i)
    if (slots_[i].token != nullptr) numbers.push_back(i);
  return numbers;
}

std::shared_ptr<const Token> Library::token(CK_SLOT_ID slot) {
  slots(false);
  const std::lock_guard lock(mutex_);
  return slot < slots_.size() ? slots_[slot].token : nullptr;
}

Library::Session* Library::find_session(CK_SESSION_HANDLE handle) {
  const auto found = sessions_.find(handle);
  return found == sessions_.end() ? nullptr : &found->second;
}

CK_RV Library::open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE& session) {
  if ((flags & CKF_SERIAL_SESSION) == 0) return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
  auto of_slot = token(slot);
  if (of_slot == nullptr) return CKR_SLOT_ID_INVALID;
  const std::lock_guard lock(mutex_);
  session = next_session_++;
  sessions_.emplace(session,
                    Session{.slot = slot, .token = std::move(of_slot), .flags = flags, .search = {}});
  return CKR_OK;
}

bool Library::has_sessions(CK_SLOT_ID slot) const {
  return std::ranges::any_of(sessions_, [slot](const auto& entry) { return entry.second.slot == slot; });
}

void Library::end_session(CK_SESSION_HANDLE handle) {
  std::erase_if(objects_, [handle](const auto& entry) { return entry.second.owner == handle; });
  sessions_.erase(handle);
}

bool Library::forget_login(CK_SLOT_ID slot) {
  const bool was = std::exchange(slots_[slot].logged_in, false);
  std::erase_if(objects_, [slot](const auto& entry) {
    return entry.second.slot == slot && entry.second.object.is_private();
  });
  return was && std::ranges::none_of(slots_, &Slot::logged_in);
}

void Library::end_login() {
  if (const auto ended = client_.logout(); !ended) report(ended.error());
}

CK_RV Library::close_session(CK_SESSION_HANDLE session) {
  bool last_login = false;
  {
    const std::lock_guard lock(mutex_);
    const Session* const found = find_session(session);
    if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
    const CK_SLOT_ID slot = found->slot;
    end_session(session);
    if (!has_sessions(slot)) last_login = forget_login(slot);
  }
  if (last_login) end_login();
  return CKR_OK;
}

CK_RV Library::close_all_sessions(CK_SLOT_ID slot) {
  bool last_login = false;
  {
    const std::lock_guard lock(mutex_);
    if (slot >= slots_.size()) return CKR_SLOT_ID_INVALID;
    std::erase_if(sessions_, [slot](const auto& entry) { return entry.second.slot == slot; });
    std::erase_if(objects_, [slot](const auto& entry) { return entry.second.slot == slot; });
    last_login = forget_login(slot);
  }
  if (last_login) end_login();
  return CKR_OK;
}

CK_RV Library::session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO& info) {
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  const bool writing = (found->flags & CKF_RW_SESSION) != 0;
  const bool user = slot_of(*found).logged_in;
  info = {};
  info.slotID = found->slot;
  info.flags = found->flags;
  info.state = writing ? (user ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION)
                       : (user ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION);
  return CKR_OK;
}

// If no login is needed, there is no PIN and any is accepted, for programs that always log in.
CK_RV Library::login(CK_SESSION_HANDLE session, CK_USER_TYPE user, ByteView pin) {
  bool needed = false;
  {
    const std::lock_guard lock(mutex_);
    const Session* const found = find_session(session);
    if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
    if (user == CKU_CONTEXT_SPECIFIC) return CKR_OPERATION_NOT_INITIALIZED;
    if (user != CKU_USER) return CKR_USER_TYPE_INVALID;
    if (slot_of(*found).logged_in) return CKR_USER_ALREADY_LOGGED_IN;
    needed = found->token->key().login_needed;
  }
  if (needed)
    if (const auto opened = client_.login(pin); !opened) return report(opened.error());
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  slot_of(*found).logged_in = true;
  return CKR_OK;
}

CK_RV Library::logout(CK_SESSION_HANDLE session) {
  bool last_login = false;
  {
    const std::lock_guard lock(mutex_);
    const Session* const found = find_session(session);
    if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
    if (!slot_of(*found).logged_in) return CKR_USER_NOT_LOGGED_IN;
    last_login = forget_login(found->slot);
  }
  if (last_login) end_login();
  return CKR_OK;
}

}  // namespace coprotect::pkcs11
