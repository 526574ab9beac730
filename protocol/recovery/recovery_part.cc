#include "protocol/recovery/recovery_part.h"

#include <algorithm>
#include <string>

#include "protocol/base/declassify.h"
#include "protocol/base/reader.h"
#include "protocol/base/secret_writer.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kPartMagic = "CPRV\x01";
constexpr std::size_t kWeightSize = 16;

// Whether parts in this group contain the R_k. In a MODP group an exponentiation takes longer than reading an
// element.
bool carries_elements(const Group& group) {
  return group.suite() != SuiteId::p256;
}

std::uint8_t number_of_round(std::size_t round) {
  return static_cast<std::uint8_t>(round + 1);
}

// The values derived from each round's seed.
class Rounds {
 public:
  explicit Rounds(const RecoveryStatement& statement) : statement_(statement), hash_(statement.hash()) {
    Writer info;
    info.literal("CPV1-PVE").bytes(statement.sid);
    info_ = std::move(info).take();
  }
  const Digest& statement_hash() const { return hash_; }

  // r_k.
  Scalar exponent(std::size_t round, ByteView seed) const {
    SecretWriter message;
    message.bytes(seed).bytes(hash_).u8(number_of_round(round));
    return statement_.group().hash_to_scalar(message.reveal(), "CPV1-PVE-R");
  }
  // E_k. Code::malformed if the recovery key is invalid.
  Result<Bytes> seal(std::size_t round, ByteView seed) const {
    const std::uint8_t k = number_of_round(round);
    Digest ikm = tagged_hash("CPV1-PVE-EPH", {seed, hash_, ByteView(&k, 1)});
    const HpkePrivateKey ephemeral = HpkePrivateKey::derive(ikm);
    OPENSSL_cleanse(ikm.data(), ikm.size());
    return hpke_seal_with(ephemeral, statement_.recovery_key, info_, aad(round), seed);
  }
  Result<Secret> open(std::size_t round, ByteView sealed_seed, const HpkePrivateKey& key) const {
    return key.open(sealed_seed, info_, aad(round));
  }

 private:
  ByteArray<3> aad(std::size_t round) const {
    return {statement_.dealer, statement_.index, number_of_round(round)};
  }
  const RecoveryStatement& statement_;
  Digest hash_;
  Bytes info_;
};

// e: the first 128 bits of a hash of the statement and every round's commitments.
class ChallengeHash {
 public:
  void add(const Element& element, ByteView sealed_seed) {
    rounds_.bytes(element.encode()).bytes(sealed_seed);
  }
  ByteArray<16> finish(const Digest& statement_hash) const {
    const Digest hash = tagged_hash("CPV1-PVE-E", {statement_hash, sha256(rounds_.view())});
    ByteArray<16> challenge;
    std::copy_n(hash.begin(), challenge.size(), challenge.begin());
    return challenge;
  }

 private:
  Writer rounds_;
};

Bytes public_bytes(const Scalar& scalar) {
  const ByteView bytes = scalar.bytes().reveal();
  return {bytes.begin(), bytes.end()};
}

// ∏ R_k^{w_k} · F^{Σ w_k over closed rounds} = g^{Σ w_k·x_k}, with x_k the exponent that a round states. It
// holds if each R_k is g^{x_k}, or g^{x_k}/F where closed. Otherwise, for random 128-bit w_k, it holds with
// probability 2^−128. All elements are in the group of prime order, because parse() checked that.
bool elements_fit(const std::vector<Element>& elements, const std::vector<Scalar>& exponents,
                  const std::vector<bool>& closed, const Element& value_commitment, Random& random) {
  const Group& group = value_commitment.group();
  std::vector<Element> bases = elements;
  std::vector<Bytes> weights;
  Scalar of_generator = Scalar::from_u64(group.scalars(), 0);
  Scalar of_value = Scalar::from_u64(group.scalars(), 0);
  for (std::size_t k = 0; k < elements.size(); ++k) {
    random.fill(weights.emplace_back(kWeightSize));
    const Scalar weight = Scalar::reduce(group.scalars(), weights.back());
    of_generator = of_generator + weight * exponents[k];
    if (closed[k]) of_value = of_value + weight;
  }
  bases.push_back(value_commitment);
  weights.push_back(public_bytes(of_value));
  return group.product_of_powers_public(bases, weights) == group.generator_power_secret(of_generator);
}

}  // namespace

Digest RecoveryStatement::hash() const {
  Writer suite;
  suite.u16(static_cast<std::uint16_t>(group().suite()));
  Writer all;
  for (const Element& commitment : commitments) all.bytes(commitment.encode());
  return tagged_hash("CPV1-PVE", {suite.view(), sid, ByteView(&dealer, 1), ByteView(&index, 1), recovery_key,
                                  sha256(all.view())});
}

bool RecoveryPart::closed(std::size_t round) const {
  return (challenge_[round / 8] >> (7 - round % 8) & 1) != 0;
}

Result<RecoveryPart> RecoveryPart::make(const RecoveryStatement& statement, const Scalar& value,
                                        Random& random) {
  const Group& group = statement.group();
  const Rounds of(statement);
  ByteArray<32> fresh;
  random.fill(fresh);
  Writer info;
  info.literal("CPV1-PVE-ROOT").bytes(of.statement_hash());
  const Secret root = hkdf_sha256(fresh, value.bytes().reveal(), info.view(), 32);

  std::vector<Secret> seeds;
  std::vector<Scalar> exponents;
  std::vector<Element> elements;
  std::vector<Bytes> sealed_seeds;
  ChallengeHash hash;
  for (std::size_t k = 0; k < kRounds; ++k) {
    const std::uint8_t number = number_of_round(k);
    const Secret& seed = seeds.emplace_back(hkdf_expand_sha256(root.reveal(), ByteView(&number, 1), 32));
    exponents.push_back(of.exponent(k, seed.reveal()));
    elements.push_back(group.generator_power_secret(exponents.back()));
    auto sealed = of.seal(k, seed.reveal());
    if (!sealed) return std::move(sealed).error().in("recovery key");
    sealed_seeds.push_back(*std::move(sealed));
    hash.add(elements.back(), sealed_seeds.back());
  }

  RecoveryPart part(group, hash.finish(of.statement_hash()));
  declassify(part.challenge_);  // it is published: it can be computed from the part
  Writer w;
  w.literal(kPartMagic).bytes(part.challenge_);
  if (carries_elements(group))
    for (const Element& element : elements) w.bytes(element.encode());
  for (std::size_t k = 0; k < kRounds; ++k) {
    if (part.closed(k))
      w.bytes((exponents[k] + value).bytes().reveal()).bytes(sealed_seeds[k]);
    else
      w.bytes(seeds[k].reveal());
  }
  declassify(w.view());  // the part itself
  return parse(group, w.view());
}

Result<RecoveryPart> RecoveryPart::parse(const Group& group, ByteView encoded) {
  const auto malformed = [](std::string_view why) {
    return Error(Code::malformed, "recovery part: " + std::string(why));
  };
  Reader r(encoded);
  if (!r.literal(kPartMagic)) return malformed("not of version 1");
  const auto challenge = r.array<16>();
  if (!challenge) return malformed("cut off");
  RecoveryPart part(group, *challenge);
  for (std::size_t k = 0; carries_elements(group) && k < kRounds; ++k) {
    const auto bytes = r.bytes(group.element_size());
    if (!bytes) return malformed("cut off");
    auto element = group.parse(*bytes);
    if (!element) return std::move(element).error().in("recovery part");
    part.elements_.push_back(*std::move(element));
  }
  for (std::size_t k = 0; k < kRounds; ++k) {
    if (!part.closed(k)) {
      const auto seed = r.array<32>();
      if (!seed) return malformed("cut off");
      part.rounds_.emplace_back(*seed);
      continue;
    }
    const auto sum = r.bytes(group.scalar_size());
    const auto sealed_seed = r.array<kSealedSeedSize>();
    if (!sum || !sealed_seed) return malformed("cut off");
    auto scalar = Scalar::parse(group.scalars(), *sum);
    if (!scalar) return std::move(scalar).error().in("recovery part");
    part.rounds_.emplace_back(Closed{.sum = *std::move(scalar), .sealed_seed = *sealed_seed});
  }
  if (!r.empty()) return malformed("something follows");
  part.encoded_.assign(encoded.begin(), encoded.end());
  return part;
}

Status RecoveryPart::check(const RecoveryStatement& statement, Random& random) const {
  const Error refused(Code::bad_proof, "dealer " + std::to_string(statement.dealer) +
                                           ": its recovery part for index " +
                                           std::to_string(statement.index) + " does not hold");
  if (group_ != &statement.group()) return refused;
  const Rounds of(statement);
  const Element value_commitment = committed_value(statement.commitments, statement.index);
  std::vector<Scalar> exponents;
  std::vector<bool> is_closed;
  std::vector<Bytes> sealed_seeds;
  for (std::size_t k = 0; k < kRounds; ++k) {
    is_closed.push_back(closed(k));
    if (const auto* const round = std::get_if<Closed>(&rounds_[k])) {
      exponents.push_back(round->sum.clone());
      sealed_seeds.emplace_back(round->sealed_seed.begin(), round->sealed_seed.end());
      continue;
    }
    const Seed& seed = std::get<Seed>(rounds_[k]);
    exponents.push_back(of.exponent(k, seed));
    auto sealed = of.seal(k, seed);
    if (!sealed) return std::move(sealed).error().in("recovery key");
    sealed_seeds.push_back(*std::move(sealed));
  }

  std::vector<Element> elements = elements_;
  if (elements.empty()) {
    const Element inverse = group_->invert(value_commitment);
    for (std::size_t k = 0; k < kRounds; ++k) {
      elements.push_back(group_->generator_power_secret(exponents[k]));
      if (is_closed[k]) elements.back() = group_->multiply(elements.back(), inverse);
      if (elements.back().is_identity()) return refused;
    }
  } else if (!elements_fit(elements, exponents, is_closed, value_commitment, random)) {
    return refused;
  }
  ChallengeHash hash;
  for (std::size_t k = 0; k < kRounds; ++k) hash.add(elements[k], sealed_seeds[k]);
  if (hash.finish(of.statement_hash()) != challenge_) return refused;
  return Done{};
}

Result<Scalar> RecoveryPart::open(const RecoveryStatement& statement, const HpkePrivateKey& key) const {
  const Rounds of(statement);
  const Element value_commitment = committed_value(statement.commitments, statement.index);
  for (std::size_t k = 0; group_ == &statement.group() && k < kRounds; ++k) {
    const auto* const round = std::get_if<Closed>(&rounds_[k]);
    if (round == nullptr) continue;
    const auto seed = of.open(k, round->sealed_seed, key);
    if (!seed) continue;
    // Whatever was sealed, g^value decides.
    Scalar value = round->sum - of.exponent(k, seed->reveal());
    if (group_->generator_power_secret(value) == value_commitment) return value;
  }
  return Error(Code::bad_proof, "dealer " + std::to_string(statement.dealer) +
                                    ": no round of its recovery part for index " +
                                    std::to_string(statement.index) + " opens");
}

}  // namespace coprotect::protocol
