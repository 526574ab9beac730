#include "hsm/tpm2/esys.h"

#include <algorithm>
#include <utility>

namespace coprotect::hsm::tpm2 {

TPM2B_AUTH auth_2b(const Secret& value) {
  TPM2B_AUTH auth{};
  auth.size = static_cast<UINT16>(value.size());
  std::copy(value.reveal().begin(), value.reveal().end(), auth.buffer);
  return auth;
}

Result<std::unique_ptr<Esys>> Esys::connect(const std::string& tcti) {
  std::unique_ptr<Esys> esys(new Esys);
  auto loaded =
      check("cannot reach the TPM \"" + tcti + "\"", Tss2_TctiLdr_Initialize(tcti.c_str(), out(esys->tcti_)));
  if (!loaded) return std::move(loaded).error();
  auto ready = check("Esys_Initialize", Esys_Initialize(out(esys->esys_), esys->tcti_.get(), nullptr));
  if (!ready) return std::move(ready).error();
  return esys;
}

Transient::Transient(Transient&& other) noexcept
    : esys_(other.esys_), handle_(std::exchange(other.handle_, ESYS_TR_NONE)) {}

Transient::~Transient() {
  if (handle_ != ESYS_TR_NONE) Esys_FlushContext(esys_->get(), handle_);
}

void flush_all(const Esys& esys) {
  constexpr UINT32 kMost = 64;
  for (const UINT32 first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST}) {
    EsysOwned<TPMS_CAPABILITY_DATA> found;
    TPMI_YES_NO more = TPM2_NO;
    if (Esys_GetCapability(esys.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first,
                           kMost, &more, out(found)) != TSS2_RC_SUCCESS)
      return;
    const TPML_HANDLE& handles = found->data.handles;
    for (UINT32 i = 0; i < handles.count && i < kMost; ++i) {
      ESYS_TR handle = ESYS_TR_NONE;
      if (Esys_TR_FromTPMPublic(esys.get(), handles.handle[i], ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                &handle) == TSS2_RC_SUCCESS)
        Esys_FlushContext(esys.get(), handle);
    }
  }
}

}  // namespace coprotect::hsm::tpm2
