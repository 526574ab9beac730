#include "protocol/crypto/hpke.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "protocol/base/declassify.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hpke_schedule.h"
#include "protocol/crypto/p256.h"

namespace coprotect::protocol {
namespace hpke {
namespace {

constexpr std::uint16_t kKemId = 0x0010;
constexpr std::uint16_t kKdfId = 0x0001;
constexpr std::string_view kVersion = "HPKE-v1";

Bytes kem_suite_id() {
  Writer w;
  w.literal("KEM").u16(kKemId);
  return std::move(w).take();
}

Bytes suite_id(std::uint16_t aead_id) {
  Writer w;
  w.literal("HPKE").u16(kKemId).u16(kKdfId).u16(aead_id);
  return std::move(w).take();
}

// LabeledExtract and LabeledExpand of §4.
Secret labeled_extract(ByteView suite, ByteView salt, std::string_view label, ByteView ikm) {
  Writer prefix;
  prefix.literal(kVersion).bytes(suite).literal(label);
  Secret labeled(prefix.view().size() + ikm.size());
  const auto rest = std::copy(prefix.view().begin(), prefix.view().end(), labeled.fill().begin());
  std::copy(ikm.begin(), ikm.end(), rest);
  return hkdf_extract_sha256(salt, labeled.reveal());
}

Secret labeled_expand(ByteView suite, const Secret& prk, std::string_view label, ByteView info,
                      std::size_t size) {
  Writer labeled;
  labeled.u16(static_cast<std::uint16_t>(size)).literal(kVersion).bytes(suite).literal(label).bytes(info);
  return hkdf_expand_sha256(prk.reveal(), labeled.view(), size);
}

}  // namespace

std::optional<Secret> kem_shared_secret(ByteView scalar, ByteView peer, const HpkePublicKey& enc,
                                        const HpkePublicKey& recipient) {
  const auto dh = p256::shared_x(scalar, peer);
  if (!dh) return std::nullopt;
  const Bytes suite = kem_suite_id();
  const Secret prk = labeled_extract(suite, {}, "eae_prk", dh->reveal());
  Writer context;
  context.bytes(enc).bytes(recipient);
  return labeled_expand(suite, prk, "shared_secret", context.view(), 32);
}

Keys key_schedule(ByteView shared_secret, ByteView info, std::uint16_t aead_id) {
  const Bytes suite = suite_id(aead_id);
  Writer context;
  context
      .u8(0)  // mode_base
      .bytes(labeled_extract(suite, {}, "psk_id_hash", {}).reveal())
      .bytes(labeled_extract(suite, {}, "info_hash", info).reveal());
  const Secret secret = labeled_extract(suite, shared_secret, "secret", {});
  const std::size_t key_size = aead_id == kAes128Gcm ? 16 : kAeadKeySize;
  return {.key = labeled_expand(suite, secret, "key", context.view(), key_size),
          .base_nonce = labeled_expand(suite, secret, "base_nonce", context.view(), kAeadNonceSize)};
}

}  // namespace hpke

HpkePrivateKey HpkePrivateKey::generate(Random& random) {
  return *from_scalar(p256::random_scalar(random).reveal());
}

Result<HpkePrivateKey> HpkePrivateKey::from_scalar(ByteView scalar) {
  if (!p256::is_scalar(scalar)) return Error(Code::malformed, "not a P-256 private key");
  const HpkePublicKey public_key = p256::base_multiple(scalar);
  declassify(public_key);  // it is public
  return HpkePrivateKey(Secret::copy_of(scalar), public_key);
}

HpkePrivateKey HpkePrivateKey::derive(ByteView ikm) {
  const Bytes suite = hpke::kem_suite_id();
  const Secret prk = hpke::labeled_extract(suite, {}, "dkp_prk", ikm);
  // A candidate is too large with probability 2^−32.
  for (unsigned counter = 0; counter < 256; ++counter) {
    const auto count = static_cast<std::uint8_t>(counter);
    auto key = from_scalar(
        hpke::labeled_expand(suite, prk, "candidate", ByteView(&count, 1), p256::kScalarSize).reveal());
    if (key) return *std::move(key);
  }
  std::abort();
}

Result<Secret> HpkePrivateKey::open(ByteView sealed, ByteView info, ByteView aad) const {
  HpkePublicKey enc;
  if (sealed.size() < enc.size()) return Error(Code::altered, "sealed text is too short");
  std::copy_n(sealed.begin(), enc.size(), enc.begin());
  const auto shared = hpke::kem_shared_secret(scalar_.reveal(), enc, enc, public_key_);
  if (!shared) {
    ERR_clear_error();
    return Error(Code::altered, "sealed text begins with no valid key");
  }
  const hpke::Keys keys = hpke::key_schedule(shared->reveal(), info, hpke::kAes256Gcm);
  // A single-shot message has sequence number 0, so its nonce is base_nonce.
  return aead_open(keys.key.reveal(), keys.base_nonce.reveal(), aad, sealed.subspan(enc.size()));
}

bool is_hpke_public_key(ByteView bytes) {
  const bool valid = bytes.size() == std::tuple_size_v<HpkePublicKey> && p256::parse_point(bytes);
  if (!valid) ERR_clear_error();
  return valid;
}

Result<Bytes> hpke_seal(const HpkePublicKey& to, ByteView info, ByteView aad, ByteView plaintext,
                        Random& random) {
  return hpke_seal_with(HpkePrivateKey::generate(random), to, info, aad, plaintext);
}

Result<Bytes> hpke_seal_with(const HpkePrivateKey& ephemeral, const HpkePublicKey& to, ByteView info,
                             ByteView aad, ByteView plaintext) {
  const HpkePublicKey& enc = ephemeral.public_key();
  const auto shared = hpke::kem_shared_secret(ephemeral.scalar().reveal(), to, enc, to);
  if (!shared) {
    ERR_clear_error();
    return Error(Code::malformed, "not a P-256 public key");
  }
  const hpke::Keys keys = hpke::key_schedule(shared->reveal(), info, hpke::kAes256Gcm);
  const Bytes ciphertext = aead_seal(keys.key.reveal(), keys.base_nonce.reveal(), aad, plaintext);
  Bytes sealed(enc.begin(), enc.end());
  sealed.insert(sealed.end(), ciphertext.begin(), ciphertext.end());
  return sealed;
}

}  // namespace coprotect::protocol
