#include "agent/custodian/handover_shares.h"

#include "agent/custodian/key_row.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "protocol/recovery/blob.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverTranscript;

Status check_blob(ByteView encoded, const HandoverTranscript& transcript) {
  const auto recovery = transcript.plan().recovery_party();
  if (!recovery) {
    if (encoded.empty()) return Done{};
    return Error(Code::malformed, "a recovery blob for a key without a recovery party");
  }
  const auto blob = protocol::RecoveryBlob::parse(encoded);
  if (!blob) return blob.error();
  const auto& binding = blob->binding();
  const protocol::Sharing& sharing = transcript.sharing();
  const Error other(Code::malformed, "the recovery blob is not of this key");
  if (binding.key_id != sharing.key_id || binding.public_share.group().suite() != sharing.parameters->suite)
    return other;
  if (transcript.plan().absent(*recovery)) {
    if (binding.epoch >= sharing.epoch) return other;
    return Done{};
  }
  const std::uint8_t index = sharing.parameters->parties[*recovery].indices.front();
  if (binding.epoch != sharing.epoch || binding.index != index ||
      binding.public_share != sharing.public_share(index))
    return Error(Code::malformed, "the recovery blob is not of the new recovery share");
  return Done{};
}

Result<HandoverTranscript> make_transcript(const protocol::Bundle& before, const protocol::HandoverPlan& plan,
                                           std::span<const protocol::Deal> deals, ByteView blob) {
  std::vector<protocol::PublicDeal> open;
  for (const protocol::Deal& deal : deals) {
    auto copy = protocol::PublicDeal::parse(deal.open.encode(), plan);
    if (!copy) return std::move(copy).error();
    open.push_back(*std::move(copy));
  }
  const Digest blob_hash = blob.empty() ? Digest{} : protocol::sha256(blob);
  return HandoverTranscript::make(before.sharing(), before.newest_hash(), plan, std::move(open), blob_hash);
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
  auto transcript = make_transcript(inputs.before, inputs.plan, inputs.deals, inputs.blob);
  if (!transcript) return std::move(transcript).error();
  if (auto checked = check_blob(inputs.blob, *transcript); !checked) return std::move(checked).error();

  const protocol::HandoverPlan& plan = transcript->plan();
  const auto recovery = plan.recovery_party();
  Key key{.state = KeyState::prepared,
          .invitation = inputs.invitation,
          .sharing = transcript->sharing(),
          .bundle = std::nullopt,
          .preparation = encode_preparation(inputs.before, *transcript),
          .shares = {},
          .recovery_blob = std::move(inputs.blob),
          .recovery_parts = {},
          .decided = plan->epoch,
          .self = inputs.self};
  if (recovery && plan.absent(*recovery))
    key.recovery_parts = protocol::RecoveryParts::of(plan, inputs.deals).encoded();
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
  const auto again = make_transcript(parsed->before, plan, *deals, prepared.recovery_blob);
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
