#include "provisioning/ca_key_file.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::provisioning {
namespace {

using protocol::Argon2Cost;

constexpr std::string_view kMagic = "CPCA";
constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kInfo = "CPV1-CAKEY";

Result<Secret> key_from(const Secret& passphrase, ByteView salt, const Argon2Cost& cost) {
  auto stretched = protocol::argon2id(passphrase.reveal(), salt, cost);
  if (!stretched) return stretched;
  return protocol::hkdf_sha256({}, stretched->reveal(), bytes_of(kInfo), protocol::kAeadKeySize);
}

}  // namespace

Result<Bytes> seal_ca_key(const protocol::SigningKey& key, const protocol::Certificate& ca,
                          const Secret& passphrase, Random& random, const Argon2Cost& cost) {
  ByteArray<16> salt;
  ByteArray<protocol::kAeadNonceSize> nonce;
  random.fill(salt);
  random.fill(nonce);
  auto sealing_key = key_from(passphrase, salt, cost);
  if (!sealing_key) return std::move(sealing_key).error();
  Writer file;
  file.literal(kMagic).u8(kVersion).bytes(ca.key_hash());
  file.u32(cost.memory_kib).u32(cost.passes).u8(cost.lanes).bytes(salt).bytes(nonce);
  const Bytes sealed = protocol::aead_seal(sealing_key->reveal(), nonce, file.view(), key.scalar().reveal());
  file.lp(sealed);
  return std::move(file).take();
}

Result<protocol::SigningKey> open_ca_key(ByteView file, const protocol::Certificate& ca,
                                         const Secret& passphrase) {
  const Error malformed(Code::malformed, "not a client CA key file");
  Reader reader(file);
  if (!reader.literal(kMagic) || reader.u8() != kVersion) return malformed;
  const auto key_hash = reader.array<32>();
  const auto memory_kib = reader.u32();
  const auto passes = reader.u32();
  const auto lanes = reader.u8();
  const auto salt = reader.array<16>();
  const auto nonce = reader.array<protocol::kAeadNonceSize>();
  if (!nonce) return malformed;
  const ByteView aad = file.first(file.size() - reader.size());
  const auto sealed = reader.lp();
  if (!sealed || !reader.empty()) return malformed;
  if (*key_hash != ca.key_hash())
    return Error(Code::conflict, "the client CA key file belongs to another CA");

  const Argon2Cost cost{*memory_kib, *passes, *lanes};
  if (auto allowed = protocol::check_argon2_cost(cost); !allowed) return std::move(allowed).error();
  auto sealing_key = key_from(passphrase, *salt, cost);
  if (!sealing_key) return std::move(sealing_key).error();
  auto scalar = protocol::aead_open(sealing_key->reveal(), *nonce, aad, *sealed);
  if (!scalar) return Error(Code::wrong_code, "the passphrase does not open the client CA key");
  auto key = protocol::SigningKey::from_scalar(scalar->reveal());
  if (key && key->public_key() != ca.key())
    return Error(Code::altered, "the client CA key does not fit its certificate");
  return key;
}

}  // namespace coprotect::provisioning
