#pragma once

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>

#include <vector>

#include "hsm/pkcs11/uri.h"
#include "protocol/base/owned.h"

namespace coprotect::hsm::pkcs11 {

// A token in a slot of a loaded module.
struct Slot {
  CK_FUNCTION_LIST* module;
  CK_SLOT_ID id;
  CK_TOKEN_INFO info;
};

// The initialised modules from which a URI selects a token: the one at its module-path, otherwise all that
// are registered with p11-kit. The destructor finalises and unloads them.
class Modules {
 public:
  static Result<Modules> load(const Uri& uri);

  // The one initialised token that the URI matches. Code::unavailable if there is none, Code::malformed if
  // there are several.
  Result<Slot> find(const Uri& uri) const;

 private:
  static void finalize_and_release(CK_FUNCTION_LIST* module);
  Modules() = default;

  Owned<CK_FUNCTION_LIST, finalize_and_release> single_;
  Owned<CK_FUNCTION_LIST*, p11_kit_modules_finalize_and_release> registered_;
};

}  // namespace coprotect::hsm::pkcs11
