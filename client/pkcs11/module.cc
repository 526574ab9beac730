// libcoprotect-pkcs11.so: the function list.

#include "client/pkcs11/functions.h"

namespace coprotect::pkcs11 {
namespace {

// A function of any type that does nothing, because no pointer in the list may be null.
template <typename Pointer>
struct Absent;
template <typename... Args>
struct Absent<CK_RV (*)(Args...)> {
  static CK_RV call(Args...) { return CKR_FUNCTION_NOT_SUPPORTED; }
};

CK_RV get_function_list(CK_FUNCTION_LIST** list);

constinit CK_FUNCTION_LIST functions = {
    .version = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR},
    .C_Initialize = initialize,
    .C_Finalize = finalize,
    .C_GetInfo = get_info,
    .C_GetFunctionList = get_function_list,
    .C_GetSlotList = get_slot_list,
    .C_GetSlotInfo = get_slot_info,
    .C_GetTokenInfo = get_token_info,
    .C_GetMechanismList = get_mechanism_list,
    .C_GetMechanismInfo = get_mechanism_info,
    .C_InitToken = Absent<CK_C_InitToken>::call,
    .C_InitPIN = Absent<CK_C_InitPIN>::call,
    .C_SetPIN = Absent<CK_C_SetPIN>::call,
    .C_OpenSession = open_session,
    .C_CloseSession = close_session,
    .C_CloseAllSessions = close_all_sessions,
    .C_GetSessionInfo = get_session_info,
    .C_GetOperationState = Absent<CK_C_GetOperationState>::call,
    .C_SetOperationState = Absent<CK_C_SetOperationState>::call,
    .C_Login = login,
    .C_Logout = logout,
    .C_CreateObject = Absent<CK_C_CreateObject>::call,
    .C_CopyObject = Absent<CK_C_CopyObject>::call,
    .C_DestroyObject = destroy_object,
    .C_GetObjectSize = get_object_size,
    .C_GetAttributeValue = get_attribute_value,
    .C_SetAttributeValue = set_attribute_value,
    .C_FindObjectsInit = find_objects_init,
    .C_FindObjects = find_objects,
    .C_FindObjectsFinal = find_objects_final,
    .C_EncryptInit = Absent<CK_C_EncryptInit>::call,
    .C_Encrypt = Absent<CK_C_Encrypt>::call,
    .C_EncryptUpdate = Absent<CK_C_EncryptUpdate>::call,
    .C_EncryptFinal = Absent<CK_C_EncryptFinal>::call,
    .C_DecryptInit = Absent<CK_C_DecryptInit>::call,
    .C_Decrypt = Absent<CK_C_Decrypt>::call,
    .C_DecryptUpdate = Absent<CK_C_DecryptUpdate>::call,
    .C_DecryptFinal = Absent<CK_C_DecryptFinal>::call,
    .C_DigestInit = Absent<CK_C_DigestInit>::call,
    .C_Digest = Absent<CK_C_Digest>::call,
    .C_DigestUpdate = Absent<CK_C_DigestUpdate>::call,
    .C_DigestKey = Absent<CK_C_DigestKey>::call,
    .C_DigestFinal = Absent<CK_C_DigestFinal>::call,
    .C_SignInit = Absent<CK_C_SignInit>::call,
    .C_Sign = Absent<CK_C_Sign>::call,
    .C_SignUpdate = Absent<CK_C_SignUpdate>::call,
    .C_SignFinal = Absent<CK_C_SignFinal>::call,
    .C_SignRecoverInit = Absent<CK_C_SignRecoverInit>::call,
    .C_SignRecover = Absent<CK_C_SignRecover>::call,
    .C_VerifyInit = Absent<CK_C_VerifyInit>::call,
    .C_Verify = Absent<CK_C_Verify>::call,
    .C_VerifyUpdate = Absent<CK_C_VerifyUpdate>::call,
    .C_VerifyFinal = Absent<CK_C_VerifyFinal>::call,
    .C_VerifyRecoverInit = Absent<CK_C_VerifyRecoverInit>::call,
    .C_VerifyRecover = Absent<CK_C_VerifyRecover>::call,
    .C_DigestEncryptUpdate = Absent<CK_C_DigestEncryptUpdate>::call,
    .C_DecryptDigestUpdate = Absent<CK_C_DecryptDigestUpdate>::call,
    .C_SignEncryptUpdate = Absent<CK_C_SignEncryptUpdate>::call,
    .C_DecryptVerifyUpdate = Absent<CK_C_DecryptVerifyUpdate>::call,
    .C_GenerateKey = Absent<CK_C_GenerateKey>::call,
    .C_GenerateKeyPair = Absent<CK_C_GenerateKeyPair>::call,
    .C_WrapKey = Absent<CK_C_WrapKey>::call,
    .C_UnwrapKey = Absent<CK_C_UnwrapKey>::call,
    .C_DeriveKey = derive_key,
    .C_SeedRandom = seed_random,
    .C_GenerateRandom = generate_random,
    .C_GetFunctionStatus = not_parallel,
    .C_CancelFunction = not_parallel,
    .C_WaitForSlotEvent = wait_for_slot_event,
};

CK_RV get_function_list(CK_FUNCTION_LIST** list) {
  if (list == nullptr) return CKR_ARGUMENTS_BAD;
  *list = &functions;
  return CKR_OK;
}

}  // namespace
}  // namespace coprotect::pkcs11

// The only symbol that the module exports (module.map).
extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  return coprotect::pkcs11::get_function_list(list);
}
