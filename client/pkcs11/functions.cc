#include "client/pkcs11/functions.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "client/pkcs11/library.h"

namespace coprotect::pkcs11 {
namespace {

// No object here has a destructor that runs: a program may end, or unload the module, while one of its
// threads is inside.
constinit keyclient::KeyClient client;

// The module's state in one process.
struct Module {
  std::mutex mutex;
  std::shared_ptr<Library> library;  // between C_Initialize and C_Finalize; also held by running calls

  void abandon() { client.notice_fork(); }
};
constinit keyclient::PerProcess<Module> module_of_process;

// No exception reaches the program.
template <typename Function>
CK_RV guarded(Function function) noexcept {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return CKR_HOST_MEMORY;
  } catch (...) {
    return CKR_GENERAL_ERROR;
  }
}

template <typename Function>
CK_RV with_library(Function function) noexcept {
  return guarded([&]() -> CK_RV {
    Module& module = module_of_process.get();
    std::shared_ptr<Library> library;
    {
      const std::lock_guard lock(module.mutex);
      library = module.library;
    }
    return library == nullptr ? CKR_CRYPTOKI_NOT_INITIALIZED : function(*library);
  });
}

template <typename Function>
CK_RV with_token(CK_SLOT_ID slot, Function function) noexcept {
  return with_library([&](Library& library) -> CK_RV {
    const auto token = library.token(slot);
    return token == nullptr ? CKR_SLOT_ID_INVALID : function(*token);
  });
}

// Returns a list as PKCS#11 §5.2 requires: its length, or all elements if they fit.
template <typename T>
CK_RV give(const std::vector<T>& list, T* into, CK_ULONG& count) {
  const CK_ULONG room = std::exchange(count, list.size());
  if (into == nullptr) return CKR_OK;
  if (room < list.size()) return CKR_BUFFER_TOO_SMALL;
  std::copy(list.begin(), list.end(), into);
  return CKR_OK;
}

bool is_template(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  return attributes != nullptr || count == 0;
}

}  // namespace

// General purpose

CK_RV initialize(void* pointer) {
  return guarded([&]() -> CK_RV {
    if (pointer != nullptr) {
      const auto& args = *static_cast<const CK_C_INITIALIZE_ARGS*>(pointer);
      const int given = (args.CreateMutex != nullptr) + (args.DestroyMutex != nullptr) +
                        (args.LockMutex != nullptr) + (args.UnlockMutex != nullptr);
      if (args.pReserved != nullptr || (given != 0 && given != 4)) return CKR_ARGUMENTS_BAD;
      // The module uses the system's locks.
      if (given == 4 && (args.flags & CKF_OS_LOCKING_OK) == 0) return CKR_CANT_LOCK;
    }
    Module& module = module_of_process.get();
    const std::lock_guard lock(module.mutex);
    if (module.library != nullptr) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    module.library = std::make_shared<Library>(client);
    return CKR_OK;
  });
}

CK_RV finalize(void* reserved) {
  return guarded([&]() -> CK_RV {
    if (reserved != nullptr) return CKR_ARGUMENTS_BAD;
    Module& module = module_of_process.get();
    const std::lock_guard lock(module.mutex);
    if (module.library == nullptr) return CKR_CRYPTOKI_NOT_INITIALIZED;
    module.library = nullptr;
    client.close();
    return CKR_OK;
  });
}

CK_RV get_info(CK_INFO* info) {
  return with_library([&](Library&) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = {};
    info->cryptokiVersion = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR};
    info->libraryVersion = {COPROTECT_VERSION_MAJOR, COPROTECT_VERSION_MINOR};
    fill_text(info->manufacturerID, "CoProtect");
    fill_text(info->libraryDescription, "CoProtect joint keys");
    return CKR_OK;
  });
}

// Slots and tokens

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count) {
  return with_library([&](Library& library) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    return give(library.slots(slots == nullptr), slots, *count);
  });
}

CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = {};
    fill_text(info->slotDescription, "CoProtect key " + token.key().name);
    fill_text(info->manufacturerID, "CoProtect");
    info->flags = CKF_TOKEN_PRESENT;
    return CKR_OK;
  });
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    token.describe(*info);
    return CKR_OK;
  });
}

CK_RV wait_for_slot_event(CK_FLAGS flags, CK_SLOT_ID*, void*) {
  return with_library([&](Library&) -> CK_RV {
    return (flags & CKF_DONT_BLOCK) != 0 ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED;
  });
}

CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE* mechanisms, CK_ULONG* count) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    return give(std::vector{token.mechanism()}, mechanisms, *count);
  });
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    if (type != token.mechanism()) return CKR_MECHANISM_INVALID;
    *info = token.mechanism_info();
    return CKR_OK;
  });
}

// Sessions

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  return with_library([&](Library& library) -> CK_RV {
    if (session == nullptr) return CKR_ARGUMENTS_BAD;
    return library.open_session(slot, flags, *session);
  });
}

CK_RV close_session(CK_SESSION_HANDLE session) {
  return with_library([&](Library& library) { return library.close_session(session); });
}

CK_RV close_all_sessions(CK_SLOT_ID slot) {
  return with_library([&](Library& library) { return library.close_all_sessions(slot); });
}

CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  return with_library([&](Library& library) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    return library.session_info(session, *info);
  });
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
  return with_library([&](Library& library) -> CK_RV {
    if (pin == nullptr && size != 0) return CKR_ARGUMENTS_BAD;
    return library.login(session, user, {pin, size});
  });
}

CK_RV logout(CK_SESSION_HANDLE session) {
  return with_library([&](Library& library) { return library.logout(session); });
}

// Objects

CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  return with_library([&](Library& library) -> CK_RV {
    if (!is_template(wanted, count)) return CKR_ARGUMENTS_BAD;
    return library.find_init(session, {wanted, count});
  });
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG room, CK_ULONG* count) {
  return with_library([&](Library& library) -> CK_RV {
    if (count == nullptr || (objects == nullptr && room != 0)) return CKR_ARGUMENTS_BAD;
    return library.find(session, {objects, room}, *count);
  });
}

CK_RV find_objects_final(CK_SESSION_HANDLE session) {
  return with_library([&](Library& library) { return library.find_final(session); });
}

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
  return with_library([&](Library& library) -> CK_RV {
    if (!is_template(attributes, count)) return CKR_ARGUMENTS_BAD;
    return library.read(session, object, {attributes, count});
  });
}

CK_RV set_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE*, CK_ULONG) {
  return with_library([&](Library& library) -> CK_RV {
    const CK_RV exists = library.exists(session, object);
    return exists == CKR_OK ? CKR_ACTION_PROHIBITED : exists;
  });
}

CK_RV get_object_size(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG* size) {
  return with_library([&](Library& library) -> CK_RV {
    if (size == nullptr) return CKR_ARGUMENTS_BAD;
    *size = kUnavailable;
    return library.exists(session, object);
  });
}

CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  return with_library([&](Library& library) { return library.destroy(session, object); });
}

CK_RV derive_key(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE base,
                 CK_ATTRIBUTE* wanted, CK_ULONG count, CK_OBJECT_HANDLE* key) {
  return with_library([&](Library& library) -> CK_RV {
    if (mechanism == nullptr || key == nullptr || !is_template(wanted, count)) return CKR_ARGUMENTS_BAD;
    return library.derive(session, *mechanism, base, {wanted, count}, *key);
  });
}

// The rest

CK_RV seed_random(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG) {
  return with_library([](Library&) -> CK_RV { return CKR_RANDOM_SEED_NOT_SUPPORTED; });
}

CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE* bytes, CK_ULONG size) {
  return with_library([&](Library& library) -> CK_RV {
    CK_SESSION_INFO info;
    if (bytes == nullptr && size != 0) return CKR_ARGUMENTS_BAD;
    if (const CK_RV open = library.session_info(session, info); open != CKR_OK) return open;
    while (size > 0) {
      const ssize_t n = getrandom(bytes, size, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return CKR_DEVICE_ERROR;
      bytes += n;
      size -= static_cast<CK_ULONG>(n);
    }
    return CKR_OK;
  });
}

CK_RV not_parallel(CK_SESSION_HANDLE) {
  return CKR_FUNCTION_NOT_PARALLEL;
}

}  // namespace coprotect::pkcs11
