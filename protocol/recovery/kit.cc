#include "protocol/recovery/kit.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kMagic = "CPKT";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSealedKeySize = 32 + kAeadTagSize;

Error malformed(std::string_view why) {
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
  if (!in.literal(kMagic) || in.u8() != kVersion) return malformed("not one of version 1");
  const auto bundle = in.lp4();
  const auto blob_bytes = in.lp4();
  const auto certificate = in.lp();
  const auto nonce = in.array<12>();
  const auto sealed_key = in.lp();
  if (!bundle || !blob_bytes || !certificate || !nonce || !sealed_key || !in.empty())
    return malformed("not of the right length");
  if (sealed_key->size() != kSealedKeySize) return malformed("sealed key is not of the right length");
  auto blob = RecoveryBlob::parse(*blob_bytes);
  if (!blob) return std::move(blob).error().in("recovery kit");

  RecoveryKit kit(Bytes(bundle->begin(), bundle->end()), std::move(*blob),
                  Bytes(certificate->begin(), certificate->end()));
  kit.nonce_ = *nonce;
  kit.sealed_key_.assign(sealed_key->begin(), sealed_key->end());
  return kit;
}

RecoveryKit RecoveryKit::seal(Bytes bundle, const RecoveryBlob& blob, Bytes certificate,
                              const SigningKey& key, const RecoveryKey& recovery_key, Random& random) {
  RecoveryKit kit(std::move(bundle), blob, std::move(certificate));
  random.fill(kit.nonce_);
  kit.sealed_key_ = aead_seal(sealing_key(recovery_key).reveal(), kit.nonce_,
                              associated_data(kit.blob_, kit.certificate_), key.scalar().reveal());
  return kit;
}

Result<SigningKey> RecoveryKit::open_key(const RecoveryKey& recovery_key) const {
  const auto scalar = aead_open(sealing_key(recovery_key).reveal(), nonce_,
                                associated_data(blob_, certificate_), sealed_key_);
  if (!scalar) return Error(Code::altered, "recovery kit: the administrator's key does not open");
  auto key = SigningKey::from_scalar(scalar->reveal());
  if (!key) return Error(Code::altered, "recovery kit: the administrator's key is not valid");
  return key;
}

Bytes RecoveryKit::encode() const {
  Writer w;
  w.literal(kMagic)
      .u8(kVersion)
      .lp4(bundle_)
      .lp4(blob_.encoded())
      .lp(certificate_)
      .bytes(nonce_)
      .lp(sealed_key_);
  return std::move(w).take();
}

}  // namespace coprotect::protocol
