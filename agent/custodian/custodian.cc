#include "agent/custodian/custodian.h"

#include "agent/custodian/decrypt.h"
#include "agent/custodian/log_query.h"
#include "agent/custodian/recovery_share.h"
#include "agent/custodian/replay.h"

namespace coprotect::agent::custodian {

using protocol::Operation;
using protocol::SealedReply;
using protocol::SignedRequest;

namespace {

// Whether the answer depends on the epoch that the client knows.
bool is_of_epoch(Operation operation) {
  return operation != Operation::handover && operation != Operation::log &&
         operation != Operation::drill_report;
}

bool yields_partials(Operation operation) {
  return operation == Operation::partial_decrypt || operation == Operation::derive;
}

}  // namespace

// One request, from the signature to the sealed reply. Whatever stops it after its signature held is
// recorded; what cannot be recorded is not answered.
Result<Bytes> Custodian::serve(const Asked& asked, const RequestId& id, std::optional<Known>* known) {
  const std::int64_t now = settings_.now_ms();
  const auto& self = keyring_.identity().public_key().bytes();

  // Who asks: the signature, the chain to the CA of this key's tenant, the client list.
  auto envelope = SignedRequest::parse_envelope(asked.request);
  if (!envelope) return std::move(envelope).error();
  Record story(*envelope, id);
  const bool fits =
      asked.operation ? envelope->operation == *asked.operation : yields_partials(envelope->operation);
  if (!fits || to_hex(envelope->request.key_id) != asked.key_id)
    return refuse(story, Error(Code::malformed, "the request is not for the address that it was sent to"));
  const auto client = identify(*envelope, keys_, clients_, self, now);
  if (!client) return refuse(story, client.error());
  story.set_client(client->identity);
  if (auto newest = peers_.check(*client->key, envelope->operation); !newest)
    return refuse(story, newest.error());

  // Whether it was answered before.
  if (auto fresh = look_for_replay(*client, envelope->request, now); !fresh)
    return refuse(story, fresh.error());
  if (known != nullptr) *known = {.key = client->key, .audience = envelope->request.audience};

  // What the tenant says of the key; and the body, which can be read in the key's suite only.
  const Key& key = *client->key;
  if (auto usable = key_lists_.check(key, envelope->operation); !usable) return refuse(story, usable.error());
  if (is_of_epoch(envelope->operation) && envelope->request.epoch != key.epoch())
    return refuse(story, Error(Code::conflict, "the key is in epoch " + std::to_string(key.epoch())));
  const auto opened = std::move(*envelope).open(key.parameters()->suite);
  if (!opened) return refuse(story, opened.error());
  const auto& request = opened->request;

  // This agent's policy; then, for each item, its file's policy and its ciphertext's proof.
  if (auto allowed = server_policy_.check(request, client->identity, key.parameters()->purpose); !allowed)
    return refuse(story, allowed.error());
  const auto decisions = decide(request, *client, now);
  story.set_items(decisions);
  if (const auto* const drill = std::get_if<protocol::DrillReportBody>(&request.body))
    story.set_report(Drills::detail_of(*drill));

  // One transaction: nonce, caps, intent.
  if (auto admitted = admit(*client, request, story.intent(now)); !admitted)
    return refuse(story, admitted.error());

  // The share is used, the result recorded, the reply sealed.
  const auto plaintext = compute(*client, *opened, decisions);
  const auto failure = plaintext ? std::nullopt : std::optional<Error>(plaintext.error());
  const auto result = story.result(failure, settings_.now_ms());
  if (auto recorded = record(result); !recorded) return recorded.error();
  drills_.count(result);
  if (failure) return *failure;
  const auto sealed =
      SealedReply::seal(self, plaintext->reveal(), request.reply_key, opened->hash, system_random());
  if (!sealed) return sealed.error();
  return sealed->encode();
}

// Others are asked too, whatever this agent's own answer is: it is for each party to refuse. But nothing is
// passed on for somebody who is not known, or twice.
Result<Chain> Custodian::join(const ipc::Call& call, const RequestId& id) {
  auto message = protocol::ForwardMessage::parse(call.body);
  if (!message) return std::move(message).error();
  std::optional<Known> known;
  auto own =
      serve({.request = message->request, .key_id = call.subject, .operation = std::nullopt}, id, &known);
  if (!own && (!known || own.error().code() == Code::replayed)) return std::move(own).error();
  return Chain(known->key, known->audience, *std::move(message), std::move(own), id);
}

Result<Secret> Custodian::compute(const Client& client, const SignedRequest& request,
                                  std::span<const Decision> decisions) {
  const auto& body = request.request.body;
  if (const auto* const range = std::get_if<protocol::LogBody>(&body))
    return log_query(*store_, log_, *client.key, *range);
  if (std::holds_alternative<protocol::RecoveryShareBody>(body))
    return custodian::recovery_share(*client.key);
  if (const auto* const step = std::get_if<protocol::HandoverBody>(&body)) return hand_over(client, *step);
  if (std::holds_alternative<protocol::DrillReportBody>(body)) return Secret(0);
  return decrypt(*keeper_, *client.key, decisions, request.hash, system_random());
}

Result<Secret> Custodian::hand_over(const Client& client, const protocol::HandoverBody& step) {
  const auto answer = handovers_.answer(client, step, settings_.now_ms());
  if (!answer) return answer.error();
  using protocol::HandoverStep;
  const bool parties_changed = step.step == HandoverStep::activate || step.step == HandoverStep::retire ||
                               step.step == HandoverStep::abort;
  if (parties_changed && trust_changed_) trust_changed_();
  return Secret::copy_of(*answer);
}

Status Custodian::look_for_replay(const Client& client, const protocol::Request& request,
                                  std::int64_t now_ms) {
  if (request.time_ms < peers_.requests_from_ms())
    return Error(Code::replayed, "the request is from before this agent's store was put back");
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  return replay::look(*transaction, client.key_hash, request, now_ms);
}

Status Custodian::admit(const Client& client, const protocol::Request& request,
                        const protocol::LogEntry& intent) {
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  if (auto claimed = replay::claim(*transaction, client.key_hash, request); !claimed) return claimed;
  if (auto below = caps_.admit(*transaction, intent); !below) return below;
  if (auto recorded = log_.append(*transaction, intent); !recorded) return recorded;
  return transaction->commit();
}

Status Custodian::record(protocol::LogEntry entry) {
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  if (auto appended = log_.append(*transaction, std::move(entry)); !appended) return appended;
  return transaction->commit();
}

Error Custodian::refuse(const Record& story, Error why) {
  auto recorded = record(story.refusal(why, settings_.now_ms()));
  return recorded ? why : std::move(recorded).error();
}

}  // namespace coprotect::agent::custodian
