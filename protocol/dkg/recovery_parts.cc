#include "protocol/dkg/recovery_parts.h"

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kPartsMagic = "CPRS\x01";

}  // namespace

RecoveryParts RecoveryParts::of(const Sid& sid, std::uint8_t index,
                                std::map<std::uint8_t, RecoveryPart> parts) {
  RecoveryParts made;
  made.sid_ = sid;
  made.index_ = index;
  Writer w;
  w.literal(kPartsMagic).bytes(sid).u8(index).u8(static_cast<std::uint8_t>(parts.size()));
  for (const auto& [dealer, part] : parts) w.u8(dealer).lp4(part.encoded());
  made.parts_ = std::move(parts);
  made.encoded_ = std::move(w).take();
  return made;
}

Result<RecoveryParts> RecoveryParts::parse(const Group& group, ByteView encoded) {
  const Error malformed(Code::malformed, "recovery parts: not of version 1, or cut off");
  Reader r(encoded);
  if (!r.literal(kPartsMagic)) return malformed;
  const auto sid = r.array<32>();
  const auto index = r.u8();
  const auto count = r.u8();
  if (!sid || !index || *index == 0 || *index > kMaxShares || !count || *count == 0 || *count > kMaxShares)
    return malformed;
  std::map<std::uint8_t, RecoveryPart> parts;
  int last = -1;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto dealer = r.u8();
    const auto bytes = r.lp4();
    if (!dealer || !bytes || *dealer <= last || *dealer > kMaxShares) return malformed;
    last = *dealer;
    auto part = RecoveryPart::parse(group, *bytes);
    if (!part) return std::move(part).error();
    parts.emplace(*dealer, *std::move(part));
  }
  if (!r.empty()) return malformed;
  return of(*sid, *index, std::move(parts));
}

Digest RecoveryParts::hash() const {
  std::map<std::uint8_t, Digest> hashes;
  for (const auto& [dealer, part] : parts_) hashes.emplace(dealer, sha256(part.encoded()));
  return recovery_parts_hash(sid_, index_, hashes);
}

Status RecoveryParts::check_named(const Sharing& sharing) const {
  if (sharing.recovery && sid_ == sharing.sid && index_ == sharing.recovery->index &&
      hash() == sharing.recovery->parts_hash && parts_.size() == sharing.recovery->statements.size())
    return Done{};
  return Error(Code::altered, "recovery parts: not those that epoch " + std::to_string(sharing.epoch) +
                                  " of key " + to_hex(sharing.key_id) + " names");
}

Status RecoveryParts::check(const Sharing& sharing, Random& random) const {
  if (auto named = check_named(sharing); !named) return named;
  for (const RecoveryStatement& statement : sharing.recovery->statements) {
    const auto part = parts_.find(statement.dealer);
    if (part == parts_.end())
      return Error(Code::altered, "recovery parts: none of dealer " + std::to_string(statement.dealer));
    if (auto holds = part->second.check(statement, random); !holds) return holds;
  }
  return Done{};
}

Result<Scalar> RecoveryParts::open(const HpkePrivateKey& key, const Sharing& sharing) const {
  if (auto named = check_named(sharing); !named) return std::move(named).error();
  const Group& group = sharing.group();
  const Error altered(Code::altered, "recovery parts: they do not make the recovery share of epoch " +
                                         std::to_string(sharing.epoch));
  std::map<std::uint8_t, Scalar> values;
  for (const RecoveryStatement& statement : sharing.recovery->statements) {
    const auto part = parts_.find(statement.dealer);
    if (part == parts_.end()) return altered;
    auto value = part->second.open(statement, key);
    if (!value) return std::move(value).error().in(altered.message());
    values.emplace(statement.dealer, *std::move(value));
  }
  Scalar share = Scalar::from_u64(group.scalars(), 0);
  if (sharing.epoch == 0) {
    for (const auto& [dealer, value] : values) share = share + value;
  } else {
    auto combined = combine_dealt_values(group, values);
    if (!combined) return std::move(combined).error();
    share = *std::move(combined);
  }
  if (group.generator_power_secret(share) != sharing.public_share(index_)) return altered;
  return share;
}

Digest recovery_parts_hash(const Sid& sid, std::uint8_t index, const std::map<std::uint8_t, Digest>& parts) {
  Writer all;
  for (const auto& [dealer, hash] : parts) all.u8(dealer).bytes(hash);
  return tagged_hash("CPV1-PARTS-HASH", {sid, ByteView(&index, 1), all.view()});
}

Result<Scalar> combine_dealt_values(const Group& group, const std::map<std::uint8_t, Scalar>& by_dealer) {
  std::vector<std::uint8_t> dealers;
  for (const auto& [dealer, value] : by_dealer) dealers.push_back(dealer);
  Scalar share = Scalar::from_u64(group.scalars(), 0);
  for (const auto& [dealer, value] : by_dealer) {
    const auto weight = lagrange_at_zero(group, dealers, dealer);
    if (!weight) return weight.error();
    share = share + *weight * value;
  }
  return share;
}

}  // namespace coprotect::protocol
