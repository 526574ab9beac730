#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <set>

#include "agent/custodian/custodian.h"
#include "agent/custodian/replay.h"
#include "agent/custodian/take_list.h"
#include "protocol/crypto/hash.h"

// How the custodian is opened, and what it answers besides the requests that clients sign.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::Operation;

constexpr std::int64_t kPruneEveryMs = 60'000;

// The operation of the signed requests that this route is for; none if it is for other messages.
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

// Where the certificate inside an invitation is heard.
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

Error not_known(std::string_view what, std::string_view which) {
  return {Code::not_found, std::string(what).append(" ").append(which).append(" is not known here")};
}

// Of several times the oldest; none if one of them is none.
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

Custodian::Custodian(Settings settings, hsm::Keyring keyring, std::unique_ptr<hsm::ShareKeeper> keeper,
                     std::unique_ptr<Store> store)
    : settings_(std::move(settings)),
      keyring_(std::move(keyring)),
      keeper_(std::move(keeper)),
      store_(std::move(store)),
      running_(keyring_, settings_.steady_ms),
      keys_(keyring_),
      clients_(keyring_),
      key_lists_(keyring_, keys_, running_, settings_.destroy_wait),
      log_(keyring_),
      peers_(settings_, keyring_, *store_, keys_, {clients_, key_lists_}, log_),
      server_policy_{.allow_recover = settings_.allow_recover, .derive = settings_.derive},
      caps_(settings_),
      refusals_(*store_, log_),
      offers_(keyring_, *keeper_),
      epochs_(settings_, *keeper_, *store_, keys_, key_lists_, log_),
      ceremonies_(settings_, keyring_, *keeper_, offers_, *store_, keys_, log_, epochs_),
      handovers_(settings_, keyring_, *keeper_, offers_, *store_, keys_, running_, log_, epochs_, peers_),
      erasure_(epochs_, *store_, keys_, key_lists_, log_),
      parts_checks_(keys_, *keeper_),
      health_(settings_.role, *keeper_) {}

Result<std::unique_ptr<Custodian>> Custodian::open(Settings settings, hsm::Keyring keyring,
                                                   std::unique_ptr<hsm::ShareKeeper> keeper) {
  auto store = Store::open(settings.state / "store.db");
  if (!store) return std::move(store).error();
  auto custodian = std::unique_ptr<Custodian>(
      new Custodian(std::move(settings), std::move(keyring), std::move(keeper), *std::move(store)));
  if (auto loaded = custodian->load(); !loaded) return std::move(loaded).error();
  const auto sealed = custodian->sealed_before();
  if (!sealed) return sealed.error();
  if (auto recovered = custodian->keeper_->recover(*sealed); !recovered) return std::move(recovered).error();
  static_cast<void>(custodian->erasure_.run(custodian->settings_.now_ms()));  // sweep() tries again
  return custodian;
}

// A row is there once its share was sealed, and stays, or is to be erased, until the share is.
Result<hsm::Sealed> Custodian::sealed_before() {
  if (!keys_.empty()) return hsm::Sealed::before;
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  const auto due = keys_.epochs_due(*transaction);
  if (!due) return due.error();
  return due->empty() ? hsm::Sealed::never : hsm::Sealed::before;
}

Status Custodian::load() {
  auto transaction = store_->begin();
  if (!transaction) return std::move(transaction).error();
  if (auto loaded = running_.load(*transaction); !loaded) return loaded;
  if (auto loaded = keys_.load(*transaction); !loaded) return loaded;
  if (auto loaded = clients_.load(*transaction, keys_); !loaded) return loaded;
  if (auto loaded = handovers_.load(*transaction); !loaded) return loaded;
  if (auto loaded = peers_.load(*transaction); !loaded) return loaded;
  if (auto loaded = key_lists_.load(*transaction); !loaded) return loaded;

  std::map<std::string, Digest> last_lists;  // by tenant, as the log has them
  std::map<std::string, Digest> last_key_lists;
  const auto visit = [&](const protocol::LogEntry& entry) {
    caps_.count(entry);
    drills_.count(entry);
    peers_.visit(entry);
    if (entry.kind == protocol::EntryKind::client_list)
      last_lists.insert_or_assign(entry.tenant, entry.request_hash);
    if (entry.kind == protocol::EntryKind::key_list)
      last_key_lists.insert_or_assign(entry.tenant, entry.request_hash);
  };
  if (auto loaded = log_.load(*transaction, visit); !loaded) return loaded;
  // Each of these was written in one transaction with an entry of the log: together they are older or newer,
  // never apart.
  if (!keys_.empty() && log_.last_seq() == 0) return Error(Code::altered, "the log was altered: it is gone");
  for (const auto& [tenant, hash] : last_lists) {
    const auto clients = clients_.of_tenant(tenant);
    if (clients == nullptr || protocol::sha256(clients->encoded) != hash)
      return Error(Code::altered,
                   "store: the client list of tenant \"" + tenant + "\" is not the last one in the log");
  }
  for (const auto& [tenant, hash] : last_key_lists) {
    const auto keys = key_lists_.of_tenant(tenant);
    if (keys == nullptr || protocol::sha256(keys->encoded) != hash)
      return Error(Code::altered,
                   "store: the key list of tenant \"" + tenant + "\" is not the last one in the log");
  }
  return transaction->commit();
}

Answer Custodian::answer(const ipc::Call& call) {
  RequestId id{};
  system_random().fill(id);
  Answer answer{.reply = {.id = call.id, .error = std::nullopt, .request_id = to_hex(id), .body = {}},
                .chain = std::nullopt,
                .refused = std::nullopt};
  // The boundary of the custodian: the standard library may throw for want of memory, and that costs the
  // request.
  try {
    auto outcome = take(call, id);
    if (!outcome) {
      answer.reply.error = std::move(outcome).error();
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

Result<Custodian::Outcome> Custodian::take(const ipc::Call& call, const RequestId& id) {
  const bool always = call.route == Route::health || call.route == Route::peer_state;
  if (auto newest = peers_.check(); !newest && !always) return std::move(newest).error();
  const Peer peer =
      Peer::of(call.peer_certificate, keys_, clients_, settings_.identity_certificate, settings_.now_ms());
  if (peer.is_agent() && call.route != Route::decrypt && call.route != Route::peer_state)
    return Error(Code::denied, "an agent's certificate is good for requests between agents only");
  if (call.route == Route::decrypt) return join(call, peer, id);
  if (const auto operation = operation_of(call.route))
    return serve({.request = call.body,
                  .key_id = call.subject,
                  .operation = operation,
                  .peer = peer,
                  .certificate = protocol::sha256(call.peer_certificate)},
                 id);
  auto body = peer.invitation() && !for_invitations(call.route)
                  ? Error(Code::denied, "an invitation's certificate is good for ceremonies only")
                  : route(call, peer);
  if (body) return Outcome{.body = *std::move(body)};
  // That there is no list yet is no refusal.
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
  if (bundle) count_code(before, keys_.active(bundle->key_id()));
  if (trust_changed_) trust_changed_();
  return answer;
}

Bytes Custodian::health(const Peer& peer) {
  Health::Facts facts;
  const auto newest = peers_.check();
  if (!newest) facts.store = newest.error().message();
  Oldest drill;
  Oldest parts;
  Oldest code;
  for (const auto& key : keys_.all_active()) {
    if (!peer.may_read(*key) || key->erased()) continue;
    ++facts.keys;
    drill.add(drills_.last_passed_ms(key->key_id()));
    if (const auto state = parts_checks_.of(*key)) {
      parts.add(state->verified_ms);
      code.add(drills_.code_opened_ms(key->key_id()));
      if (!state->problem.empty()) facts.recovery = state->problem;
      if (!clients_.recovery_enrolled(key->tenant()))
        facts.recovery = "nobody of tenant \"" + key->tenant() +
                         "\" is enrolled with role recovery: kit and code open nothing";
    }
    if (handovers_.contacts_fail(key->key_id()))
      facts.contacts = "the notification command failed: the contacts could not be told of a handover yet";
    const auto fit = peers_.check(*key, Operation::partial_decrypt);
    if (newest && !fit) facts.store = fit.error().message();
  }
  facts.last_drill_ms = drill.get();
  facts.parts_verified_ms = parts.get();
  facts.code_opened_ms = code.get();
  return health_.report(facts, settings_.now_ms());
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
  if (clients == nullptr || !peer.may_read(call.subject))
    return not_known("a client list of tenant", "\"" + call.subject + "\"");
  return clients->encoded;
}

// The tenant's CA has signed who is enrolled; whoever brings the list need only be of that tenant. The first
// one comes with the invitation.
Result<Bytes> Custodian::put_client_list(const ipc::Call& call, const Peer& peer) {
  const KeyPtr key = keys_.of_tenant(call.subject);
  if (key == nullptr || !peer.of_tenant(call.subject)) return not_known("tenant", "\"" + call.subject + "\"");
  if (auto taken =
          take_client_list(*store_, clients_, log_, *key, call.body, BroughtBy::client, settings_.now_ms());
      !taken)
    return std::move(taken).error();
  return Bytes{};
}

Result<Bytes> Custodian::get_key_list(const ipc::Call& call, const Peer& peer) const {
  const auto keys = key_lists_.of_tenant(call.subject);
  if (keys == nullptr || !peer.may_read(call.subject))
    return not_known("a key list of tenant", "\"" + call.subject + "\"");
  return keys->encoded;
}

// As with client lists: the CA's signature is what counts.
Result<Bytes> Custodian::put_key_list(const ipc::Call& call, const Peer& peer) {
  const KeyPtr key = keys_.of_tenant(call.subject);
  if (key == nullptr || !peer.of_tenant(call.subject)) return not_known("tenant", "\"" + call.subject + "\"");
  if (auto taken =
          take_key_list(*store_, key_lists_, log_, *key, call.body, BroughtBy::client, settings_.now_ms());
      !taken)
    return std::move(taken).error();
  return Bytes{};
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

void Custodian::sweep() {
  const std::int64_t now = settings_.now_ms();
  keeper_->sweep();
  ceremonies_.sweep(now);
  handovers_.sweep(now);
  parts_checks_.run(now);
  refusals_.sweep(now);
  const auto erased = erasure_.run(now);
  not_erased_ = erased ? "" : erased.error().message();
  if (const std::int64_t total = running_.total_ms(); total - counted_ms_ >= kPruneEveryMs) {
    counted_ms_ = total;
    if (auto transaction = store_->begin(); transaction && running_.save(*transaction))
      static_cast<void>(transaction->commit());  // what is not written makes waits longer
  }
  if (now - pruned_ms_ < kPruneEveryMs) return;
  pruned_ms_ = now;
  // A failure leaves nonces for the next time.
  if (auto transaction = store_->begin(); transaction && replay::prune(*transaction, now))
    static_cast<void>(transaction->commit());
}

}  // namespace coprotect::agent::custodian
