#include "protocol/recovery/kit.h"

#include "protocol/base/reader.h"
#include "protocol/base/secret_writer.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kKitMagic = "CPKT";
constexpr std::uint8_t kKitVersion = 1;
constexpr std::size_t kKeySize = 32;

Error malformed_kit(std::string_view why) {
  return {Code::malformed, "recovery kit: " + std::string(why)};
}

Secret sealing_key(const RecoveryKey& recovery_key) {
  return hkdf_sha256({}, recovery_key.key.reveal(), bytes_of("CPV1-KIT"), kAeadKeySize);
}

Digest associated_data(const RecoveryBlob& blob, ByteView certificate) {
  return tagged_hash("CPV1-KIT", {blob.binding().key_id, sha256(blob.encoded()), certificate});
}

}  // namespace

Result<RecoveryKit> RecoveryKit::parse(ByteView encoded) {
  Reader in(encoded);
  if (!in.literal(kKitMagic) || in.u8() != kKitVersion) return malformed_kit("not one of version 1");
  const auto bundle = in.lp4();
  const auto blob_bytes = in.lp4();
  const auto certificate = in.lp();
  const auto nonce = in.array<12>();
  const auto sealed_key = in.lp();
  if (!bundle || !blob_bytes || !certificate || !nonce || !sealed_key || !in.empty())
    return malformed_kit("not of the right length");
  if (sealed_key->size() != kKeySize + kAeadTagSize && sealed_key->size() != 2 * kKeySize + kAeadTagSize)
    return malformed_kit("sealed key is not of the right length");
  auto blob = RecoveryBlob::parse(*blob_bytes);
  if (!blob) return std::move(blob).error().in("recovery kit");

  RecoveryKit kit(Bytes(bundle->begin(), bundle->end()), std::move(*blob),
                  Bytes(certificate->begin(), certificate->end()));
  kit.nonce_ = *nonce;
  kit.sealed_keys_.assign(sealed_key->begin(), sealed_key->end());
  return kit;
}

RecoveryKit RecoveryKit::seal(Bytes bundle, const RecoveryBlob& blob, Bytes certificate,
                              const SigningKey& key, const SigningKey* client_ca,
                              const RecoveryKey& recovery_key, Random& random) {
  RecoveryKit kit(std::move(bundle), blob, std::move(certificate));
  random.fill(kit.nonce_);
  SecretWriter keys;
  keys.bytes(key.scalar().reveal());
  if (client_ca != nullptr) keys.bytes(client_ca->scalar().reveal());
  kit.sealed_keys_ = aead_seal(sealing_key(recovery_key).reveal(), kit.nonce_,
                               associated_data(kit.blob_, kit.certificate_), keys.reveal());
  return kit;
}

Result<SigningKey> RecoveryKit::open_key_at(const RecoveryKey& recovery_key, std::size_t place) const {
  const auto scalars = aead_open(sealing_key(recovery_key).reveal(), nonce_,
                                 associated_data(blob_, certificate_), sealed_keys_);
  if (!scalars) return Error(Code::altered, "recovery kit: its keys do not open");
  if (scalars->size() < (place + 1) * kKeySize)
    return Error(Code::not_found, "recovery kit: it does not hold the client CA's key");
  auto key = SigningKey::from_scalar(scalars->reveal().subspan(place * kKeySize, kKeySize));
  if (!key) return Error(Code::altered, "recovery kit: a key in it is not valid");
  return key;
}

Result<SigningKey> RecoveryKit::open_key(const RecoveryKey& recovery_key) const {
  return open_key_at(recovery_key, 0);
}

Result<SigningKey> RecoveryKit::open_client_ca(const RecoveryKey& recovery_key) const {
  return open_key_at(recovery_key, 1);
}

bool RecoveryKit::holds_client_ca() const {
  return sealed_keys_.size() == 2 * kKeySize + kAeadTagSize;
}

RecoveryKit RecoveryKit::with_bundle(Bytes bundle) const {
  RecoveryKit kit = *this;
  kit.bundle_ = std::move(bundle);
  return kit;
}

Bytes RecoveryKit::encode() const {
  Writer w;
  w.literal(kKitMagic)
      .u8(kKitVersion)
      .lp4(bundle_)
      .lp4(blob_.encoded())
      .lp(certificate_)
      .bytes(nonce_)
      .lp(sealed_keys_);
  return std::move(w).take();
}

}  // namespace coprotect::protocol
