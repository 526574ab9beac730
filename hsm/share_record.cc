#include "hsm/share_record.h"

#include <utility>

#include "protocol/base/random.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"
#include "protocol/group/group.h"

namespace coprotect::hsm {
namespace {

constexpr std::uint8_t kRecordVersion = 1;

Bytes about(const ShareId& id) {
  Writer what;
  what.literal("CPV1-SHARE").lp(id.tenant).bytes(id.key_id).u8(static_cast<std::uint8_t>(id.purpose));
  what.u16(static_cast<std::uint16_t>(id.suite)).u8(id.index).u32(id.epoch);
  return std::move(what).take();
}

Secret joined(const Secret& key, const Secret& epoch_key) {
  Secret both(key.size() + epoch_key.size());
  const auto rest = std::ranges::copy(key.reveal(), both.fill().begin()).out;
  std::ranges::copy(epoch_key.reveal(), rest);
  return protocol::hkdf_sha256({}, both.reveal(), bytes_of("CPV1-EPOCH-RECORD"), protocol::kAeadKeySize);
}

Bytes bound_to(ByteView what, ByteView sealed_key) {
  Writer aad;
  aad.bytes(what).lp(sealed_key);
  return std::move(aad).take();
}

}  // namespace

Bytes EpochRecord::wrap(ByteView what, const SealedKey& key, const Secret& epoch_key, ByteView content) {
  ByteArray<protocol::kAeadNonceSize> nonce;
  system_random().fill(nonce);
  const Bytes ciphertext =
      protocol::aead_seal(joined(key.key, epoch_key).reveal(), nonce, bound_to(what, key.sealed), content);
  Writer writer;
  writer.u8(kRecordVersion).lp(key.sealed).bytes(nonce).bytes(ciphertext);
  return std::move(writer).take();
}

Result<EpochRecord> EpochRecord::parse(ByteView encoded) {
  Reader reader(encoded);
  const bool known = reader.u8() == kRecordVersion;
  const auto sealed_key = reader.lp();
  const auto nonce = reader.array<protocol::kAeadNonceSize>();
  if (!known || !sealed_key || !nonce || reader.size() <= protocol::kAeadTagSize)
    return Error(Code::altered, "not a record of an epoch");
  const ByteView ciphertext = reader.rest();
  return EpochRecord{.sealed_key = Bytes(sealed_key->begin(), sealed_key->end()),
                     .nonce = *nonce,
                     .ciphertext = Bytes(ciphertext.begin(), ciphertext.end())};
}

Result<Secret> EpochRecord::unwrap(ByteView what, const Secret& key, const Secret& epoch_key) const {
  return protocol::aead_open(joined(key, epoch_key).reveal(), nonce, bound_to(what, sealed_key), ciphertext);
}

Bytes wrap_share(const ShareId& id, const SealedKey& key, const Secret& epoch_key,
                 const protocol::Scalar& share) {
  return EpochRecord::wrap(about(id), key, epoch_key, share.bytes().reveal());
}

Result<protocol::Scalar> unwrap_share(const EpochRecord& record, const ShareId& id, const Secret& key,
                                      const Secret& epoch_key) {
  const auto scalar = record.unwrap(about(id), key, epoch_key);
  if (!scalar) return Error(Code::altered, "the record is not this share's");
  auto share = protocol::Scalar::parse(protocol::group_of(id.suite).scalars(), scalar->reveal());
  if (!share) return Error(Code::altered, "the record holds no share of its suite");
  return share;
}

Bytes about_bytes(const EpochId& epoch, std::string_view what) {
  Writer about;
  about.literal("CPV1-EPOCH-BYTES").bytes(epoch.key_id).u32(epoch.epoch).lp(what);
  return std::move(about).take();
}

}  // namespace coprotect::hsm
