#pragma once

#include "hsm/tpm2/esys.h"
#include "hsm/tpm2/sealed_blob.h"

namespace coprotect::hsm::tpm2 {

// The storage root key, made from the TCG's template for ECC P-256 (TCG TPM v2.0 Provisioning Guidance
// §7.5.1), so that it is the same key each time until the TPM is cleared. Sessions are salted with its public
// part, and a session is only as secret as that part is genuine: compare name() with the one known before a
// secret passes through a session.
class StorageKey {
 public:
  static Result<StorageKey> make(const Esys& esys);

  const ObjectName& name() const { return name_; }
  ESYS_TR handle() const { return key_.handle(); }

 private:
  StorageKey(Transient key, const ObjectName& name) : key_(std::move(key)), name_(name) {}
  Transient key_;
  ObjectName name_;
};

// A session salted with the storage key, with AES-128-CFB for those parameters that `encryption`
// (TPMA_SESSION_ENCRYPT for replies, TPMA_SESSION_DECRYPT for commands) names.
Result<Transient> start_session(const Esys& esys, const StorageKey& salt, TPM2_SE type,
                                TPMA_SESSION encryption);

}  // namespace coprotect::hsm::tpm2
