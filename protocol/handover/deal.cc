#include "protocol/handover/deal.h"

#include "protocol/base/reader.h"
#include "protocol/base/secret_writer.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hedged_random.h"
#include "protocol/dkg/sealed_part.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kDealMagic = "CPHD\x01";

std::string dealer_label(std::uint8_t index) {
  return "dealer of index " + std::to_string(index);
}

Bytes encode_commitments(const std::vector<Element>& commitments) {
  Writer w;
  for (const Element& element : commitments) w.bytes(element.encode());
  return std::move(w).take();
}

Digest challenge(const Sid& sid, std::uint8_t index, ByteView commitments, const Digest& sealed_hash,
                 const Digest& part_hash, const Element& r) {
  return tagged_hash("CPV1-HANDOVER",
                     {sid, ByteView(&index, 1), sha256(commitments), sealed_hash, part_hash, r.encode()});
}

// κ, hedged as in SPEC.md §3.2.
Scalar proof_nonce(const Group& group, const Scalar& share, const Sid& sid, const Digest& sealed_hash,
                   Random& random) {
  ByteArray<32> fresh;
  random.fill(fresh);
  SecretWriter seed;
  seed.bytes(fresh).bytes(share.bytes().reveal()).bytes(sid).bytes(sealed_hash);
  return group.hash_to_scalar(seed.reveal(), "CPV1-NONCE");
}

// The dealer's part for the recovery party, sealed to the agents.
struct DealtPart {
  Digest hash;
  Bytes sealed;
};
Result<DealtPart> make_part(const HandoverPlan& plan, const RecoveryStatement& statement, const Scalar& value,
                            Random& random) {
  const auto part = RecoveryPart::make(statement, value, random);
  if (!part) return part.error();
  auto sealed = seal_part(plan->parameters, statement, *part, random);
  if (!sealed) return std::move(sealed).error();
  return DealtPart{.hash = sha256(part->encoded()), .sealed = *std::move(sealed)};
}

// Sets the hashes of the public deal, whose index and commitments are already set.
Result<Bytes> seal_values(const HandoverPlan& plan, PublicDeal& open, const Polynomial& polynomial,
                          Random& random) {
  const std::uint8_t dealer = open.index;
  const Parameters& parameters = plan->parameters;
  const Bytes info = handover_seal_info(plan.sid());
  Writer w;
  for (unsigned j = 1; j <= parameters->n; ++j) {
    const auto index = static_cast<std::uint8_t>(j);
    const Scalar value = polynomial.at(index);
    const Party& holder = parameters->parties[parameters.holder_of(index)];
    if (!holder.is_agent()) {
      auto part = make_part(plan, dealt_statement(plan, open), value, random);
      if (!part) return std::move(part).error();
      open.part_hash = part->hash;
      w.lp4(part->sealed);
      continue;
    }
    const auto sealed = hpke_seal(holder.ceremony_key, info, handover_seal_aad(dealer, index, holder),
                                  value.bytes().reveal(), random);
    if (!sealed) return sealed.error();
    w.lp4(*sealed);
  }
  open.sealed_hash = sha256(w.view());
  return std::move(w).take();
}

bool has_a_value_for_each(ByteView sealed, std::uint8_t n) {
  Reader r(sealed);
  for (unsigned j = 0; j < n; ++j)
    if (!r.lp4()) return false;
  return r.empty();
}

}  // namespace

Bytes handover_seal_info(const Sid& sid) {
  Writer w;
  w.literal("CPV1-HANDOVER-DEAL").bytes(sid);
  return std::move(w).take();
}

Bytes handover_seal_aad(std::uint8_t dealer, std::uint8_t index, const Party& holder) {
  Writer w;
  w.u8(dealer).u8(index).bytes(holder.identity_key.bytes());
  return std::move(w).take();
}

Result<PublicDeal> PublicDeal::parse(ByteView encoded, const HandoverPlan& plan) {
  const Group& group = plan.group();
  const auto malformed = [](std::string_view what) {
    return Error(Code::malformed, "deal: " + std::string(what));
  };
  Reader r(encoded);
  const std::uint8_t t = plan->parameters->t;
  if (encoded.size() != 1 + (t + 1u) * group.element_size() + 64 + group.scalar_size())
    return malformed("a wrong size for " + std::to_string(t) + " commitments");
  const std::uint8_t index = *r.u8();
  std::vector<Element> commitments;
  for (std::size_t k = 0; k < t; ++k) {
    auto element = group.parse(*r.bytes(group.element_size()));
    if (!element) return std::move(element).error().in("deal: commitment A_" + std::to_string(k));
    commitments.push_back(*std::move(element));
  }
  const Digest sealed_hash = *r.array<32>();
  const Digest part_hash = *r.array<32>();
  if (!plan.recovery_party() && part_hash != Digest{}) return malformed("a recovery part for nobody");
  auto proof_r = group.parse(*r.bytes(group.element_size()));
  if (!proof_r) return std::move(proof_r).error().in("deal: proof");
  auto proof_z = Scalar::parse(group.scalars(), *r.bytes(group.scalar_size()));
  if (!proof_z) return std::move(proof_z).error().in("deal: proof");
  return PublicDeal{.index = index,
                    .commitments = std::move(commitments),
                    .sealed_hash = sealed_hash,
                    .part_hash = part_hash,
                    .proof_r = *std::move(proof_r),
                    .proof_z = *std::move(proof_z)};
}

Bytes PublicDeal::encode() const {
  Writer w;
  w.u8(index).bytes(encode_commitments(commitments)).bytes(sealed_hash).bytes(part_hash);
  w.bytes(proof_r.encode()).bytes(proof_z.bytes().reveal());
  return std::move(w).take();
}

Status PublicDeal::check(const HandoverPlan& plan, const Sharing& now) const {
  const std::string who = dealer_label(index);
  if (index == 0 || index > now.public_shares.size()) return Error(Code::malformed, who + ": no such index");
  const Element& own = now.public_share(index);
  if (commitments.front() != own)
    return Error(Code::bad_proof, who + ": deals something else than its share of this epoch");
  const Digest c =
      challenge(plan.sid(), index, encode_commitments(commitments), sealed_hash, part_hash, proof_r);
  const FixedBase& g = plan.group().generator();
  if (g.power_times_inverse_power(proof_z.bytes().reveal(), own, c) != proof_r)
    return Error(Code::bad_proof, who + ": the proof that it consents with its share does not hold");
  return Done{};
}

Result<Deal> Deal::parse(ByteView encoded, const HandoverPlan& plan) {
  Reader r(encoded);
  const bool known = r.literal(kDealMagic);
  const auto open = r.lp4();
  const auto sealed = r.lp4();
  if (!known || !open || !sealed || !r.empty()) return Error(Code::malformed, "deal: not one of version 1");
  auto parsed = PublicDeal::parse(*open, plan);
  if (!parsed) return std::move(parsed).error();
  if (sha256(*sealed) != parsed->sealed_hash)
    return Error(Code::bad_proof, dealer_label(parsed->index) + ": its sealed values were changed");
  if (!has_a_value_for_each(*sealed, plan->parameters->n))
    return Error(Code::malformed, dealer_label(parsed->index) + ": not one sealed value for each index");
  return Deal{.open = *std::move(parsed), .sealed = Bytes(sealed->begin(), sealed->end())};
}

Bytes Deal::encode() const {
  Writer w;
  w.literal(kDealMagic).lp4(open.encode()).lp4(sealed);
  return std::move(w).take();
}

ByteView Deal::sealed_for(std::uint8_t index) const {
  Reader r(sealed);
  for (unsigned j = 1; j < index; ++j) invariant(r.lp4().has_value());
  const auto value = r.lp4();
  invariant(value.has_value());
  return *value;
}

Result<Deal> make_deal(const HandoverPlan& plan, std::uint8_t index, const Scalar& share, Random& random) {
  const Group& group = plan.group();
  Writer purpose;
  purpose.literal("CPV1-DEAL-RANDOM").bytes(sha256(plan.encoded()));
  HedgedRandom hedged(random, share.bytes(), purpose.view());
  const auto polynomial = Polynomial::sharing(group, share.clone(), plan->parameters->t, hedged);
  PublicDeal open{.index = index,
                  .commitments = polynomial.commitments(),
                  .sealed_hash = {},
                  .part_hash = {},
                  .proof_r = group.identity(),
                  .proof_z = Scalar::from_u64(group.scalars(), 0)};
  auto sealed = seal_values(plan, open, polynomial, hedged);
  if (!sealed) return std::move(sealed).error();
  const Scalar nonce = proof_nonce(group, share, plan.sid(), open.sealed_hash, hedged);
  open.proof_r = group.generator_power_secret(nonce);
  const Digest c = challenge(plan.sid(), index, encode_commitments(open.commitments), open.sealed_hash,
                             open.part_hash, open.proof_r);
  open.proof_z = nonce + Scalar::reduce(group.scalars(), c) * share;
  return Deal{.open = std::move(open), .sealed = *std::move(sealed)};
}

Result<Scalar> open_dealt_value(const HandoverPlan& plan, const Deal& deal, std::uint8_t index,
                                const HpkePrivateKey& key) {
  const Group& group = plan.group();
  const std::string who = dealer_label(deal.open.index);
  const Party& holder = plan->parameters->parties[plan->parameters.holder_of(index)];
  const auto opened = key.open(deal.sealed_for(index), handover_seal_info(plan.sid()),
                               handover_seal_aad(deal.open.index, index, holder));
  if (!opened)
    return Error(Code::bad_proof,
                 who + ": its value for index " + std::to_string(index) + " cannot be opened");
  auto value = Scalar::parse(group.scalars(), opened->reveal());
  if (!value || group.generator_power_secret(*value) != committed_value(deal.open.commitments, index))
    return Error(Code::bad_proof,
                 who + ": its value for index " + std::to_string(index) + " does not match its commitments");
  return value;
}

RecoveryStatement dealt_statement(const HandoverPlan& plan, const PublicDeal& deal) {
  const Party& recovery = plan->parameters->parties[plan.recovery_party().value()];
  return {.sid = plan.sid(),
          .dealer = deal.index,
          .index = recovery.indices.front(),
          .recovery_key = recovery.ceremony_key,
          .commitments = deal.commitments};
}

Result<RecoveryPart> open_dealt_part(const HandoverPlan& plan, const Deal& deal, std::size_t self,
                                     const HpkePrivateKey& key, Random& random) {
  const RecoveryStatement statement = dealt_statement(plan, deal.open);
  auto part = open_part(plan->parameters, statement, deal.sealed_for(statement.index), deal.open.part_hash,
                        self, key);
  if (!part) return part;
  if (auto holds = part->check(statement, random); !holds) return std::move(holds).error();
  return part;
}

}  // namespace coprotect::protocol
