#include "agent/custodian/custodian.h"

#include <algorithm>

#include "agent/custodian/decrypt.h"
#include "agent/custodian/log_query.h"
#include "agent/custodian/recovery_share.h"
#include "agent/custodian/replay.h"
#include "agent/custodian/told.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

using protocol::Operation;
using protocol::Refusal;
using protocol::SealedReply;
using protocol::SignedRequest;

namespace {

// Whether the answer depends on the epoch that the client knows.
bool is_of_epoch(Operation operation) {
  return operation != Operation::handover && operation != Operation::log &&
         operation != Operation::drill_report;
}

// The key_id of a path; zeros if it has none.
protocol::KeyId key_id_of(std::string_view subject) {
  protocol::KeyId key_id{};
  const auto bytes = from_hex(subject);
  if (bytes && bytes->size() == key_id.size()) std::copy(bytes->begin(), bytes->end(), key_id.begin());
  return key_id;
}

protocol::Recorded recorded_of(ipc::Route route) {
  switch (route) {
    case ipc::Route::bundle:
      return protocol::Recorded::read_bundle;
    case ipc::Route::client_list_get:
      return protocol::Recorded::read_client_list;
    case ipc::Route::client_list_put:
      return protocol::Recorded::put_client_list;
    case ipc::Route::key_list_get:
      return protocol::Recorded::read_key_list;
    case ipc::Route::key_list_put:
      return protocol::Recorded::put_key_list;
    case ipc::Route::decrypt:
    case ipc::Route::health:
    case ipc::Route::peer_state:
      return protocol::Recorded::nothing;
    default:
      return protocol::Recorded::ceremony;
  }
}

bool yields_partials(Operation operation) {
  return operation == Operation::partial_decrypt || operation == Operation::derive;
}

}  // namespace

// Serves one request, from its signature to the sealed reply. Once its signature is verified, every answer,
// including a refusal, is sealed and signed, so that nothing between here and the client can forge a refusal.
// Every refusal is recorded. If recording fails, there is no answer.
Result<Custodian::Outcome> Custodian::serve(const Asked& asked, const RequestId& id,
                                            std::optional<Known>* known) {
  Record story(asked.operation ? static_cast<std::uint8_t>(*asked.operation) : 0,
               asked.operation ? operation_name(*asked.operation) : "decrypt", id, asked.request);
  story.set_key(key_id_of(asked.key_id));
  story.set_caller(asked.peer, asked.certificate);
  if (const KeyPtr key = keys_.active(key_id_of(asked.key_id));
      key && asked.peer.is_agent_of(*key, settings_.now_ms()))
    story.set_relay(*key, asked.certificate);
  auto envelope = SignedRequest::parse_envelope(asked.request);
  if (!envelope) return refuse(story, std::move(envelope).error());
  story.set_request(*envelope);

  const auto reply_key = envelope->request.reply_key;
  const Digest hash = envelope->hash;
  bool admitted = false;
  auto answer = judge(*std::move(envelope), asked, story, known, admitted);
  if (!answer && !admitted) answer = refuse(story, std::move(answer).error());
  const auto& identity = keyring_.identity();
  const auto sealed = answer
                          ? SealedReply::answer(identity, answer->reveal(), reply_key, hash, system_random())
                          : SealedReply::refuse(identity, Refusal::of(told(answer.error()), id), reply_key,
                                                hash, system_random());
  if (!sealed) return sealed.error();
  return Outcome{.body = sealed->encode(),
                 .refused = answer ? std::nullopt : std::optional<Error>(answer.error())};
}

Result<Secret> Custodian::judge(SignedRequest::Envelope envelope, const Asked& asked, Record& story,
                                std::optional<Known>* known, bool& admitted) {
  const std::int64_t now = settings_.now_ms();
  const auto& self = keyring_.identity().public_key().bytes();

  // Whose connection it is: that of a client of the same tenant, or of another agent, which proves nothing
  // here.
  if (asked.peer.invitation())
    return Error(Code::denied, "an invitation's certificate is good for ceremonies only");
  if (asked.peer.tenant() && *asked.peer.tenant() != envelope.request.tenant)
    return Error(Code::denied, "the connection's certificate is of tenant \"" + *asked.peer.tenant() +
                                   "\", the request of tenant \"" + envelope.request.tenant + "\"");
  const bool fits =
      asked.operation ? envelope.operation == *asked.operation : yields_partials(envelope.operation);
  if (!fits || to_hex(envelope.request.key_id) != asked.key_id)
    return Error(Code::malformed, "the request is not for the address that it was sent to");

  // Who asks: the chain to the CA of this key's tenant, the client list.
  const auto client = identify(envelope, keys_, clients_, self, now);
  if (!client) return client.error();
  story.set_client(*client);
  if (client->identity.role == protocol::Role::recovery && !client->recovers)
    return Error(Code::denied, "certificate of \"" + client->identity.uri +
                                   "\" is not that of this key's recovery administrator");
  if (auto newest = peers_.check(*client->key, envelope.operation); !newest) return newest.error();

  // Whether it was answered before.
  if (auto fresh = look_for_replay(*client, envelope.request, now); !fresh) return fresh.error();
  if (known != nullptr) *known = {.key = client->key, .audience = envelope.request.audience};

  // The tenant's key list; then the body, which can be parsed only in the key's suite.
  const Key& key = *client->key;
  const auto usable = key_lists_.check(key, envelope.operation);
  if (!usable && envelope.operation != Operation::handover) return usable.error();
  if (is_of_epoch(envelope.operation) && envelope.request.epoch != key.epoch())
    return Error(Code::conflict, "the key is in epoch " + std::to_string(key.epoch()));
  const auto opened = std::move(envelope).open(key.parameters()->suite);
  if (!opened) return opened.error();
  const auto& request = opened->request;
  const auto* const step = std::get_if<protocol::HandoverBody>(&request.body);
  // An administrator may read the status even of a destroyed key.
  const bool asks_status = step != nullptr && step->step == protocol::HandoverStep::status;
  if (!usable && !asks_status) return usable.error();
  if (std::holds_alternative<protocol::RecoveryShareBody>(request.body))
    if (auto due = check_parts_of_disabled(*client, now); !due) return due.error();

  // This agent's policy; then, for each item, its file's policy and its ciphertext's proof.
  if (auto allowed = server_policy_.check(request, client->identity, key.parameters()->purpose); !allowed)
    return allowed.error();
  const auto decisions = decide(request, *client, now, asked.caller);
  if (!decisions) return decisions.error();
  story.set_items(*decisions);
  if (const auto* const drill = std::get_if<protocol::DrillReportBody>(&request.body)) {
    if (auto held = Drills::check(*drill, key.sharing); !held) return std::move(held).error();
    story.set_report(Drills::detail_of(*drill));
  }

  // One transaction: nonce, caps, intent.
  if (auto taken = admit(*client, request, story.intent(now)); !taken) return taken.error();
  admitted = true;

  // The share is used, the result recorded.
  auto plaintext = compute(*client, *opened, *decisions, asked.caller);
  const auto failure = plaintext ? std::nullopt : std::optional<Error>(told(plaintext.error()));
  const auto result = story.result(failure, settings_.now_ms());
  if (auto recorded = record(result); !recorded) return recorded.error();
  drills_.count(result);
  return plaintext;
}

// The holder of kit and code gets the recovery share of a disabled key only for a change of holders, once the
// time for objections is over.
Status Custodian::check_parts_of_disabled(const Client& client, std::int64_t now_ms) const {
  if (!client.recovers || !key_lists_.disabled(*client.key) ||
      handovers_.may_begin_announced(client.key->key_id(), client.key_hash, now_ms))
    return Done{};
  return Error(Code::denied,
               "the key is disabled: its recovery parts are given only for new holders that were announced, "
               "once those may begin");
}

// Passes the request on to other agents whatever this agent's own answer is, because each party decides for
// itself. But nothing is passed on for an unknown client or a replay: then the list contains only this
// agent's refusal.
Result<Custodian::Outcome> Custodian::join(const ipc::Call& call, const Peer& peer, const RequestId& id,
                                           const Interest& caller) {
  auto message = protocol::ForwardMessage::parse(call.body);
  if (!message) return refuse(call, peer, id, std::move(message).error());
  std::optional<Known> known;
  auto own = serve({.request = message->request,
                    .key_id = call.subject,
                    .operation = std::nullopt,
                    .peer = peer,
                    .certificate = protocol::sha256(call.peer_certificate),
                    .caller = caller},
                   id, &known);
  if (!own) return std::move(own).error();
  if (!known || (own->refused && own->refused->code() == Code::replayed)) {
    const protocol::ChainReply alone{
        .entries = {{.party = keyring_.identity().public_key().bytes(), .answer = std::move(own->body)}}};
    return Outcome{.body = alone.encode(), .refused = std::move(own->refused)};
  }
  Chain chain(known->key, known->audience, *std::move(message), std::move(own->body), id);
  return Outcome{.body = chain.list(), .refused = std::move(own->refused), .chain = std::move(chain)};
}

Result<Secret> Custodian::compute(const Client& client, const SignedRequest& request,
                                  std::span<const Decision> decisions, const Interest& caller) {
  const auto& body = request.request.body;
  if (const auto* const range = std::get_if<protocol::LogBody>(&body))
    return log_query(*store_, log_, *client.key, *range);
  if (std::holds_alternative<protocol::RecoveryShareBody>(body))
    return custodian::recovery_share(*keeper_, client);
  if (const auto* const step = std::get_if<protocol::HandoverBody>(&body)) return hand_over(client, *step);
  if (std::holds_alternative<protocol::DrillReportBody>(body)) return Secret(0);
  return decrypt(*keeper_, *client.key, decisions, request.hash, system_random(), caller);
}

Result<Secret> Custodian::hand_over(const Client& client, const protocol::HandoverBody& step) {
  const KeyPtr before = keys_.active(client.key->key_id());
  const auto answer = handovers_.answer(client, step, settings_.now_ms());
  if (!answer) return answer.error();
  using protocol::HandoverStep;
  const bool parties_changed = step.step == HandoverStep::activate || step.step == HandoverStep::retire ||
                               step.step == HandoverStep::abort;
  if (parties_changed && trust_changed_) trust_changed_();
  const KeyPtr after = keys_.active(client.key->key_id());
  const bool activates = step.step == HandoverStep::activate || step.step == HandoverStep::retire;
  if (activates && went_on(before, after) && renewed_code(*after)) drills_.expect_code(after->key_id());
  const bool went_back = step.step == HandoverStep::abort && before != nullptr &&
                         (after == nullptr || after->epoch() < before->epoch());
  if (went_back && renewed_code(*before)) drills_.take_code_back(before->key_id());
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
  if (auto claimed = replay::claim(*transaction, client.key_hash, request, running_.total_ms()); !claimed)
    return claimed;
  if (auto below = caps_.admit(*transaction, intent); !below) return below;
  if (auto recorded = log_.append(*transaction, intent); !recorded) return recorded;
  return transaction->commit();
}

Status Custodian::use(const RequestCaps& caps) {
  const auto transaction = store_->begin();  // which guards them
  if (!transaction) return transaction.error();
  caps_.use(caps);
  return Done{};
}

Result<std::vector<LimitUse>> Custodian::cap_uses() const {
  const auto transaction = store_->begin();  // which guards them
  if (!transaction) return transaction.error();
  return caps_.uses(settings_.now_ms());
}

Status Custodian::record(protocol::LogEntry entry) {
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  if (auto appended = log_.append(*transaction, std::move(entry)); !appended) return appended;
  return transaction->commit();
}

Error Custodian::refuse(const Record& story, Error why) {
  if (!story.has_log()) return why;
  auto recorded = refusals_.add(story.source(), story.refusal(why, settings_.now_ms()));
  return recorded ? why : std::move(recorded).error();
}

Error Custodian::refuse(const ipc::Call& call, const Peer& peer, const RequestId& id, Error why) {
  const bool ceremony = recorded_of(call.route) == protocol::Recorded::ceremony;
  // A ceremony itself records what it refuses to an invitation.
  if (ceremony && peer.invitation()) return why;
  Record story(static_cast<std::uint8_t>(recorded_of(call.route)),
               ceremony ? step_label(call) : std::string(route_name(call.route)), id, call.body);
  if (!ceremony) story.set_key(key_id_of(call.subject));
  story.set_caller(peer, protocol::sha256(call.peer_certificate));
  return refuse(story, std::move(why));
}

}  // namespace coprotect::agent::custodian
