#include "protocol/handover/offer.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/crypto/hedged_random.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kOfferMagic = "CPHO\x01";

Error malformed_offer() {
  return {Code::malformed, "handover: not an offer of version 1"};
}

Bytes signed_part(const HandoverOffer& offer) {
  Writer w;
  w.literal(kOfferMagic).bytes(offer.key_id).bytes(offer.newest_hash).bytes(offer.nonce);
  w.bytes(offer.ceremony_key).u8(static_cast<std::uint8_t>(offer.mode)).bytes(offer.boot_nonce);
  return std::move(w).take();
}

Digest challenge(const Digest& offer_hash, const HeldShare& held, const Element& r) {
  Writer suite;
  suite.u16(static_cast<std::uint16_t>(held.public_share.group().suite()));
  Writer epoch;
  epoch.u32(held.epoch);
  return tagged_hash("CPV1-OFFER-PROOF", {offer_hash, suite.view(), held.key_id, epoch.view(),
                                          ByteView(&held.index, 1), held.public_share.encode(), r.encode()});
}

// What the proof of a recovery share covers, instead of an offer's hash.
Digest recovery_statement(const HandoverPlan& plan) {
  return tagged_hash("CPV1-RECOVERY-DEALS", {plan.sid()});
}

std::optional<std::vector<ShareProof>> read_proofs(Reader& r) {
  const auto count = r.u8();
  if (!count || *count > kMaxShares) return std::nullopt;
  std::vector<ShareProof> proofs;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto index = r.u8();
    const auto proof = r.lp();
    const std::uint8_t last = proofs.empty() ? 0 : proofs.back().index;
    if (!index || !proof || *index <= last || *index > kMaxShares) return std::nullopt;
    proofs.push_back({.index = *index, .proof = Bytes(proof->begin(), proof->end())});
  }
  return proofs;
}

// The indices that an identity key's holder has in an epoch.
std::vector<std::uint8_t> held_by(const VerifyKey& identity_key, const Sharing& now) {
  const auto position = now.parameters.position_of(identity_key);
  if (!position) return {};
  return now.parameters->parties[*position].indices;
}

Status check_proofs(const Party& party, const Sharing& now, const HandoverOffer& offer) {
  const auto held = held_by(party.identity_key, now);
  if (!std::ranges::equal(offer.proofs, held, {}, &ShareProof::index))
    return Error(Code::bad_proof, party_label(party) +
                                      ": its offer does not prove exactly the shares of epoch " +
                                      std::to_string(now.epoch) + " that it holds");
  for (const ShareProof& proof : offer.proofs)
    if (!verify_share(offer.hash(), {now.key_id, now.epoch, proof.index, now.public_share(proof.index)},
                      proof))
      return Error(Code::bad_proof, party_label(party) + ": its offer does not prove share " +
                                        std::to_string(proof.index) + " of epoch " +
                                        std::to_string(now.epoch));
  return Done{};
}

Status check_offer(const HandoverPlan& plan, const Party& party, const Sharing& now,
                   const HandoverOffer& offer) {
  if (offer.key_id != plan->key_id || offer.newest_hash != plan->previous)
    return Error(Code::conflict, party_label(party) + ": its offer is for another version of a key");
  if (offer.nonce != party.nonce || offer.ceremony_key != party.ceremony_key || offer.mode != party.mode)
    return Error(Code::conflict, party_label(party) + ": the plan does not say what it offered");
  if (!party.identity_key.verify(offer.hash(), offer.signature))
    return Error(Code::unauthenticated, party_label(party) + ": its identity key did not sign its offer");
  return check_proofs(party, now, offer);
}

}  // namespace

Digest HandoverOffer::hash() const {
  return tagged_hash("CPV1-OFFER", {sha256(signed_part(*this))});
}

Bytes HandoverOffer::encode() const {
  invariant(proofs.size() <= kMaxShares);
  Writer w;
  w.bytes(signed_part(*this)).bytes(signature).u8(static_cast<std::uint8_t>(proofs.size()));
  for (const ShareProof& proof : proofs) w.u8(proof.index).lp(proof.proof);
  return std::move(w).take();
}

Result<HandoverOffer> HandoverOffer::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kOfferMagic);
  const auto key_id = r.array<32>();
  const auto newest_hash = r.array<32>();
  const auto nonce = r.array<32>();
  const auto ceremony_key = r.array<65>();
  const auto mode = r.u8();
  const auto boot_nonce = r.array<16>();
  const auto signature = r.array<64>();
  auto proofs = read_proofs(r);
  if (!known || !key_id || !newest_hash || !nonce || !ceremony_key || !is_hpke_public_key(*ceremony_key) ||
      !mode || *mode < static_cast<std::uint8_t>(KeeperMode::sealed) ||
      *mode > static_cast<std::uint8_t>(KeeperMode::resident) || !boot_nonce || !signature || !proofs ||
      !r.empty())
    return malformed_offer();
  return HandoverOffer{.key_id = *key_id,
                       .newest_hash = *newest_hash,
                       .nonce = *nonce,
                       .ceremony_key = *ceremony_key,
                       .mode = static_cast<KeeperMode>(*mode),
                       .boot_nonce = *boot_nonce,
                       .signature = *signature,
                       .proofs = *std::move(proofs)};
}

ShareProof prove_share(const Digest& offer_hash, const HeldShare& held, const Scalar& share, Random& random) {
  const Group& group = held.public_share.group();
  Writer purpose;
  purpose.literal("CPV1-OFFER-RANDOM").bytes(offer_hash);
  HedgedRandom hedged(random, share.bytes(), purpose.view());
  const Scalar nonce = Scalar::random(group.scalars(), hedged);
  const Element r = group.generator_power_secret(nonce);
  const Scalar z = nonce + Scalar::reduce(group.scalars(), challenge(offer_hash, held, r)) * share;
  Writer proof;
  proof.bytes(r.encode()).bytes(z.bytes().reveal());
  return {.index = held.index, .proof = std::move(proof).take()};
}

bool verify_share(const Digest& offer_hash, const HeldShare& held, const ShareProof& proof) {
  const Group& group = held.public_share.group();
  if (proof.proof.size() != group.element_size() + group.scalar_size()) return false;
  const ByteView encoded(proof.proof);
  const auto r = group.parse(encoded.first(group.element_size()));
  const auto z = Scalar::parse(group.scalars(), encoded.subspan(group.element_size()));
  if (!r || !z) return false;
  const Digest c = challenge(offer_hash, held, *r);
  return group.generator().power_times_inverse_power(z->bytes().reveal(), held.public_share, c) == *r;
}

Bytes prove_recovery_share(const HandoverPlan& plan, const Sharing& now, const Scalar& share,
                           Random& random) {
  const std::uint8_t index = now.recovery->index;
  return prove_share(recovery_statement(plan), {now.key_id, now.epoch, index, now.public_share(index)}, share,
                     random)
      .proof;
}

bool verify_recovery_share(const HandoverPlan& plan, const Sharing& now, ByteView proof) {
  if (!now.recovery) return false;
  const std::uint8_t index = now.recovery->index;
  return verify_share(recovery_statement(plan), {now.key_id, now.epoch, index, now.public_share(index)},
                      {.index = index, .proof = Bytes(proof.begin(), proof.end())});
}

Status check_offers(const HandoverPlan& plan, const Sharing& now, std::span<const HandoverOffer> offers) {
  std::size_t next = 0;
  for (const Party& party : plan->parameters->parties) {
    if (!party.is_agent()) continue;
    if (next == offers.size())
      return Error(Code::malformed, party_label(party) + ": no offer of it is with the plan");
    if (auto checked = check_offer(plan, party, now, offers[next++]); !checked) return checked;
  }
  if (next != offers.size()) return Error(Code::malformed, "handover: an offer of nobody in the plan");
  return Done{};
}

}  // namespace coprotect::protocol
