#pragma once

#include <optional>

#include "hsm/tpm2/esys.h"
#include "hsm/tpm2/sealed_blob.h"

namespace coprotect::hsm::tpm2 {

// The storage root key. It is made from the TCG's template for ECC P-256 (TCG TPM v2.0 Provisioning Guidance
// §7.5.1), and is therefore the same key each time until the TPM is cleared. If the owner hierarchy has a
// password, it is the key at handle 0x81000001 instead, where that guidance keeps it. Sessions are salted
// with its public part, and a session is only as secret as that part is genuine: compare name() with the
// known one before a secret passes through a session.
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

// A session salted with the storage key. It encrypts, with AES-128-CFB, the parameters that `encryption`
// names (TPMA_SESSION_ENCRYPT for replies, TPMA_SESSION_DECRYPT for commands).
Result<Transient> start_session(const Esys& esys, const StorageKey& salt, TPM2_SE type,
                                TPMA_SESSION encryption);

}  // namespace coprotect::hsm::tpm2
