#include <algorithm>

#include "client/pkcs11/derivation.h"
#include "client/pkcs11/failure.h"
#include "client/pkcs11/library.h"

namespace coprotect::pkcs11 {

bool Library::may_see(const Session& session, const Object& object) {
  return !object.is_private() || slot_of(session).logged_in;
}

const Object* Library::visible(const Session& session, CK_OBJECT_HANDLE handle) {
  const auto& of_token = session.token->objects();
  if (const auto found = of_token.find(handle); found != of_token.end())
    return may_see(session, found->second) ? &found->second : nullptr;
  const auto found = objects_.find(handle);
  if (found == objects_.end() || found->second.slot != session.slot) return nullptr;
  return may_see(session, found->second.object) ? &found->second.object : nullptr;
}

CK_RV Library::find_init(CK_SESSION_HANDLE session, std::span<const CK_ATTRIBUTE> wanted) {
  const std::lock_guard lock(mutex_);
  Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  if (found->search) return CKR_OPERATION_ACTIVE;
  std::vector<CK_OBJECT_HANDLE> handles;
  for (const auto& [handle, object] : found->token->objects())
    if (may_see(*found, object) && object.matches(wanted)) handles.push_back(handle);
  for (const auto& [handle, entry] : objects_)
    if (entry.slot == found->slot && may_see(*found, entry.object) && entry.object.matches(wanted))
      handles.push_back(handle);
  std::ranges::reverse(handles);
  found->search = std::move(handles);
  return CKR_OK;
}

CK_RV Library::find(CK_SESSION_HANDLE session, std::span<CK_OBJECT_HANDLE> objects, CK_ULONG& count) {
  const std::lock_guard lock(mutex_);
  Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  if (!found->search) return CKR_OPERATION_NOT_INITIALIZED;
  count = 0;
  while (count < objects.size() && !found->search->empty()) {
    objects[count++] = found->search->back();
    found->search->pop_back();
  }
  return CKR_OK;
}

CK_RV Library::find_final(CK_SESSION_HANDLE session) {
  const std::lock_guard lock(mutex_);
  Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  if (!found->search) return CKR_OPERATION_NOT_INITIALIZED;
  found->search.reset();
  return CKR_OK;
}

CK_RV Library::read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes) {
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  const Object* const read = visible(*found, object);
  if (read == nullptr) return CKR_OBJECT_HANDLE_INVALID;
  CK_RV result = CKR_OK;  // every attribute is answered; the call returns the first failure
  for (CK_ATTRIBUTE& attribute : attributes)
    if (const CK_RV one = read->read(attribute); result == CKR_OK) result = one;
  return result;
}

CK_RV Library::destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  if (visible(*found, object) == nullptr) return CKR_OBJECT_HANDLE_INVALID;
  return objects_.erase(object) == 1 ? CKR_OK : CKR_ACTION_PROHIBITED;
}

CK_RV Library::exists(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
  return visible(*found, object) == nullptr ? CKR_OBJECT_HANDLE_INVALID : CKR_OK;
}

CK_RV Library::derive(CK_SESSION_HANDLE session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE base,
                      std::span<const CK_ATTRIBUTE> wanted, CK_OBJECT_HANDLE& key) {
  std::shared_ptr<const Token> token;
  {
    const std::lock_guard lock(mutex_);
    const Session* const found = find_session(session);
    if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;
    token = found->token;
    if (token->key().login_needed && !slot_of(*found).logged_in) return CKR_USER_NOT_LOGGED_IN;
    if (visible(*found, base) == nullptr) return CKR_KEY_HANDLE_INVALID;
    if (base != token->private_key()) return CKR_KEY_FUNCTION_NOT_PERMITTED;
  }
  DeriveRequest request;
  if (const CK_RV read = read_derive_request(*token, mechanism, wanted, request); read != CKR_OK) return read;
  const auto secret = client_.derive(request.derivation, token->key().patience);
  if (!secret) {
    const std::lock_guard lock(mutex_);
    // A restarted helper knows nothing of an earlier login.
    if (secret.error().code() == Code::unauthenticated)
      for (Slot& slot : slots_) slot.logged_in = false;
    return report(secret.error());
  }
  set_value(request.key, secret->reveal());
  const std::lock_guard lock(mutex_);
  const Session* const found = find_session(session);
  if (found == nullptr) return CKR_SESSION_HANDLE_INVALID;  // closed meanwhile
  key = next_object_++;
  objects_.emplace(key,
                   SessionObject{.owner = session, .slot = found->slot, .object = std::move(request.key)});
  return CKR_OK;
}

}  // namespace coprotect::pkcs11
