#include "hsm/share_record.h"

#include <utility>

#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/group/group.h"

namespace coprotect::hsm {
namespace {

constexpr std::uint8_t kRecordVersion = 1;

Bytes bound_to(const ShareId& id, ByteView sealed_key) {
  Writer aad;
  aad.literal("CPV1-SHARE").lp(id.tenant).bytes(id.key_id).u8(static_cast<std::uint8_t>(id.purpose));
  aad.u16(static_cast<std::uint16_t>(id.suite)).u8(id.index).u32(id.epoch).lp(sealed_key);
  return std::move(aad).take();
}

}  // namespace

Bytes ShareRecord::wrap(const ShareId& id, const SealedKey& key, const protocol::Scalar& share) {
  ByteArray<protocol::kAeadNonceSize> nonce;
  system_random().fill(nonce);
  const Bytes ciphertext =
      protocol::aead_seal(key.key.reveal(), nonce, bound_to(id, key.sealed), share.bytes().reveal());
  Writer writer;
  writer.u8(kRecordVersion).lp(key.sealed).bytes(nonce).bytes(ciphertext);
  return std::move(writer).take();
}

Result<ShareRecord> ShareRecord::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool known = reader.u8() == kRecordVersion;
  const auto sealed_key = reader.lp();
  const auto nonce = reader.array<protocol::kAeadNonceSize>();
  if (!known || !sealed_key || !nonce || reader.size() <= protocol::kAeadTagSize)
    return Error(Code::altered, "not a share's record");
  const ByteView ciphertext = reader.rest();
  return ShareRecord{.sealed_key = Bytes(sealed_key->begin(), sealed_key->end()),
                     .nonce = *nonce,
                     .ciphertext = Bytes(ciphertext.begin(), ciphertext.end())};
}

Result<protocol::Scalar> ShareRecord::unwrap(const ShareId& id, const Secret& key) const {
  const auto scalar = protocol::aead_open(key.reveal(), nonce, bound_to(id, sealed_key), ciphertext);
  if (!scalar) return Error(Code::altered, "the record is not this share's");
  auto share = protocol::Scalar::parse(protocol::group_of(id.suite).scalars(), scalar->reveal());
  if (!share) return Error(Code::altered, "the record holds no share of its suite");
  return share;
}

}  // namespace coprotect::hsm
