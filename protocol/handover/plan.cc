#include "protocol/handover/plan.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kPlanMagic = "CPPL\x01";

Error malformed_plan(std::string_view what) {
  return {Code::malformed, "handover plan: " + std::string(what)};
}

Status check(const HandoverPlan::Fields& fields) {
  const auto& dealers = fields.dealers;
  if (dealers.empty() || dealers.size() > kMaxShares || dealers.front() == 0 ||
      std::ranges::adjacent_find(dealers, std::greater_equal<>()) != dealers.end())
    return malformed_plan("dealers are not 1 to 16 ascending indices");
  if (fields.parameters.recovery_party().has_value() == (fields.blob_hash == Digest{}))
    return malformed_plan("a recovery blob is not named, or without a recovery party");
  if (fields.epoch == 0) return malformed_plan("epoch 0 is that of the key generation");
  return Done{};
}

Bytes encode(const HandoverPlan::Fields& fields) {
  Writer w;
  w.literal(kPlanMagic).bytes(fields.key_id).u32(fields.epoch).bytes(fields.previous);
  w.u8(static_cast<std::uint8_t>(fields.dealers.size())).bytes(fields.dealers);
  w.bytes(fields.blob_hash).lp4(fields.parameters.encoded());
  return std::move(w).take();
}

}  // namespace

Result<HandoverPlan> HandoverPlan::make(Fields fields) {
  if (auto checked = check(fields); !checked) return std::move(checked).error();
  Bytes encoded = encode(fields);
  const Sid sid = tagged_hash("CPV1-HANDOVER-SID", {sha256(encoded)});
  return HandoverPlan(std::move(fields), std::move(encoded), sid);
}

Result<HandoverPlan> HandoverPlan::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kPlanMagic)) return malformed_plan("not of version 1");
  const auto key_id = r.array<32>();
  const auto epoch = r.u32();
  const auto previous = r.array<32>();
  const auto count = r.u8();
  const auto dealers = r.bytes(count.value_or(0));
  const auto blob_hash = r.array<32>();
  const auto r0 = r.lp4();
  if (!key_id || !epoch || !previous || !count || !dealers || !blob_hash || !r0 || !r.empty())
    return malformed_plan("cut off, or something follows");
  auto parameters = Parameters::parse(*r0);
  if (!parameters) return std::move(parameters).error().in("handover plan");
  return make({.key_id = *key_id,
               .epoch = *epoch,
               .previous = *previous,
               .dealers = Bytes(dealers->begin(), dealers->end()),
               .blob_hash = *blob_hash,
               .parameters = *std::move(parameters)});
}

Status HandoverPlan::follows(const Sharing& now, const Digest& newest_hash) const {
  const auto& from = *now.parameters.operator->();
  const auto& to = *fields_.parameters.operator->();
  const auto denied = [](std::string_view what) {
    return Error(Code::denied, "handover plan: it changes the key's " + std::string(what));
  };
  if (fields_.key_id != now.key_id) return denied("id");
  if (fields_.epoch <= now.epoch || fields_.previous != newest_hash)
    return Error(Code::conflict, "handover plan: it does not follow epoch " + std::to_string(now.epoch) +
                                     " of key " + to_hex(now.key_id));
  if (to.suite != from.suite) return denied("suite");
  if (to.purpose != from.purpose) return denied("purpose");
  if (to.tenant != from.tenant) return denied("tenant");
  if (to.client_ca.der() != from.client_ca.der()) return denied("client CA");
  if (now.blob_hash && changes_blob(now, *now.blob_hash)) return denied("recovery blob without a new code");
  if (auto kept = check_recovery_administrator(now); !kept) return kept;
  if (fields_.dealers.size() != from.t || fields_.dealers.back() > from.n)
    return malformed_plan("not " + std::to_string(from.t) + " of " + std::to_string(from.n) + " dealers");
  return Done{};
}

// A code belongs to its kit: neither is renewed without the other. Otherwise an attacker who changes holders
// could replace the recovery administrator, or keep that position past a new code.
Status HandoverPlan::check_recovery_administrator(const Sharing& now) const {
  const VerifyKey* const before = now.parameters.recovery_administrator();
  const VerifyKey* const after = fields_.parameters.recovery_administrator();
  if (before == nullptr || after == nullptr) return Done{};
  const bool same = *before == *after;
  if (same && renews_code(now))
    return Error(Code::denied, "handover plan: a new code keeps the recovery administrator of the old one");
  if (!same && !renews_code(now))
    return Error(Code::denied,
                 "handover plan: it changes the key's recovery administrator without a new code");
  return Done{};
}

bool HandoverPlan::refreshes(const Sharing& now) const {
  const auto& from = now.parameters->parties;
  Parameters::Fields to = fields_.parameters.fields();
  if (to.parties.size() != from.size()) return false;
  const auto deals_by_agent = [&](std::uint8_t index) {
    return index <= now.parameters->n && from[now.parameters.holder_of(index)].is_agent();
  };
  if (!std::ranges::all_of(fields_.dealers, deals_by_agent)) return false;
  // With the old keys instead of this ceremony's, it must be identical to the byte.
  for (std::size_t i = 0; i < from.size(); ++i) {
    to.parties[i].nonce = from[i].nonce;
    if (to.parties[i].is_agent()) to.parties[i].ceremony_key = from[i].ceremony_key;
  }
  const auto before = Parameters::make(std::move(to));
  return before && before->encoded() == now.parameters.encoded();
}

}  // namespace coprotect::protocol
