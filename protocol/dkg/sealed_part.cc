#include "protocol/dkg/sealed_part.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::size_t kPartKeySize = 32;

Bytes key_info(const RecoveryStatement& statement) {
  Writer w;
  w.literal("CPV1-PARTS").bytes(statement.sid);
  return std::move(w).take();
}

Bytes key_aad(const RecoveryStatement& statement, const Party& agent) {
  Writer w;
  w.u8(statement.dealer).u8(statement.index).bytes(agent.identity_key.bytes());
  return std::move(w).take();
}

Bytes part_aad(const RecoveryStatement& statement) {
  Writer w;
  w.bytes(statement.sid).u8(statement.dealer).u8(statement.index);
  return std::move(w).take();
}

Secret aead_key(const Secret& key) {
  return hkdf_sha256({}, key.reveal(), bytes_of("CPV1-PARTS"), kAeadKeySize);
}

// Constant, because each key seals only one part.
constexpr ByteArray<kAeadNonceSize> kNonce{};

}  // namespace

Result<Bytes> seal_part(const Parameters& parameters, const RecoveryStatement& statement,
                        const RecoveryPart& part, Random& random) {
  Secret key(kPartKeySize);
  random.fill(key.fill());
  Writer w;
  w.lp4(aead_seal(aead_key(key).reveal(), kNonce, part_aad(statement), part.encoded()));
  for (const Party& party : parameters->parties) {
    if (!party.is_agent()) continue;
    const auto sealed =
        hpke_seal(party.ceremony_key, key_info(statement), key_aad(statement, party), key.reveal(), random);
    if (!sealed) return sealed.error();
    w.lp(*sealed);
  }
  return std::move(w).take();
}

Result<RecoveryPart> open_part(const Parameters& parameters, const RecoveryStatement& statement,
                               ByteView sealed, const Digest& part_hash, std::size_t self,
                               const HpkePrivateKey& ceremony_key) {
  const Error refused(Code::bad_proof, "dealer " + std::to_string(statement.dealer) +
                                           ": its recovery part for index " +
                                           std::to_string(statement.index) + " cannot be opened");
  Reader r(sealed);
  const auto ciphertext = r.lp4();
  std::optional<ByteView> own;
  for (std::size_t i = 0; i < parameters->parties.size(); ++i) {
    if (!parameters->parties[i].is_agent()) continue;
    const auto sealed_key = r.lp();
    if (i == self) own = sealed_key;
  }
  if (!ciphertext || !own || !r.empty()) return refused;
  const auto key =
      ceremony_key.open(*own, key_info(statement), key_aad(statement, parameters->parties[self]));
  if (!key) return refused;
  const auto encoded = aead_open(aead_key(*key).reveal(), kNonce, part_aad(statement), *ciphertext);
  if (!encoded || sha256(encoded->reveal()) != part_hash) return refused;
  auto part = RecoveryPart::parse(statement.group(), encoded->reveal());
  if (!part) return refused;
  return part;
}

bool is_sealed_part(const Parameters& parameters, ByteView sealed) {
  Reader r(sealed);
  if (!r.lp4()) return false;
  for (const Party& party : parameters->parties)
    if (party.is_agent() && !r.lp()) return false;
  return r.empty();
}

}  // namespace coprotect::protocol
