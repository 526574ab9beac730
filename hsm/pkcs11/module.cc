#include "hsm/pkcs11/module.h"

#include <string>
#include <utility>

#include "hsm/pkcs11/error.h"

namespace coprotect::hsm::pkcs11 {
namespace {

Error cannot_load(const std::string& what) {
  const char* const cause = p11_kit_message();
  return {Code::unavailable, "cannot load " + what + ": " + (cause != nullptr ? cause : "unknown cause")};
}

// Adds the module's tokens that the URI matches. Skips a slot whose token cannot be read.
void add_matches(CK_FUNCTION_LIST* module, const Uri& uri, std::vector<Slot>& matches) {
  CK_INFO module_info{};
  if (module->C_GetInfo(&module_info) != CKR_OK || !uri.matches_module(module_info)) return;
  CK_ULONG count = 0;
  if (module->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK) return;
  std::vector<CK_SLOT_ID> ids(count);
  if (module->C_GetSlotList(CK_TRUE, ids.data(), &count) != CKR_OK) return;
  ids.resize(count);
  for (const CK_SLOT_ID id : ids) {
    Slot slot{.module = module, .id = id, .info = {}};
    if (module->C_GetTokenInfo(id, &slot.info) != CKR_OK) continue;
    if ((slot.info.flags & CKF_TOKEN_INITIALIZED) != 0 && uri.matches_token(slot.info))
      matches.push_back(slot);
  }
}

}  // namespace

void Modules::finalize_and_release(CK_FUNCTION_LIST* module) {
  p11_kit_module_finalize(module);
  p11_kit_module_release(module);
}

Result<Modules> Modules::load(const Uri& uri) {
  Modules modules;
  if (!uri.module_path()) {
    modules.registered_.reset(p11_kit_modules_load_and_initialize(0));
    if (modules.registered_ == nullptr) return cannot_load("the registered PKCS#11 modules");
    return modules;
  }
  const std::string& path = *uri.module_path();
  CK_FUNCTION_LIST* const module = p11_kit_module_load(path.c_str(), P11_KIT_MODULE_CRITICAL);
  if (module == nullptr) return cannot_load("the PKCS#11 module \"" + path + "\"");
  auto initialized = check("C_Initialize", p11_kit_module_initialize(module));
  if (!initialized) {
    p11_kit_module_release(module);
    return std::move(initialized).error().in("PKCS#11 module \"" + path + "\"");
  }
  modules.single_.reset(module);
  return modules;
}

Result<Slot> Modules::find(const Uri& uri) const {
  std::vector<Slot> matches;
  if (single_ != nullptr) add_matches(single_.get(), uri, matches);
  if (registered_ != nullptr)
    for (CK_FUNCTION_LIST** module = registered_.get(); *module != nullptr; ++module)
      add_matches(*module, uri, matches);
  if (matches.empty()) return Error(Code::unavailable, "no token matches \"" + uri.text() + "\"");
  if (matches.size() > 1) return Error(Code::malformed, "several tokens match \"" + uri.text() + "\"");
  return matches.front();
}

}  // namespace coprotect::hsm::pkcs11
