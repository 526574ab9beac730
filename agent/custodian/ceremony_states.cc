#include "agent/custodian/ceremonies.h"
#include "agent/custodian/drills.h"
#include "agent/custodian/handover_shares.h"
#include "agent/custodian/kept_parts.h"
#include "agent/custodian/key_row.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "protocol/message/handover.h"
#include "protocol/recovery/blob.h"

// The steps of a key generation that must survive a crash. Each is one transaction, committed before its
// reply is sent.
namespace coprotect::agent::custodian {
namespace {

using protocol::CeremonyMessage;
using protocol::CeremonyState;
using protocol::MacTag;
using protocol::Round;
using protocol::Sid;

// Checks that the blob is for this key's recovery key, and that the recovery party confirms it.
Status check_blob(const Key& key, const protocol::StoreBlobMessage& message) {
  const auto& parameters = key.parameters();
  const auto blob = protocol::RecoveryBlob::parse(message.blob);
  if (!blob) return blob.error();
  const auto& binding = blob->binding();
  const auto recovery = parameters.recovery_party();
  const bool of_key = binding.key_id == key.key_id() && key.epoch() == 0 && recovery &&
                      binding.suite == parameters->suite && binding.recovery_key == parameters->recovery_key;
  if (!of_key) return Error(Code::malformed, "the recovery blob is not of this key");
  const auto stored = CeremonyMessage::parse(message.tool_message, Round::stored, parameters);
  if (!stored) return stored.error();
  const Digest hash = protocol::sha256(message.blob);
  if (stored->sender != *recovery ||
      !std::equal(hash.begin(), hash.end(), stored->body.begin(), stored->body.end()))
    return Error(Code::bad_proof, "the recovery blob is not vouched for by the party that dealt for it");
  return Done{};
}

// The log's text for an activation. A key that an agent joins may have had other codes since the agent last
// held it.
std::string activation_of(const Key& activated) {
  const bool code = activated.parameters().recovery_party().has_value();
  return std::string("activated") + (code ? std::string(Drills::kCodeRenewed) : "");
}

// The plan by which a handover prepared the key; empty for a key generation.
Result<Bytes> plan_of(const Key& prepared) {
  if (prepared.epoch() == 0) return Bytes{};
  const auto parsed = parse_prepared_handover(prepared.preparation);
  if (!parsed) return parsed.error();
  return parsed->transcript.plan().encoded();
}

}  // namespace

Result<KeyPtr> Ceremonies::key_of(const Caller& caller, const Sid& sid) const {
  KeyPtr key = keys_.with_sid(sid);
  if (key == nullptr || key->invitation != caller.invitation)
    return Error(Code::not_found, "ceremony " + to_hex(sid) + " has no key here");
  caller.proved = true;
  return key;
}

Status Ceremonies::make_durable(const Caller& caller, KeyPtr key, std::string what) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  auto line = entry(caller, key->tenant(), std::move(what));
  line.key_id = key->key_id();
  if (auto put = keys_.put(*transaction, std::move(key)); !put) return put;
  if (auto recorded = log_.append(*transaction, std::move(line)); !recorded) return recorded;
  fault_point("agent-store-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-store-committed");
  return Done{};
}

Result<std::map<std::uint8_t, Bytes>> Ceremonies::seal_shares(const protocol::Dealer::Outcome& outcome) {
  const auto& parameters = outcome.transcript.parameters();
  std::map<std::uint8_t, Bytes> records;
  for (const auto& [index, share] : outcome.shares) {
    const hsm::ShareId id{
        parameters->tenant, outcome.transcript.key_id(), parameters->purpose, parameters->suite, index, 0};
    auto record = keeper_.seal(id, share);
    if (!record) return std::move(record).error();
    records.emplace(index, *std::move(record));
  }
  return records;
}

Status Ceremonies::check_aborts(const Caller& caller) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  return caps_.check_aborts(invitation_uri(caller.invitation), caller.now_ms);
}

Result<Bytes> Ceremonies::prepare(const Caller& caller, const Sid& sid, ByteView body) {
  if (const auto joined = key_of(caller, sid); joined && (*joined)->epoch() > 0)
    return confirm_again(**joined);
  const auto dealer = dealer_of(caller, sid);
  if (!dealer) return dealer.error();
  if (auto below = check_aborts(caller); !below) return std::move(below).error();
  const auto deals = protocol::MessageList::parse(body);
  if (!deals) return deals.error();
  auto outcome = (*dealer)->receive(deals->messages);
  if (!outcome) return std::move(outcome).error();

  auto records = seal_shares(*outcome);
  if (!records) return std::move(records).error();
  const protocol::PublicTranscript& transcript = outcome->transcript;
  const std::size_t self = *transcript.parameters().position_of(keyring_.identity().public_key());
  Key made{.state = KeyState::prepared,
           .invitation = caller.invitation,
           .sharing = transcript.sharing(),
           .bundle = std::nullopt,
           .preparation = encode_preparation(transcript),
           .shares = *std::move(records),
           .recovery_blob = {},
           .recovery_parts = {},
           .decided = 0,
           .self = self};
  if (outcome->parts) {
    auto kept = keep_parts(keeper_, made, *outcome->parts);
    if (!kept) return std::move(kept).error();
    made.recovery_parts = *std::move(kept);
  }
  const auto key = std::make_shared<const Key>(std::move(made));
  if (auto durable = make_durable(caller, key, "prepared"); !durable) return std::move(durable).error();
  running_.erase(caller.invitation);
  return protocol::confirm(transcript, self, keyring_.identity());
}

Result<Bytes> Ceremonies::store_blob(const Caller& caller, const Sid& sid, ByteView body) {
  auto key = key_of(caller, sid);
  if (!key) return std::move(key).error();
  const auto message = protocol::StoreBlobMessage::parse(body);
  if (!message) return message.error();
  if (message->sid != sid) return Error(Code::malformed, "the recovery blob is of another ceremony");
  if (auto checked = check_blob(**key, *message); !checked) return std::move(checked).error();

  if ((*key)->recovery_blob != message->blob) {
    if ((*key)->state != KeyState::prepared || !(*key)->recovery_blob.empty())
      return Error(Code::conflict, "another recovery blob is stored");
    Key with_blob = **key;
    with_blob.recovery_blob = message->blob;
    auto durable =
        make_durable(caller, std::make_shared<const Key>(std::move(with_blob)), "recovery blob stored");
    if (!durable) return std::move(durable).error();
  }
  const Digest hash = protocol::sha256(message->blob);
  return CeremonyMessage::sign(Round::stored, sid, static_cast<std::uint8_t>((*key)->self),
                               Bytes(hash.begin(), hash.end()), keyring_.identity())
      .encode();
}

Result<Bytes> Ceremonies::activate(const Caller& caller, const Sid& sid, ByteView body) {
  auto key = key_of(caller, sid);
  if (!key) return std::move(key).error();
  auto bundle = protocol::Bundle::parse(body);
  if (!bundle) return std::move(bundle).error();
  if (bundle->key_id() != (*key)->key_id()) return Error(Code::conflict, "the bundle is of another key");
  if (bundle->sharing().sid != sid) return Error(Code::conflict, "the bundle is of another ceremony");
  const auto acknowledged = [&](const Key& active) {
    return active.epoch() == 0 ? Bytes{}
                               : protocol::encode_signature(acknowledgement_of(active, keyring_.identity()));
  };
  if ((*key)->state == KeyState::active) return acknowledged(**key);
  if ((*key)->state != KeyState::prepared)
    return Error(Code::conflict, "the key went on to a later epoch, or its handover was taken back");
  if (bundle->epoch() != 0 && !completes(*bundle, **key))
    return Error(Code::conflict, "the bundle is of another outcome than this agent confirmed");
  if ((*key)->parameters().recovery_party() && (*key)->recovery_blob.empty())
    return Error(Code::conflict, "the recovery blob is not stored yet");
  if (auto lives = lists_.check_not_destroyed((*key)->tenant(), (*key)->key_id()); !lives)
    return std::move(lives).error();

  Key active = **key;
  active.state = KeyState::active;
  active.sharing = bundle->sharing();
  active.preparation.clear();
  active.bundle = *std::move(bundle);
  const auto activated = std::make_shared<const Key>(std::move(active));
  if (auto durable = make_durable(caller, activated, activation_of(*activated)); !durable)
    return std::move(durable).error();
  return acknowledged(*activated);
}

Status Ceremonies::remove(const Caller& caller, const Key& prepared) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  auto line = entry(caller, prepared.tenant(), std::string(Caps::kAborted));
  line.key_id = prepared.key_id();
  if (auto removed = keys_.remove(*transaction, prepared); !removed) return removed;
  if (auto recorded = log_.append(*transaction, line); !recorded) return recorded;
  transaction->after_commit([this, line = std::move(line)] { caps_.count(line); });
  fault_point("agent-abort-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-abort-committed");
  return epochs_.finish();
}

Result<Bytes> Ceremonies::abort(const Caller& caller, const Sid& sid, ByteView body) {
  if (const auto of_handover = protocol::VoidMessage::parse(body))
    return void_join(caller, sid, *of_handover, body);
  const auto message = protocol::ControlMessage::parse(body);
  if (!message) return message.error();
  if (message->kind != protocol::ControlKind::abort || message->sid != sid)
    return Error(Code::malformed, "not an abort of this ceremony");
  if (const auto invitation = authenticate(caller, message->invitation, MacTag::control, body); !invitation)
    return invitation.error();

  if (dealer_of(caller, sid)) running_.erase(caller.invitation);
  const auto key = key_of(caller, sid);
  if (!key) {
    // It may have been removed earlier, and its shares not erased yet.
    if (auto erased = epochs_.finish(); !erased) return std::move(erased).error();
    return Bytes{};
  }
  if ((*key)->state != KeyState::prepared)
    return Error(Code::conflict, "the key is active: it cannot be aborted");
  if ((*key)->epoch() > 0)
    return Error(Code::conflict, "the key was prepared by a handover: it is aborted by its plan");
  if (auto removed = remove(caller, **key); !removed) return std::move(removed).error();
  return Bytes{};
}

Result<Bytes> Ceremonies::status(const Caller& caller, ByteView body) {
  const auto message = protocol::ControlMessage::parse(body);
  if (!message) return message.error();
  if (message->kind != protocol::ControlKind::status)
    return Error(Code::malformed, "not a question for the status");
  if (const auto invitation = authenticate(caller, message->invitation, MacTag::control, body); !invitation)
    return invitation.error();

  if (const KeyPtr key = keys_.of_invitation(caller.invitation)) {
    if (key->state == KeyState::prepared) {
      const auto plan = plan_of(*key);
      if (!plan) return plan.error();
      return protocol::StatusMessage{CeremonyState::prepared, key->sid(), *plan, {}}.encode();
    }
    return protocol::StatusMessage{CeremonyState::active, key->sid(), key->bundle->encoded(),
                                   key->recovery_blob}
        .encode();
  }
  const auto running = running_.find(caller.invitation);
  if (running != running_.end() && running->second.dealer)
    return protocol::StatusMessage{CeremonyState::running, running->second.dealer->parameters().sid(), {}, {}}
        .encode();
  return protocol::StatusMessage{CeremonyState::none, Sid{}, {}, {}}.encode();
}

}  // namespace coprotect::agent::custodian
