#pragma once

#include <p11-kit/pkcs11.h>

namespace coprotect::pkcs11 {

// The module's PKCS#11 functions: the boundary between C and the rest. They check pointers, let no exception
// reach the program, and call Library.
CK_RV initialize(void* pointer);
CK_RV finalize(void* reserved);
CK_RV get_info(CK_INFO* info);
CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count);
CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info);
CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info);
CK_RV wait_for_slot_event(CK_FLAGS flags, CK_SLOT_ID*, void*);
CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE* mechanisms, CK_ULONG* count);
CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info);
CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* session);
CK_RV close_session(CK_SESSION_HANDLE session);
CK_RV close_all_sessions(CK_SLOT_ID slot);
CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info);
CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size);
CK_RV logout(CK_SESSION_HANDLE session);
CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted, CK_ULONG count);
CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG room, CK_ULONG* count);
CK_RV find_objects_final(CK_SESSION_HANDLE session);
CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count);
CK_RV set_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE*, CK_ULONG);
CK_RV get_object_size(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG* size);
CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
CK_RV derive_key(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE base,
                 CK_ATTRIBUTE* wanted, CK_ULONG count, CK_OBJECT_HANDLE* key);
CK_RV seed_random(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG);
CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE* bytes, CK_ULONG size);
CK_RV not_parallel(CK_SESSION_HANDLE);

}  // namespace coprotect::pkcs11
