#include "hsm/tpm2/storage_key.h"

#include <utility>

namespace coprotect::hsm::tpm2 {
namespace {

constexpr UINT16 kCoordinateSize = 32;

TPM2B_PUBLIC storage_key_template() {
  TPM2B_PUBLIC key{};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                          TPMA_OBJECT_DECRYPT;
  TPMS_ECC_PARMS& ecc = area.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_AES;
  ecc.symmetric.keyBits.aes = 128;
  ecc.symmetric.mode.aes = TPM2_ALG_CFB;
  ecc.scheme.scheme = TPM2_ALG_NULL;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  area.unique.ecc.x.size = kCoordinateSize;  // zeros
  area.unique.ecc.y.size = kCoordinateSize;
  return key;
}

}  // namespace

Result<StorageKey> StorageKey::make(const Esys& esys) {
  const TPM2B_SENSITIVE_CREATE no_secret{};
  const TPM2B_PUBLIC area = storage_key_template();
  const TPM2B_DATA no_data{};
  const TPML_PCR_SELECTION no_pcrs{};
  ESYS_TR handle = ESYS_TR_NONE;
  EsysOwned<TPM2B_PUBLIC> made;
  auto done = check("TPM2_CreatePrimary",
                    Esys_CreatePrimary(esys.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &no_secret, &area, &no_data, &no_pcrs, &handle,
                                       out(made), nullptr, nullptr, nullptr));
  if (!done && done.error().code() == Code::wrong_code) return persistent(esys);
  if (!done) return std::move(done).error();
  return StorageKey(Transient(esys, handle), handle, name_of(made->publicArea));
}

Result<StorageKey> StorageKey::persistent(const Esys& esys) {
  constexpr TPM2_HANDLE kStorageRootKey = 0x81000001;
  ESYS_TR handle = ESYS_TR_NONE;
  EsysOwned<TPM2B_PUBLIC> area;
  if (Esys_TR_FromTPMPublic(esys.get(), kStorageRootKey, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) !=
      TSS2_RC_SUCCESS)
    return Error(Code::unavailable,
                 "the TPM's owner hierarchy has a password, and no storage root key is at handle 0x81000001");
  auto read = check("TPM2_ReadPublic", Esys_ReadPublic(esys.get(), handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                                       ESYS_TR_NONE, out(area), nullptr, nullptr));
  if (!read) return std::move(read).error();
  return StorageKey(std::nullopt, handle, name_of(area->publicArea));
}

Result<Transient> start_session(const Esys& esys, const StorageKey& salt, TPM2_SE type,
                                TPMA_SESSION encryption) {
  TPMT_SYM_DEF aes{};
  aes.algorithm = TPM2_ALG_AES;
  aes.keyBits.aes = 128;
  aes.mode.aes = TPM2_ALG_CFB;
  ESYS_TR handle = ESYS_TR_NONE;
  auto started =
      check("TPM2_StartAuthSession",
            Esys_StartAuthSession(esys.get(), salt.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  ESYS_TR_NONE, nullptr, type, &aes, TPM2_ALG_SHA256, &handle));
  if (!started) return std::move(started).error();
  Transient session(esys, handle);
  auto set =
      check("Esys_TRSess_SetAttributes",
            Esys_TRSess_SetAttributes(esys.get(), handle, TPMA_SESSION_CONTINUESESSION | encryption, 0xff));
  if (!set) return std::move(set).error();
  return session;
}

}  // namespace coprotect::hsm::tpm2
