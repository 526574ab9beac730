#include "hsm/tpm2/root.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <optional>

#include "hsm/helper/message.h"
#include "protocol/base/fault.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm::tpm2 {
namespace {

// The NV indices that the TCG assigns to the owner (Registry of Reserved TPM 2.0 Handles §2.2).
constexpr TPM2_HANDLE kFirst = 0x01800000;
constexpr TPM2_HANDLE kMask = 0x003fffff;

constexpr std::size_t kContentSize = 32;

TPM2_HANDLE handle_of(const RootId& id) {
  TPM2_HANDLE number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = (number << 8) | id[i];
  return kFirst | (number & kMask);
}

Digest mark_of(const RootId& id) {
  Writer writer;
  writer.literal("CPV1-TPM-ROOT-MARK").bytes(id);
  return protocol::sha256(writer.view());
}

TPM2B_NV_PUBLIC public_area_of(const RootId& id) {
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = handle_of(id);
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;
  const Digest mark = mark_of(id);
  area.nvPublic.authPolicy.size = mark.size();
  std::copy(mark.begin(), mark.end(), area.nvPublic.authPolicy.buffer);
  area.nvPublic.dataSize = kContentSize;
  return area;
}

// The index at the root's handle, if it is this root.
Result<std::optional<ESYS_TR>> find(const Esys& esys, const RootId& id) {
  // Checks first whether there is one: Esys_TR_FromTPMPublic does not distinguish a missing index from a
  // missing TPM.
  EsysOwned<TPMS_CAPABILITY_DATA> present;
  TPMI_YES_NO more = TPM2_NO;
  auto listed = check("TPM2_GetCapability",
                      Esys_GetCapability(esys.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                         TPM2_CAP_HANDLES, handle_of(id), 1, &more, out(present)));
  if (!listed) return std::move(listed).error();
  const TPML_HANDLE& handles = present->data.handles;
  if (handles.count == 0 || handles.handle[0] != handle_of(id)) return std::optional<ESYS_TR>();
  ESYS_TR handle = ESYS_TR_NONE;
  auto found = check("Esys_TR_FromTPMPublic", Esys_TR_FromTPMPublic(esys.get(), handle_of(id), ESYS_TR_NONE,
                                                                    ESYS_TR_NONE, ESYS_TR_NONE, &handle));
  if (!found) return std::move(found).error();
  EsysOwned<TPM2B_NV_PUBLIC> area;
  auto read = check("TPM2_NV_ReadPublic", Esys_NV_ReadPublic(esys.get(), handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                                             ESYS_TR_NONE, out(area), nullptr));
  if (!read) return std::move(read).error();
  const TPM2B_DIGEST& policy = area->nvPublic.authPolicy;
  if (!std::ranges::equal(ByteView(policy.buffer, policy.size), mark_of(id))) return std::optional<ESYS_TR>();
  return std::optional<ESYS_TR>(handle);
}

// TPM2_NV_DefineSpace and TPM2_NV_UndefineSpace need the owner.
Error explained(Error error) {
  if (error.code() != Code::wrong_code) return error;
  return {Code::unavailable, error.message() +
                                 ": the TPM's owner hierarchy has a password, and CoProtect cannot make or "
                                 "destroy its NV index; take the password away, or use another token"};
}

}  // namespace

Status define_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth,
                   const Secret& content) {
  const auto session = start_session(esys, salt, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT);
  if (!session) return session.error();
  const TPM2B_NV_PUBLIC area = public_area_of(id);
  TPM2B_AUTH value = auth_2b(auth);
  ESYS_TR handle = ESYS_TR_NONE;
  auto defined =
      check("TPM2_NV_DefineSpace", Esys_NV_DefineSpace(esys.get(), ESYS_TR_RH_OWNER, session->handle(),
                                                       ESYS_TR_NONE, ESYS_TR_NONE, &value, &area, &handle));
  OPENSSL_cleanse(&value, sizeof value);
  if (!defined) return explained(std::move(defined).error());
  fault_point("tpm2: the index is defined");
  TPM2B_MAX_NV_BUFFER data{};
  data.size = static_cast<UINT16>(content.size());
  std::copy(content.reveal().begin(), content.reveal().end(), data.buffer);
  auto written = check("TPM2_NV_Write", Esys_NV_Write(esys.get(), handle, handle, session->handle(),
                                                      ESYS_TR_NONE, ESYS_TR_NONE, &data, 0));
  OPENSSL_cleanse(&data, sizeof data);
  fault_point("tpm2: the index is written");
  return written;
}

Result<Secret> read_root(const Esys& esys, const StorageKey& salt, const RootId& id, const Secret& auth) {
  const auto found = find(esys, id);
  if (!found) return found.error();
  if (!*found)
    return Error(Code::altered,
                 "its root in the TPM was destroyed: this copy is older than the last erasure, and what it "
                 "holds is erased");
  const auto session = start_session(esys, salt, TPM2_SE_HMAC, TPMA_SESSION_ENCRYPT);
  if (!session) return session.error();
  TPM2B_AUTH value = auth_2b(auth);
  auto set = check("Esys_TR_SetAuth", Esys_TR_SetAuth(esys.get(), **found, &value));
  OPENSSL_cleanse(&value, sizeof value);
  if (!set) return std::move(set).error();
  EsysOwned<TPM2B_MAX_NV_BUFFER> data;
  auto read = check("TPM2_NV_Read", Esys_NV_Read(esys.get(), **found, **found, session->handle(),
                                                 ESYS_TR_NONE, ESYS_TR_NONE, kContentSize, 0, out(data)));
  // The value is not a PIN: anyone with the sealed part has it.
  if (!read && read.error().code() == Code::wrong_code)
    return Error(Code::altered, "the TPM's root is another one: " + read.error().message());
  if (!read) return std::move(read).error();
  if (data->size != kContentSize) return Error(Code::unavailable, "TPM2_NV_Read: an answer of another size");
  Secret content = Secret::copy_of({data->buffer, data->size});
  OPENSSL_cleanse(data.get(), sizeof *data);
  return content;
}

Status undefine_root(const Esys& esys, const StorageKey& salt, const RootId& id) {
  const auto found = find(esys, id);
  if (!found) return found.error();
  if (!*found) return Done{};
  // In a session that only this TPM can answer: a mere transport reply that the index is gone is not trusted.
  const auto session = start_session(esys, salt, TPM2_SE_HMAC, TPMA_SESSION{});
  if (!session) return session.error();
  fault_point("tpm2: the index is to be undefined");
  auto undefined =
      check("TPM2_NV_UndefineSpace", Esys_NV_UndefineSpace(esys.get(), ESYS_TR_RH_OWNER, **found,
                                                           session->handle(), ESYS_TR_NONE, ESYS_TR_NONE));
  if (!undefined) return explained(std::move(undefined).error());
  fault_point("tpm2: the index is undefined");
  return Done{};
}

}  // namespace coprotect::hsm::tpm2
