#include "protocol/handover/consent.h"

#include <algorithm>
#include <limits>
#include <set>

#include "protocol/base/reader.h"
#include "protocol/base/text.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kConsent = "CPHC\x01";
constexpr std::string_view kPending = "CPPP\x01";
constexpr std::string_view kApproval = "CPPA\x01";
// Two agents' clocks differ.
constexpr std::int64_t kClockMs = std::int64_t{5} * 60 * 1000;

Error malformed(std::string_view what) {
  return {Code::malformed, "handover: not " + std::string(what) + " of version 1"};
}

std::optional<std::int64_t> read_time(Reader& r) {
  const auto value = r.u64();
  if (!value || *value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<std::string> read_words(Reader& r) {
  const auto bytes = r.lp4();
  if (!bytes || !valid_utf8(text_of(*bytes))) return std::nullopt;
  return std::string(text_of(*bytes));
}

Bytes statement(const Consent& consent) {
  Writer w;
  w.literal(kConsent).bytes(consent.identity_key).bytes(consent.plan_hash);
  w.u64(static_cast<std::uint64_t>(consent.not_after_ms)).lp4(bytes_of(consent.words));
  return std::move(w).take();
}

Digest signed_digest(const Consent& consent) {
  return tagged_hash("CPV1-CONSENT", {sha256(statement(consent))});
}

std::string agent_label(const Party& party) {
  return "the " + party.name + " agent";
}

}  // namespace

Consent Consent::make(const HandoverPlan& plan, std::int64_t not_after_ms, std::string words,
                      const SigningKey& identity) {
  Consent consent{.identity_key = identity.public_key().bytes(),
                  .plan_hash = protocol::plan_hash(plan),
                  .not_after_ms = not_after_ms,
                  .words = std::move(words),
                  .signature = {}};
  consent.signature = identity.sign(signed_digest(consent));
  return consent;
}

bool Consent::verify(const VerifyKey& identity) const {
  return identity.bytes() == identity_key && identity.verify(signed_digest(*this), signature);
}

Bytes Consent::encode() const {
  Writer w;
  w.bytes(statement(*this)).bytes(signature);
  return std::move(w).take();
}

Result<Consent> Consent::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kConsent);
  const auto identity_key = r.array<33>();
  const auto hash = r.array<32>();
  const auto not_after = read_time(r);
  auto words = read_words(r);
  const auto signature = r.array<64>();
  if (!known || !identity_key || !is_ecdsa_public_key(*identity_key) || !hash || !not_after || !words ||
      !signature || !r.empty())
    return malformed("a consent");
  return Consent{.identity_key = *identity_key,
                 .plan_hash = *hash,
                 .not_after_ms = *not_after,
                 .words = *std::move(words),
                 .signature = *signature};
}

Digest plan_hash(const HandoverPlan& plan) {
  return sha256(plan.encoded());
}

std::vector<std::size_t> consenting_agents(const HandoverPlan& plan, const Sharing& now) {
  std::set<std::size_t> positions;
  for (const std::uint8_t index : plan->dealers) {
    const std::size_t holder = now.parameters.holder_of(index);
    if (now.parameters->parties[holder].is_agent()) positions.insert(holder);
  }
  for (std::size_t i = 0; i < now.parameters->parties.size(); ++i) {
    const Party& party = now.parameters->parties[i];
    if (party.is_agent() && plan->parameters.position_of(party.identity_key)) positions.insert(i);
  }
  return {positions.begin(), positions.end()};
}

Status check_consents(const HandoverPlan& plan, const Sharing& now, const std::vector<Bytes>& consents,
                      std::int64_t now_ms) {
  const auto asked = consenting_agents(plan, now);
  const Digest hash = plan_hash(plan);
  std::set<std::size_t> given;
  for (const Bytes& encoded : consents) {
    const auto consent = Consent::parse(encoded);
    if (!consent) return consent.error();
    const auto key = VerifyKey::parse(consent->identity_key);
    const auto position = key ? now.parameters.position_of(*key) : std::nullopt;
    if (!position || std::ranges::find(asked, *position) == asked.end())
      return Error(Code::malformed, "handover: a consent of an agent that neither deals nor keeps a share");
    const Party& party = now.parameters->parties[*position];
    if (!given.insert(*position).second)
      return Error(Code::malformed, "handover: two consents of " + agent_label(party));
    if (!consent->verify(party.identity_key))
      return Error(Code::unauthenticated, "handover: the consent of " + agent_label(party) +
                                              " does not hold: its signature is not that agent's");
    if (consent->plan_hash != hash)
      return Error(Code::denied, "handover: " + agent_label(party) + " consented to another plan");
    if (consent->not_after_ms < now_ms)
      return Error(Code::denied, "handover: the consent of " + agent_label(party) + " has expired");
    if (consent->not_after_ms - now_ms > kMaxConsentMs + kClockMs)
      return Error(Code::denied,
                   "handover: the consent of " + agent_label(party) + " is for longer than a day");
  }
  for (const std::size_t agent : asked)
    if (!given.contains(agent))
      return Error(Code::denied, "handover: " + agent_label(now.parameters->parties[agent]) +
                                     " has not consented to this plan");
  return Done{};
}

Bytes PendingPlan::encode() const {
  Writer w;
  w.literal(kPending).bytes(key_id).bytes(plan_hash).u32(epoch).lp(client);
  w.u64(static_cast<std::uint64_t>(proposed_ms)).lp4(bytes_of(words));
  return std::move(w).take();
}

Result<PendingPlan> PendingPlan::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kPending);
  const auto key_id = r.array<32>();
  const auto hash = r.array<32>();
  const auto epoch = r.u32();
  auto client = r.text();
  const auto proposed = read_time(r);
  auto words = read_words(r);
  if (!known || !key_id || !hash || !epoch || !client || !valid_uri(*client) || !proposed || !words ||
      !r.empty())
    return malformed("a pending plan");
  return PendingPlan{.key_id = *key_id,
                     .plan_hash = *hash,
                     .epoch = *epoch,
                     .client = *std::move(client),
                     .proposed_ms = *proposed,
                     .words = *std::move(words)};
}

Bytes OperatorApproval::encode() const {
  Writer w;
  w.literal(kApproval).bytes(key_id).bytes(plan_hash).u64(static_cast<std::uint64_t>(not_after_ms));
  return std::move(w).take();
}

Result<OperatorApproval> OperatorApproval::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kApproval);
  const auto key_id = r.array<32>();
  const auto hash = r.array<32>();
  const auto not_after = read_time(r);
  if (!known || !key_id || !hash || !not_after || !r.empty()) return malformed("an operator's approval");
  return OperatorApproval{.key_id = *key_id, .plan_hash = *hash, .not_after_ms = *not_after};
}

}  // namespace coprotect::protocol
