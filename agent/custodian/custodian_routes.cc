#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <set>

#include "agent/custodian/custodian.h"
#include "agent/custodian/replay.h"
#include "agent/custodian/take_list.h"
#include "agent/custodian/told.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/list_receipt.h"

// What the custodian answers besides signed client requests, and what it does once a second.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::Operation;

constexpr std::int64_t kPruneEveryMs = 60'000;
constexpr std::int64_t kTryWriteEveryMs = 5'000;

// The operation of the signed requests on this route; none if it takes other messages.
std::optional<Operation> operation_of(Route route) {
  switch (route) {
    case Route::partial_decrypt:
      return Operation::partial_decrypt;
    case Route::recovery_share:
      return Operation::recovery_share;
    case Route::log:
      return Operation::log;
    case Route::derive:
      return Operation::derive;
    case Route::handover:
      return Operation::handover;
    case Route::drill_report:
      return Operation::drill_report;
    default:
      return std::nullopt;
  }
}

// Whether the certificate inside an invitation is accepted on this route.
bool for_invitations(Route route) {
  switch (route) {
    case Route::health:
    case Route::open:
    case Route::status:
    case Route::parameters:
    case Route::reveal:
    case Route::deal:
    case Route::prepare:
    case Route::store_blob:
    case Route::activate:
    case Route::abort:
    case Route::join:
      return true;
    default:
      return false;
  }
}

// Steps of a ceremony that use the token. If refused before anything happened, they can be sent again.
bool needs_token(Route route) {
  return for_invitations(route) && route != Route::health && route != Route::status && route != Route::abort;
}

Error not_known(std::string_view what, std::string_view which) {
  return {Code::not_found, std::string(what).append(" ").append(which).append(" is not known here")};
}

// The oldest of several times; none if any is none.
class Oldest {
 public:
  void add(const std::optional<std::int64_t>& time_ms) {
    never_ |= !time_ms;
    if (time_ms) oldest_ms_ = std::min(*time_ms, oldest_ms_.value_or(*time_ms));
  }
  std::optional<std::int64_t> get() const { return never_ ? std::nullopt : oldest_ms_; }

 private:
  bool never_ = false;
  std::optional<std::int64_t> oldest_ms_;
};

}  // namespace

std::int64_t system_clock_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::int64_t steady_clock_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool is_own_organisation(const Settings& settings, const protocol::Party& party,
                         const protocol::Certificate& client_ca) {
  if (settings.organisation) return party.organisation == *settings.organisation;
  return party.organisation.organisation_key() == client_ca.key().bytes();
}

Answer Custodian::answer(const ipc::Call& call, const Interest& caller) {
  RequestId id{};
  system_random().fill(id);
  Answer answer{.reply = {.id = call.id, .error = std::nullopt, .request_id = to_hex(id), .body = {}},
                .chain = std::nullopt,
                .refused = std::nullopt};
  // The custodian's outer boundary: if the standard library throws for lack of memory, only this request
  // fails.
  try {
    if (const auto hangs = keeper_->hang(); hangs && needs_token(call.route)) {
      answer.reply.error = hangs->error;
      answer.reply.retry_after_seconds = static_cast<std::uint32_t>(hangs->next_probe.count());
      return answer;
    }
    auto outcome = take(call, id, caller);
    if (!outcome) {
      answer.reply.error = told(outcome.error());
      answer.refused = std::move(outcome).error();
      return answer;
    }
    answer.reply.body = std::move(outcome->body);
    answer.refused = std::move(outcome->refused);
    if (outcome->chain && outcome->chain->next() != nullptr) answer.chain = std::move(outcome->chain);
  } catch (const std::exception&) {
    answer.reply.error = Error(Code::unavailable, "out of memory");
  }
  return answer;
}

Result<Custodian::Outcome> Custodian::take(const ipc::Call& call, const RequestId& id,
                                           const Interest& caller) {
  const bool always = call.route == Route::health || call.route == Route::peer_state;
  if (auto newest = peers_.check(); !newest && !always) return std::move(newest).error();
  const Peer peer =
      Peer::of(call.peer_certificate, keys_, clients_, settings_.identity_certificate, settings_.now_ms());
  if (peer.is_agent() && call.route != Route::decrypt && call.route != Route::peer_state)
    return Error(Code::denied, "an agent's certificate is good for requests between agents only");
  if (call.route == Route::decrypt) return join(call, peer, id, caller);
  if (const auto operation = operation_of(call.route))
    return serve({.request = call.body,
                  .key_id = call.subject,
                  .operation = operation,
                  .peer = peer,
                  .certificate = protocol::sha256(call.peer_certificate),
                  .caller = caller},
                 id);
  auto body = peer.invitation() && !for_invitations(call.route)
                  ? Error(Code::denied, "an invitation's certificate is good for ceremonies only")
                  : route(call, peer);
  if (body) return Outcome{.body = *std::move(body)};
  // A missing list is not a refusal.
  const bool own_list = (call.route == Route::client_list_get || call.route == Route::key_list_get) &&
                        body.error().code() == Code::not_found && peer.may_read(call.subject);
  if (own_list) return std::move(body).error();
  return refuse(call, peer, id, std::move(body).error());
}

Result<Bytes> Custodian::route(const ipc::Call& call, const Peer& peer) {
  if (call.route == Route::peer_state) return peers_.answer(call.body, call.peer_certificate);
  switch (call.route) {
    case Route::health:
      return health(peer);
    case Route::bundle:
      return bundle(call, peer);
    case Route::client_list_get:
      return get_client_list(call, peer);
    case Route::client_list_put:
      return put_client_list(call, peer);
    case Route::key_list_get:
      return get_key_list(call, peer);
    case Route::key_list_put:
      return put_key_list(call, peer);
    default:
      break;
  }
  if (call.route != Route::activate) return ceremonies_.answer(call, peer, settings_.now_ms());
  const auto bundle = protocol::Bundle::parse(call.body);
  const KeyPtr before = bundle ? keys_.active(bundle->key_id()) : nullptr;
  auto answer = ceremonies_.answer(call, peer, settings_.now_ms());
  if (!answer) return answer;
  if (bundle && went_on(before, keys_.active(bundle->key_id()))) drills_.expect_code(bundle->key_id());
  if (trust_changed_) trust_changed_();
  return answer;
}

Bytes Custodian::health(const Peer& peer) {
  return health_.report(facts([&](const Key& key) { return peer.may_read(key); }), settings_.now_ms());
}

Health::Facts Custodian::facts(const std::function<bool(const Key&)>& shown) {
  Health::Facts facts;
  const auto newest = peers_.check();
  if (!newest) facts.store = newest.error().message();
  if (const auto two = peers_.other_life().seen(); newest && two) facts.store = *two;
  const auto problem = store_->problem();
  if (problem) facts.store = problem->message();
  const auto unwritten = problem ? std::nullopt : store_->write_failure();
  if (unwritten && newest) facts.store = *unwritten;
  Oldest drill;
  Oldest parts;
  Oldest code;
  for (const auto& key : keys_.all_active()) {
    if (!shown(*key) || key->erased()) continue;
    ++facts.keys;
    drill.add(drills_.last_passed_ms(key->key_id()));
    const auto condition = conditions_.of(*key);
    if (key->sharing.recovery) {
      parts.add(condition.parts_verified_ms);
      code.add(condition.code_opened_ms);
      if (!condition.recovery.empty()) facts.recovery = condition.recovery;
    }
    if (!condition.contacts.empty()) facts.contacts = condition.contacts;
    if (condition.erasure_held) facts.held.push_back(to_hex(key->key_id()));
    if (!condition.erasure.empty()) facts.erasure = "key " + to_hex(key->key_id()) + ": " + condition.erasure;
    if (const auto use = uses_.of(key->key_id()))
      facts.uses.push_back({to_hex(key->key_id()), use->since_ms, use->failure});
    const auto fit = peers_.check(*key, Operation::partial_decrypt);
    if (facts.store == "ok" && !fit) facts.store = fit.error().message();
  }
  if (const std::string damage = log_.damage(); !damage.empty()) facts.log = damage;
  facts.backup = backup_.state();
  facts.last_drill_ms = drill.get();
  facts.parts_verified_ms = parts.get();
  facts.code_opened_ms = code.get();
  return facts;
}

Result<Bytes> Custodian::bundle(const ipc::Call& call, const Peer& peer) const {
  protocol::KeyId key_id{};
  const auto bytes = from_hex(call.subject);
  if (bytes && bytes->size() == key_id.size()) std::copy(bytes->begin(), bytes->end(), key_id.begin());
  const KeyPtr key = keys_.published(key_id);
  if (key != nullptr && peer.may_read(*key)) return key->bundle->encoded();
  return not_known("key", call.subject);
}

Result<Bytes> Custodian::get_client_list(const ipc::Call& call, const Peer& peer) const {
  const auto clients = clients_.of_tenant(call.subject);
  if (clients == nullptr || !peer.may_read_lists(call.subject))
    return not_known("a client list of tenant", "\"" + call.subject + "\"");
  return clients->encoded;
}

// The tenant's CA signed the list, so any peer of the tenant may bring it. The first list comes with the
// invitation.
Result<Bytes> Custodian::put_client_list(const ipc::Call& call, const Peer& peer) {
  const KeyPtr key = keys_.published_of_tenant(call.subject);
  if (key == nullptr || !peer.of_tenant(call.subject)) return not_known("tenant", "\"" + call.subject + "\"");
  if (auto taken = take_client_list(*store_, clients_, log_, *key, call.body, settings_.now_ms()); !taken)
    return std::move(taken).error();
  return receipt(protocol::ListKind::clients, call.body);
}

Result<Bytes> Custodian::get_key_list(const ipc::Call& call, const Peer& peer) const {
  const auto keys = key_lists_.of_tenant(call.subject);
  if (keys == nullptr || !peer.may_read_lists(call.subject))
    return not_known("a key list of tenant", "\"" + call.subject + "\"");
  return keys->encoded;
}

// As for client lists: the CA's signature decides.
Result<Bytes> Custodian::put_key_list(const ipc::Call& call, const Peer& peer) {
  const KeyPtr key = keys_.published_of_tenant(call.subject);
  if (key == nullptr || !peer.of_tenant(call.subject)) return not_known("tenant", "\"" + call.subject + "\"");
  const bool missed = peers_.had_newer_lists(call.subject);
  if (auto taken = take_key_list(*store_, key_lists_, log_, *key, call.body, settings_.now_ms(), missed);
      !taken)
    return std::move(taken).error();
  return receipt(protocol::ListKind::keys, call.body);
}

Bytes Custodian::receipt(protocol::ListKind kind, ByteView list) const {
  return protocol::encode_signature(protocol::sign_list_receipt(kind, list, keyring_.identity()));
}

ipc::Trust Custodian::trust() const {
  std::set<Bytes> authorities{settings_.identity_certificate.der()};
  std::set<Bytes> peers;
  for (const auto& key : keys_.all_published()) {
    authorities.insert(key->client_ca().der());
    if (key->state == KeyState::left) continue;
    const auto& parties = key->parameters()->parties;
    for (std::size_t i = 0; i < parties.size(); ++i)
      if (i != key->self && parties[i].is_agent()) peers.insert(parties[i].identity_certificate->der());
  }
  return {.authorities = {authorities.begin(), authorities.end()}, .peers = {peers.begin(), peers.end()}};
}

// Repeats the first step of a use: probing anything else would prove nothing. A hanging token is already
// probed (hsm/token_watch.h), and a rejected PIN is not tried again until its file changes.
void Custodian::look_again(std::int64_t now_ms) {
  if (keeper_->hang()) return;
  for (const KeyPtr& key : keys_.all_active()) {
    if (key->erased() || !uses_.take_due(key->key_id(), now_ms)) continue;
    for (const auto& [index, record] : key->shares)
      if (!keeper_->check(key->share_id(index), record, key->sharing.public_share(index)))
        break;  // the last use
  }
}

Status Custodian::erase() {
  const auto is_newest = [this](const Key& key) {
    return bool{peers_.check()} && bool{peers_.other_life().check()} && !peers_.had_newer_lists(key.tenant());
  };
  return erasure_.run(settings_.now_ms(), is_newest);
}

void Custodian::sweep() {
  const std::int64_t now = settings_.now_ms();
  keeper_->sweep();
  ceremonies_.sweep(now);
  handovers_.sweep(now);
  parts_checks_.run(now);
  refusals_.sweep(now);
  look_again(now);
  const auto erased = erase();
  not_erased_ = erased ? "" : erased.error().message();
  const auto cut = cuts_.look();
  not_cut_ = cut ? "" : cut.error().message();
  // A full disk is retried sooner, so that health reports it no longer than it lasts.
  const std::int64_t write_every_ms = store_->write_failure() ? kTryWriteEveryMs : kPruneEveryMs;
  if (const std::int64_t total = running_.total_ms(); total - counted_ms_ >= write_every_ms) {
    counted_ms_ = total;
    if (auto transaction = store_->begin(); transaction && running_.save(*transaction))
      static_cast<void>(transaction->commit());  // time that is not written only makes waits longer
  }
  if (now - pruned_ms_ < kPruneEveryMs) return;
  pruned_ms_ = now;
  // After a failure, the nonces stay until the next time.
  if (auto transaction = store_->begin();
      transaction && replay::prune(*transaction, now, running_.total_ms()))
    static_cast<void>(transaction->commit());
}

}  // namespace coprotect::agent::custodian
