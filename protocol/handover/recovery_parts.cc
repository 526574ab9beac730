#include "protocol/handover/recovery_parts.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kPartsMagic = "CPRS\x01";

}  // namespace

RecoveryParts RecoveryParts::of(const HandoverPlan& plan, std::span<const Deal> deals) {
  const auto party = plan.recovery_party();
  invariant(party.has_value());
  RecoveryParts parts;
  parts.sid_ = plan.sid();
  parts.index_ = plan->parameters->parties[*party].indices.front();
  Writer w;
  w.literal(kPartsMagic).bytes(parts.sid_).u8(parts.index_).u8(static_cast<std::uint8_t>(deals.size()));
  for (const Deal& deal : deals) {
    const ByteView sealed = deal.sealed_for(parts.index_);
    parts.sealed_.emplace(deal.open.index, Bytes(sealed.begin(), sealed.end()));
    w.u8(deal.open.index).lp(sealed);
  }
  parts.encoded_ = std::move(w).take();
  return parts;
}

Result<RecoveryParts> RecoveryParts::parse(ByteView encoded) {
  const Error malformed(Code::malformed, "recovery parts: not of version 1, or cut off");
  Reader r(encoded);
  if (!r.literal(kPartsMagic)) return malformed;
  const auto sid = r.array<32>();
  const auto index = r.u8();
  const auto count = r.u8();
  if (!sid || !index || *index == 0 || !count || *count == 0 || *count > kMaxShares) return malformed;
  RecoveryParts parts;
  parts.sid_ = *sid;
  parts.index_ = *index;
  std::uint8_t last = 0;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto dealer = r.u8();
    const auto sealed = r.lp();
    if (!dealer || !sealed || *dealer <= last) return malformed;
    last = *dealer;
    parts.sealed_.emplace(*dealer, Bytes(sealed->begin(), sealed->end()));
  }
  if (!r.empty()) return malformed;
  parts.encoded_.assign(encoded.begin(), encoded.end());
  return parts;
}

Result<Scalar> RecoveryParts::open(const HpkePrivateKey& key, const Sharing& sharing) const {
  const Group& group = sharing.group();
  const Error altered(Code::altered, "recovery parts: they do not make the recovery share of epoch " +
                                         std::to_string(sharing.epoch));
  if (sid_ != sharing.sid || index_ > sharing.public_shares.size()) return altered;
  const Party& holder = sharing.parameters->parties[sharing.parameters.holder_of(index_)];
  std::map<std::uint8_t, Scalar> by_dealer;
  for (const auto& [dealer, sealed] : sealed_) {
    const auto opened = key.open(sealed, handover_seal_info(sid_), handover_seal_aad(dealer, index_, holder));
    if (!opened) return altered;
    auto value = Scalar::parse(group.scalars(), opened->reveal());
    if (!value) return altered;
    by_dealer.emplace(dealer, *std::move(value));
  }
  auto share = combine_dealt_values(group, by_dealer);
  if (!share || group.generator_power_secret(*share) != sharing.public_share(index_)) return altered;
  return share;
}

}  // namespace coprotect::protocol
