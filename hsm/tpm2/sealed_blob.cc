#include "hsm/tpm2/sealed_blob.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::hsm::tpm2 {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxPrivate = sizeof(TPM2B_PRIVATE::buffer);

// PolicyUpdate of TPM 2.0 Part 3 §23.17: H(policy so far ‖ TPM_CC_PolicyAuthValue), from 32 zero bytes.
Digest auth_value_policy() {
  Writer writer;
  writer.bytes(Digest{}).u32(TPM2_CC_PolicyAuthValue);
  return protocol::sha256(writer.view());
}

}  // namespace

ObjectName name_of(const TPMT_PUBLIC& area) {
  std::array<std::uint8_t, sizeof(TPMT_PUBLIC)> marshalled;
  std::size_t size = 0;
  invariant(Tss2_MU_TPMT_PUBLIC_Marshal(&area, marshalled.data(), marshalled.size(), &size) ==
            TSS2_RC_SUCCESS);
  const Digest digest = protocol::sha256(ByteView(marshalled).first(size));
  ObjectName name = {TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xff};
  std::copy(digest.begin(), digest.end(), name.begin() + 2);
  return name;
}

TPM2B_PUBLIC sealed_area() {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_KEYEDHASH;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes =
      TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_NODA;
  area.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  const Digest policy = auth_value_policy();
  area.publicArea.authPolicy.size = policy.size();
  std::copy(policy.begin(), policy.end(), area.publicArea.authPolicy.buffer);
  return area;
}

TPM2B_PUBLIC SealedBlob::public_2b() const {
  TPM2B_PUBLIC area = sealed_area();
  area.publicArea.unique.keyedHash.size = static_cast<UINT16>(unique.size());
  std::copy(unique.begin(), unique.end(), area.publicArea.unique.keyedHash.buffer);
  return area;
}

TPM2B_PRIVATE SealedBlob::private_2b() const {
  TPM2B_PRIVATE area{};
  invariant(private_area.size() <= kMaxPrivate);
  area.size = static_cast<UINT16>(private_area.size());
  std::copy(private_area.begin(), private_area.end(), area.buffer);
  return area;
}

Bytes SealedBlob::encode() const {
  Writer writer;
  writer.literal("CPTB").u8(kVersion).bytes(storage_key).bytes(unique).lp(private_area);
  return std::move(writer).take();
}

Result<SealedBlob> SealedBlob::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool magic = reader.literal("CPTB") && reader.u8() == kVersion;
  const auto storage_key = reader.array<34>();
  const auto unique = reader.array<32>();
  const auto private_area = reader.lp();
  if (!magic || !storage_key || !unique || !private_area || private_area->empty() ||
      private_area->size() > kMaxPrivate || !reader.empty())
    return Error(Code::altered, "not a key that a TPM sealed");
  return SealedBlob{.storage_key = *storage_key,
                    .unique = *unique,
                    .private_area = Bytes(private_area->begin(), private_area->end())};
}

}  // namespace coprotect::hsm::tpm2
