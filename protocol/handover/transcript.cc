#include "protocol/handover/transcript.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kHandoverMagic = "CPVN\x01";

Error malformed_handover(std::string_view what) {
  return {Code::malformed, "handover: " + std::string(what)};
}

// A dealer's λ_i as an exponent of an element or of its inverse, whichever is shorter. For dealers 1 and 2
// these are 2 and −1, so a chain is read in a fraction of the time.
struct Weight {
  bool negative;
  Bytes exponent;
};

Result<Weight> weight_of(const HandoverPlan& plan, std::uint8_t dealer) {
  const auto weight = lagrange_at_zero(plan.group(), plan->dealers, dealer);
  if (!weight) return weight.error();
  const Scalar opposite = Scalar::from_u64(plan.group().scalars(), 0) - *weight;
  const ByteView positive = weight->bytes().reveal();  // public
  const ByteView negative = opposite.bytes().reveal();
  const bool shorter = std::ranges::lexicographical_compare(negative, positive);
  const ByteView exponent = shorter ? negative : positive;
  return Weight{.negative = shorter, .exponent = Bytes(exponent.begin(), exponent.end())};
}

// C_k = ∏_i A_{i,k}^{λ_i}: commitments to the polynomial of the new shares.
Result<std::vector<Element>> combined_commitments(const HandoverPlan& plan,
                                                  const std::vector<PublicDeal>& deals) {
  const Group& group = plan.group();
  std::vector<bool> negative;
  std::vector<Bytes> exponents;
  for (const PublicDeal& deal : deals) {
    auto weight = weight_of(plan, deal.index);
    if (!weight) return std::move(weight).error();
    negative.push_back(weight->negative);
    exponents.push_back(std::move(weight->exponent));
  }
  std::vector<Element> combined;
  for (std::size_t k = 0; k < plan->parameters->t; ++k) {
    std::vector<Element> column;
    for (std::size_t i = 0; i < deals.size(); ++i) {
      const Element& commitment = deals[i].commitments[k];
      column.push_back(negative[i] ? group.invert(commitment) : commitment);
    }
    combined.push_back(group.product_of_powers_public(column, exponents));
  }
  return combined;
}

Result<Sharing> new_sharing(const Sharing& now, const HandoverPlan& plan,
                            const std::vector<PublicDeal>& deals) {
  const auto combined = combined_commitments(plan, deals);
  if (!combined) return combined.error();
  // This follows from A_0 = h_i for each dealer. It is still checked, because files depend on it.
  if (combined->front() != now.h) return Error(Code::bad_proof, "handover: it changes the public key");
  if (combined->back().is_identity())
    return Error(Code::bad_proof, "handover: the new shares are of a lower threshold");
  std::vector<Element> public_shares;
  for (unsigned j = 1; j <= plan->parameters->n; ++j) {
    public_shares.push_back(committed_value(*combined, static_cast<std::uint8_t>(j)));
    if (public_shares.back().is_identity())
      return Error(Code::bad_proof, "handover: public share " + std::to_string(j) + " is the identity");
  }
  Sharing sharing{now.key_id, plan->epoch, plan.sid(), plan->parameters, now.h, std::move(public_shares)};
  if (const auto recovery = plan.recovery_party()) {
    RecoveryDealing dealing{
        .index = plan->parameters->parties[*recovery].indices.front(), .parts_hash = {}, .statements = {}};
    std::map<std::uint8_t, Digest> hashes;
    for (const PublicDeal& deal : deals) {
      dealing.statements.push_back(dealt_statement(plan, deal));
      hashes.emplace(deal.index, deal.part_hash);
    }
    dealing.parts_hash = recovery_parts_hash(plan.sid(), dealing.index, hashes);
    sharing.recovery = std::move(dealing);
    sharing.blob_hash = plan->blob_hash;
  }
  return sharing;
}

Bytes encode_body(const HandoverPlan& plan, const std::vector<PublicDeal>& deals) {
  Writer w;
  w.literal(kHandoverMagic).lp4(plan.encoded());
  for (const PublicDeal& deal : deals) w.lp4(deal.encode());
  return std::move(w).take();
}

// Reads everything before the signatures.
Result<HandoverTranscript> read_body(Reader& r, const Sharing& now, const Digest& newest_hash) {
  const bool known = r.literal(kHandoverMagic);
  const auto encoded_plan = r.lp4();
  if (!known || !encoded_plan) return malformed_handover("not one of version 1");
  auto plan = HandoverPlan::parse(*encoded_plan);
  if (!plan) return std::move(plan).error();
  // Checked before elements are parsed in the suite that the plan names.
  if (auto fits = plan->follows(now, newest_hash); !fits) return std::move(fits).error();
  std::vector<PublicDeal> deals;
  for (std::size_t i = 0; i < (*plan)->dealers.size(); ++i) {
    const auto encoded = r.lp4();
    if (!encoded) return malformed_handover("cut off in a deal");
    auto deal = PublicDeal::parse(*encoded, *plan);
    if (!deal) return std::move(deal).error();
    deals.push_back(*std::move(deal));
  }
  return HandoverTranscript::make(now, newest_hash, *std::move(plan), std::move(deals));
}

}  // namespace

Result<HandoverTranscript> HandoverTranscript::make(const Sharing& now, const Digest& newest_hash,
                                                    HandoverPlan plan, std::vector<PublicDeal> deals) {
  if (auto fits = plan.follows(now, newest_hash); !fits) return std::move(fits).error();
  if (deals.size() != plan->dealers.size()) return malformed_handover("not one deal of each dealer");
  for (std::size_t i = 0; i < deals.size(); ++i) {
    if (deals[i].index != plan->dealers[i])
      return malformed_handover("no deal of index " + std::to_string(plan->dealers[i]) + " in its place");
    if (auto checked = deals[i].check(plan, now); !checked) return std::move(checked).error();
  }
  auto sharing = new_sharing(now, plan, deals);
  if (!sharing) return std::move(sharing).error();
  Bytes body = encode_body(plan, deals);
  const bool renews_code = plan.renews_code(now);
  return HandoverTranscript(std::move(plan), renews_code, *std::move(sharing), std::move(body));
}

Result<HandoverTranscript> HandoverTranscript::parse(ByteView body, const Sharing& now,
                                                     const Digest& newest_hash) {
  Reader r(body);
  auto transcript = read_body(r, now, newest_hash);
  if (transcript && !r.empty()) return malformed_handover("something follows");
  return transcript;
}

Digest HandoverTranscript::hash() const {
  return sha256(body_);
}

std::vector<std::size_t> HandoverTranscript::signers() const {
  std::vector<std::size_t> signers;
  for (std::size_t i = 0; i < plan_->parameters->parties.size(); ++i)
    if (plan_->parameters->parties[i].is_agent() || renews_code_) signers.push_back(i);
  return signers;
}

Result<HandoverVersion> HandoverVersion::parse(ByteView encoded, const Sharing& now,
                                               const Digest& newest_hash) {
  Reader r(encoded);
  auto transcript = read_body(r, now, newest_hash);
  if (!transcript) return std::move(transcript).error();
  const auto& parties = transcript->plan()->parameters->parties;
  for (const std::size_t signer : transcript->signers()) {
    const auto signature = r.array<64>();
    if (!signature) return malformed_handover("cut off in the signatures");
    if (!verify_confirmation(parties[signer].identity_key, *transcript, *signature))
      return Error(Code::unauthenticated,
                   "handover: " + party_label(parties[signer]) + " did not confirm this epoch");
  }
  if (!r.empty()) return malformed_handover("something follows");
  return HandoverVersion{*std::move(transcript), Bytes(encoded.begin(), encoded.end())};
}

Result<HandoverPlan> HandoverVersion::plan_of(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kHandoverMagic);
  const auto plan = r.lp4();
  if (!known || !plan) return malformed_handover("not one of version 1");
  return HandoverPlan::parse(*plan);
}

Bytes HandoverVersion::encode(const HandoverTranscript& transcript,
                              std::span<const Signature> confirmations) {
  Writer w;
  w.bytes(transcript.body());
  for (const Signature& signature : confirmations) w.bytes(signature);
  return std::move(w).take();
}

Result<RecoveryParts> receive_parts(const HandoverTranscript& transcript, std::span<const Deal> deals,
                                    std::size_t self, const HpkePrivateKey& key, Random& random) {
  const HandoverPlan& plan = transcript.plan();
  std::map<std::uint8_t, RecoveryPart> parts;
  for (const Deal& deal : deals) {
    auto part = open_dealt_part(plan, deal, self, key, random);
    if (!part) return std::move(part).error();
    parts.emplace(deal.open.index, *std::move(part));
  }
  return RecoveryParts::of(plan.sid(), transcript.sharing().recovery->index, std::move(parts));
}

Result<Scalar> receive_share(const HandoverTranscript& transcript, std::span<const Deal> deals,
                             std::uint8_t index, const HpkePrivateKey& key) {
  const HandoverPlan& plan = transcript.plan();
  std::map<std::uint8_t, Scalar> by_dealer;
  for (const Deal& deal : deals) {
    auto value = open_dealt_value(plan, deal, index, key);
    if (!value) return value;
    by_dealer.emplace(deal.open.index, *std::move(value));
  }
  auto share = combine_dealt_values(plan.group(), by_dealer);
  if (share && plan.group().generator_power_secret(*share) != transcript.sharing().public_share(index))
    return Error(Code::bad_proof, "handover: the values dealt do not make share " + std::to_string(index));
  return share;
}

}  // namespace coprotect::protocol
