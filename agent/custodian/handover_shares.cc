#include "agent/custodian/handover_shares.h"

#include "agent/custodian/kept_parts.h"
#include "agent/custodian/key_row.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "protocol/message/handover.h"
#include "protocol/recovery/blob.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverTranscript;

// The maker of a new code proves possession of the private half of the plan's recovery key, and names the
// blob that holds it.
Status check_blob(const HandoverInputs& inputs, const HandoverTranscript& transcript) {
  const protocol::HandoverPlan& plan = transcript.plan();
  if (!plan.recovery_party()) {
    if (inputs.blob.empty() && inputs.possession.empty()) return Done{};
    return Error(Code::malformed, "a recovery blob for a key without a recovery party");
  }
  const auto blob = protocol::RecoveryBlob::parse(inputs.blob);
  if (!blob) return blob.error();
  const auto& binding = blob->binding();
  const protocol::Parameters& parameters = plan->parameters;
  if (binding.key_id != plan->key_id || binding.suite != parameters->suite ||
      binding.recovery_key != parameters->recovery_key)
    return Error(Code::malformed, "the recovery blob is not of this plan's recovery key");
  if (protocol::sha256(inputs.blob) != plan->blob_hash)
    return Error(Code::malformed, "the recovery blob is not the one that the plan names");
  if (!plan.renews_code(inputs.before.sharing())) return Done{};
  const auto signature = protocol::parse_signature(inputs.possession);
  if (!signature || !protocol::verify_recovery_key(binding.recovery_key, plan.sid(),
                                                   protocol::sha256(inputs.blob), *signature))
    return Error(Code::bad_proof, "the proof that somebody has the new recovery key does not hold");
  return Done{};
}

Result<HandoverTranscript> make_transcript(const protocol::Bundle& before, const protocol::HandoverPlan& plan,
                                           std::span<const protocol::Deal> deals) {
  std::vector<protocol::PublicDeal> open;
  for (const protocol::Deal& deal : deals) {
    auto copy = protocol::PublicDeal::parse(deal.open.encode(), plan);
    if (!copy) return std::move(copy).error();
    open.push_back(*std::move(copy));
  }
  return HandoverTranscript::make(before.sharing(), before.newest_hash(), plan, std::move(open));
}

}  // namespace

Result<std::vector<protocol::Deal>> parse_deals(std::span<const Bytes> encoded,
                                                const protocol::HandoverPlan& plan) {
  std::vector<protocol::Deal> deals;
  for (const Bytes& bytes : encoded) {
    auto deal = protocol::Deal::parse(bytes, plan);
    if (!deal) return std::move(deal).error();
    deals.push_back(*std::move(deal));
  }
  return deals;
}

Result<Key> prepare_key(HandoverInputs inputs, hsm::ShareKeeper& keeper) {
  auto transcript = make_transcript(inputs.before, inputs.plan, inputs.deals);
  if (!transcript) return std::move(transcript).error();
  if (auto checked = check_blob(inputs, *transcript); !checked) return std::move(checked).error();

  const protocol::HandoverPlan& plan = transcript->plan();
  const auto recovery = plan.recovery_party();
  Key key{.state = KeyState::prepared,
          .invitation = inputs.invitation,
          .sharing = transcript->sharing(),
          .bundle = std::nullopt,
          .preparation = encode_preparation(inputs.before, *transcript),
          .shares = {},
          .recovery_blob = inputs.blob,
          .recovery_parts = {},
          .decided = plan->epoch,
          .self = inputs.self};
  if (recovery) {
    const auto parts =
        protocol::receive_parts(*transcript, inputs.deals, inputs.self, inputs.ceremony_key, system_random());
    if (!parts) return parts.error();
    auto kept = keep_parts(keeper, key, *parts);
    if (!kept) return std::move(kept).error();
    key.recovery_parts = *std::move(kept);
  }
  for (const std::uint8_t index : plan->parameters->parties[inputs.self].indices) {
    const auto share = protocol::receive_share(*transcript, inputs.deals, index, inputs.ceremony_key);
    if (!share) return share.error();
    auto record = keeper.seal(key.share_id(index), *share);
    if (!record) return std::move(record).error();
    key.shares.emplace(index, *std::move(record));
  }
  return key;
}

bool is_prepared_from(const Key& prepared, std::span<const Bytes> encoded) {
  const auto parsed = parse_prepared_handover(prepared.preparation);
  if (!parsed) return false;
  const auto& plan = parsed->transcript.plan();
  const auto deals = parse_deals(encoded, plan);
  if (!deals) return false;
  const auto again = make_transcript(parsed->before, plan, *deals);
  return again && again->body() == parsed->transcript.body();
}

bool completes(const protocol::Bundle& bundle, const Key& prepared) {
  if (bundle.sharing().sid != prepared.sid()) return false;
  const auto parsed = parse_prepared_handover(prepared.preparation);
  return parsed && parsed->transcript.hash() == bundle.newest_hash();
}

Result<protocol::Signature> confirmation_of(const Key& prepared, const protocol::SigningKey& identity) {
  const auto parsed = parse_prepared_handover(prepared.preparation);
  if (!parsed) return parsed.error();
  return protocol::confirm_handover(parsed->transcript, identity);
}

protocol::Signature acknowledgement_of(const Key& active, const protocol::SigningKey& identity) {
  return protocol::acknowledge_handover(active.sid(), active.bundle->newest_hash(), identity);
}

}  // namespace coprotect::agent::custodian
