#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <memory>
#include <string>

#include "hsm/tpm2/error.h"
#include "protocol/base/owned.h"
#include "protocol/base/secret.h"

namespace coprotect::hsm::tpm2 {

// Memory allocated by Esys_* functions.
template <typename T>
using EsysOwned = Owned<T, Esys_Free>;

// An authorisation value. The caller must wipe it.
TPM2B_AUTH auth_2b(const Secret& value);

// A connection to a TPM. It cannot be moved, because objects and sessions refer to it.
class Esys {
 public:
  // `tcti`: a name and its configuration, for example "device:/dev/tpmrm0".
  static Result<std::unique_ptr<Esys>> connect(const std::string& tcti);
  Esys(const Esys&) = delete;
  Esys& operator=(const Esys&) = delete;
  ESYS_CONTEXT* get() const { return esys_.get(); }

 private:
  static void finalize_tcti(TSS2_TCTI_CONTEXT* tcti) { Tss2_TctiLdr_Finalize(&tcti); }
  static void finalize_esys(ESYS_CONTEXT* esys) { Esys_Finalize(&esys); }
  Esys() = default;

  Owned<TSS2_TCTI_CONTEXT, finalize_tcti> tcti_;
  Owned<ESYS_CONTEXT, finalize_esys> esys_;
};

// An object or session in the TPM. The destructor flushes it.
class Transient {
 public:
  Transient(const Esys& esys, ESYS_TR handle) : esys_(&esys), handle_(handle) {}
  Transient(Transient&& other) noexcept;
  Transient& operator=(Transient&&) = delete;
  ~Transient();
  ESYS_TR handle() const { return handle_; }

 private:
  const Esys* esys_;
  ESYS_TR handle_;
};

// Flushes all objects and sessions that this connection can see. For a TPM without a resource manager, where
// a killed process may have left the few slots occupied.
void flush_all(const Esys& esys);

}  // namespace coprotect::hsm::tpm2
