#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "client/keyclient/key_client.h"
#include "client/pkcs11/token.h"

namespace coprotect::pkcs11 {

// The module between C_Initialize and C_Finalize: slots, sessions and session objects. Its functions are
// those of PKCS#11 without their prefix, with arguments already checked. Safe from any number of threads. No
// lock is held while the helper or an agent works.
class Library {
 public:
  explicit Library(keyclient::KeyClient& client) : client_(client) {}

  // A slot keeps its number while its key is configured. A new key gets a new number. `look_again` reads the
  // configuration again. If that fails or the helper does not start, no slot is added and no error is
  // returned, so that a program that queries many modules does not lose the others.
  std::vector<CK_SLOT_ID> slots(bool look_again);
  // Null if there is no such slot or its key is no longer configured.
  std::shared_ptr<const Token> token(CK_SLOT_ID slot);

  CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE& session);
  CK_RV close_session(CK_SESSION_HANDLE session);
  CK_RV close_all_sessions(CK_SLOT_ID slot);
  CK_RV session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO& info);
  CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, ByteView pin);
  CK_RV logout(CK_SESSION_HANDLE session);

  CK_RV find_init(CK_SESSION_HANDLE session, std::span<const CK_ATTRIBUTE> wanted);
  CK_RV find(CK_SESSION_HANDLE session, std::span<CK_OBJECT_HANDLE> objects, CK_ULONG& count);
  CK_RV find_final(CK_SESSION_HANDLE session);
  CK_RV read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes);
  CK_RV destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
  // For operations that an object does not support: CKR_OK if the object exists.
  CK_RV exists(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);

  CK_RV derive(CK_SESSION_HANDLE session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE base,
               std::span<const CK_ATTRIBUTE> wanted, CK_OBJECT_HANDLE& key);

 private:
  struct Slot {
    keyclient::KeyId key_id;
    std::shared_ptr<const Token> token;  // null: no longer configured
    bool logged_in = false;
  };
  struct Session {
    CK_SLOT_ID slot;
    std::shared_ptr<const Token> token;
    CK_FLAGS flags;
    std::optional<std::vector<CK_OBJECT_HANDLE>> search;  // handles still to be returned, the next one last
  };
  struct SessionObject {
    CK_SESSION_HANDLE owner;
    CK_SLOT_ID slot;
    Object object;
  };

  void look();
  void end_login();
  // The caller must hold the lock.
  Session* find_session(CK_SESSION_HANDLE handle);
  Slot& slot_of(const Session& session) { return slots_[session.slot]; }
  const Object* visible(const Session& session, CK_OBJECT_HANDLE handle);
  bool may_see(const Session& session, const Object& object);
  void end_session(CK_SESSION_HANDLE handle);
  // Ends the slot's login. True if no other slot needs the helper's.
  bool forget_login(CK_SLOT_ID slot);
  bool has_sessions(CK_SLOT_ID slot) const;

  keyclient::KeyClient& client_;
  std::mutex mutex_;
  bool looked_ = false;
  std::vector<Slot> slots_;
  std::map<CK_SESSION_HANDLE, Session> sessions_;
  std::map<CK_OBJECT_HANDLE, SessionObject> objects_;
  CK_SESSION_HANDLE next_session_ = 1;
  CK_OBJECT_HANDLE next_object_ = kFirstSessionObject;
};

}  // namespace coprotect::pkcs11
