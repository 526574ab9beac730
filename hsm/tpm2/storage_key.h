#pragma once

#include <optional>

#include "hsm/tpm2/esys.h"
#include "hsm/tpm2/sealed_blob.h"

namespace coprotect::hsm::tpm2 {

// The storage root key: made from the TCG's template for ECC P-256 (TCG TPM v2.0 Provisioning Guidance
// §7.5.1), so that it is the same key each time until the TPM is cleared; or, if the owner hierarchy has a
// password, the one at handle 0x81000001, where that guidance keeps it. Sessions are salted with its public
// part, and a session is only as secret as that part is genuine: compare name() with the one known before a
// secret passes through a session.
class StorageKey {
 public:
  static Result<StorageKey> make(const Esys& esys);

  const ObjectName& name() const { return name_; }
  ESYS_TR handle() const { return handle_; }

 private:
  static Result<StorageKey> persistent(const Esys& esys);
  StorageKey(std::optional<Transient> made, ESYS_TR handle, const ObjectName& name)
      : made_(std::move(made)), handle_(handle), name_(name) {}
  std::optional<Transient> made_;  // flushed with this; the persistent one stays
  ESYS_TR handle_;
  ObjectName name_;
};

// A session salted with the storage key, with AES-128-CFB for those parameters that `encryption`
// (TPMA_SESSION_ENCRYPT for replies, TPMA_SESSION_DECRYPT for commands) names.
Result<Transient> start_session(const Esys& esys, const StorageKey& salt, TPM2_SE type,
                                TPMA_SESSION encryption);

}  // namespace coprotect::hsm::tpm2
