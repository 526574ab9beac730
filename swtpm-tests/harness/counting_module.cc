// A PKCS#11 module that is SoftHSM2 and writes down each login: one line "login" in the file beside
// SOFTHSM2_CONF that has ".logins" at the end of its name. What a token with three tries would count. While
// there is a file with ".slow" at the end, a login waits as many milliseconds as it says, and writes a line
// "done" over that at the end.

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

CK_FUNCTION_LIST original;
CK_FUNCTION_LIST counting;

bool append(const std::string& name, const char* line, const char* mode) {
  std::FILE* const file = std::fopen(name.c_str(), mode);
  if (file == nullptr) return false;
  std::fputs(line, file);
  std::fclose(file);
  return true;
}

CK_RV log_in(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  const std::string configuration = std::getenv("SOFTHSM2_CONF");
  if (!append(configuration + ".logins", "login\n", "a")) return CKR_GENERAL_ERROR;
  const std::string slow = configuration + ".slow";
  std::FILE* const file = std::fopen(slow.c_str(), "r");
  if (file == nullptr) return original.C_Login(session, user, pin, size);
  unsigned milliseconds = 0;
  if (std::fscanf(file, "%u", &milliseconds) == 1) usleep(milliseconds * 1000);
  std::fclose(file);
  const CK_RV result = original.C_Login(session, user, pin, size);
  return append(slow, "done\n", "r+") ? result : CKR_GENERAL_ERROR;
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
