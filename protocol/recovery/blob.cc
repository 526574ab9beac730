#include "protocol/recovery/blob.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kBlobMagic = "CPRB";
constexpr std::uint8_t kBlobVersion = 1;
constexpr std::size_t kHpkeScalarSize = 32;

Error malformed_blob(std::string_view why) {
  return {Code::malformed, "recovery blob: " + std::string(why)};
}

Secret sealing_key(const Secret& argon2_output) {
  return hkdf_sha256({}, argon2_output.reveal(), bytes_of("CPV1-BLOB"), kAeadKeySize);
}

}  // namespace

Result<RecoveryBlob> RecoveryBlob::parse(ByteView encoded) {
  Reader in(encoded);
  if (!in.literal(kBlobMagic) || in.u8() != kBlobVersion) return malformed_blob("not one of version 1");
  const auto suite_id = in.u16();
  const auto key_id = in.array<32>();
  const auto recovery_key = in.array<65>();
  if (!recovery_key) return malformed_blob("cut short");
  const auto suite = parse_suite(*suite_id);
  if (!suite) return malformed_blob("unknown suite");
  if (!is_hpke_public_key(*recovery_key)) return malformed_blob("recovery key is no point on P-256");
  const auto memory_kib = in.u32();
  const auto passes = in.u32();
  const auto lanes = in.u8();
  const auto salt = in.array<16>();
  const auto nonce = in.array<12>();
  const std::size_t aad_size = encoded.size() - in.size();
  const auto sealed = in.lp();
  if (!sealed || !in.empty()) return malformed_blob("not of the right length");
  if (sealed->size() != kHpkeScalarSize + kAeadTagSize)
    return malformed_blob("sealed part is not of the right length");
  const Argon2Cost cost{.memory_kib = *memory_kib, .passes = *passes, .lanes = *lanes};
  if (auto within = check_argon2_cost(cost); !within) return std::move(within).error().in("recovery blob");

  RecoveryBlob blob(Binding{.key_id = *key_id, .suite = *suite, .recovery_key = *recovery_key}, cost);
  blob.salt_ = *salt;
  blob.nonce_ = *nonce;
  blob.sealed_.assign(sealed->begin(), sealed->end());
  blob.aad_size_ = aad_size;
  blob.encoded_.assign(encoded.begin(), encoded.end());
  return blob;
}

Result<std::pair<RecoveryBlob, RecoveryKey>> RecoveryBlob::seal(const Secret& input, const KeyId& key_id,
                                                                SuiteId suite, const HpkePrivateKey& hpke,
                                                                Random& random) {
  ByteArray<16> salt;
  ByteArray<12> nonce;
  random.fill(salt);
  random.fill(nonce);
  return seal_with(kCodeCost, salt, nonce, input, key_id, suite, hpke);
}

Result<std::pair<RecoveryBlob, RecoveryKey>> RecoveryBlob::seal_with(
    const Argon2Cost& cost, const ByteArray<16>& salt, const ByteArray<12>& nonce, const Secret& input,
    const KeyId& key_id, SuiteId suite, const HpkePrivateKey& hpke) {
  auto argon2_output = argon2id(input.reveal(), salt, cost);
  if (!argon2_output) return std::move(argon2_output).error().in("recovery blob");

  Writer w;
  w.literal(kBlobMagic).u8(kBlobVersion);
  w.u16(static_cast<std::uint16_t>(suite)).bytes(key_id).bytes(hpke.public_key());
  w.u32(cost.memory_kib).u32(cost.passes).u8(cost.lanes).bytes(salt).bytes(nonce);

  const Bytes sealed =
      aead_seal(sealing_key(*argon2_output).reveal(), nonce, w.view(), hpke.scalar().reveal());
  w.lp(sealed);

  auto blob = parse(w.view());
  if (!blob) return std::move(blob).error();
  return std::pair(std::move(*blob), RecoveryKey{std::move(*argon2_output)});
}

Result<RecoveryBlob::Opened> RecoveryBlob::open(const Secret& input) const {
  auto argon2_output = argon2id(input.reveal(), salt_, cost_);
  if (!argon2_output) return std::move(argon2_output).error().in("recovery blob");
  const ByteView aad = ByteView(encoded_).first(aad_size_);
  const auto plaintext = aead_open(sealing_key(*argon2_output).reveal(), nonce_, aad, sealed_);
  if (!plaintext) return Error(Code::wrong_code, "recovery code is not this blob's");

  auto hpke = HpkePrivateKey::from_scalar(plaintext->reveal());
  if (!hpke || hpke->public_key() != binding_.recovery_key)
    return Error(Code::altered, "recovery blob: the key inside is not the private half of the recovery key");
  return Opened{.hpke = std::move(*hpke), .recovery_key = RecoveryKey{std::move(*argon2_output)}};
}

}  // namespace coprotect::protocol
