// A PKCS#11 module that is SoftHSM2 and writes down each login: one line "login" in the file beside
// SOFTHSM2_CONF that has ".logins" at the end of its name. What a token with three tries would count.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

CK_FUNCTION_LIST original;
CK_FUNCTION_LIST counting;

CK_RV log_in(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  const char* const configuration = std::getenv("SOFTHSM2_CONF");
  std::FILE* const file = std::fopen((std::string(configuration) + ".logins").c_str(), "a");
  if (file == nullptr) return CKR_GENERAL_ERROR;
  std::fputs("login\n", file);
  std::fclose(file);
  return original.C_Login(session, user, pin, size);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  void* module = nullptr;
  for (const char* path : {"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"})
    if (module == nullptr) module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return CKR_GENERAL_ERROR;
  const auto get = reinterpret_cast<CK_RV (*)(CK_FUNCTION_LIST**)>(dlsym(module, "C_GetFunctionList"));
  CK_FUNCTION_LIST* softhsm = nullptr;
  if (get == nullptr || get(&softhsm) != CKR_OK) return CKR_GENERAL_ERROR;
  original = *softhsm;
  counting = original;
  counting.C_Login = log_in;
  *list = &counting;
  return CKR_OK;
}
