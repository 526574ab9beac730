#include "agent/custodian/peers.h"

#include <algorithm>
#include <functional>

#include "agent/custodian/record.h"
#include "agent/custodian/take_list.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogHead;
using protocol::PublicKeyBytes;

// Of the lists in an answer together: less than the relay takes, and more than the longest of them has.
constexpr std::size_t kMaxListsInAnswer = std::size_t{5} << 20;

bool same_state(const protocol::PeerState& a, const protocol::PeerState& b) {
  const bool heads = a.head.has_value() == b.head.has_value() && (!a.head || a.head->chain == b.head->chain);
  return heads && a.epochs == b.epochs && a.said == b.said && a.serials == b.serials;
}

// Whether `later` has all entries of `before` that still count, and none with a lower value.
template <typename Map, typename NotLess>
bool has_all(const Map& later, const Map& before, const Map& counting, NotLess not_less) {
  return std::ranges::all_of(before, [&](const auto& entry) {
    if (!counting.contains(entry.first)) return true;
    const auto found = later.find(entry.first);
    if (found == later.end()) return later.size() >= protocol::kMaxPeerKeys;  // it has room for no more
    return not_less(found->second, entry.second);
  });
}

// Whether an agent with state `before` now states no less about what `shared` names. A rolled-back store
// states less. A peer that replaced the older statement by it would forget how far the agent had come.
bool says_no_less(const protocol::PeerState& later, const protocol::PeerState& before,
                  const protocol::PeerState& shared) {
  if (before.head && (!later.head || later.head->seq < before.head->seq)) return false;
  return has_all(later.epochs, before.epochs, shared.epochs, std::greater_equal()) &&
         has_all(later.serials, before.serials, shared.serials, std::greater_equal()) &&
         has_all(later.said, before.said, shared.said, [](const auto& now, const auto& then) {
           return now.acknowledged >= then.acknowledged && now.decided >= then.decided;
         });
}

// The text about a rolled-back store, for the log entry and the operator. `forgotten` comes before the parts
// that may be long, since the log keeps only the beginning.
std::string story_of(const std::optional<LogHead>& lost, std::uint64_t last, const std::string& peer,
                     const std::string& forgotten, const protocol::PeerState& found, bool two) {
  std::string story = two ? "two agents of one identity run, and nothing is erased until one is stopped"
                          : "the store was put back to an older one";
  if (lost && lost->seq > last)
    story += ": entries " + std::to_string(last + 1) + ".." + std::to_string(lost->seq) +
             " are lost, which agent \"" + peer + "\" remembers";
  else if (lost)
    story += ": entries up to " + std::to_string(lost->seq) + " were others, which agent \"" + peer +
             "\" remembers";
  story += forgotten;
  for (const auto& [key_id, epoch] : found.epochs)
    story += "; key " + to_hex(key_id).substr(0, 16) + " was in epoch " + std::to_string(epoch);
  for (const auto& [key_id, said] : found.said)
    story += "; of key " + to_hex(key_id).substr(0, 16) + " epoch " + std::to_string(said.acknowledged) +
             " was acknowledged, " + std::to_string(said.decided) + " decided";
  for (const auto& [list, serial] : found.serials)
    story += "; a " + std::string(list_name(list.first)) + " had serial " + std::to_string(serial);
  return story;
}

}  // namespace

Peers::Peers(const Settings& settings, const hsm::Keyring& keyring, Store& store, const Keys& keys,
             TenantLists lists, Log& log)
    : settings_(settings),
      keyring_(keyring),
      store_(store),
      keys_(keys),
      lists_(lists),
      log_(log),
      floors_(keyring),
      memory_(keyring),
      marker_(settings.state()),
      other_life_(settings) {}

Status Peers::load(Transaction& transaction) {
  if (auto loaded = floors_.load(transaction); !loaded) return loaded;
  if (auto loaded = memory_.load(transaction); !loaded) return loaded;
  if (marker_.present()) {
    set_stage(Stage::restored);
    other_life_.suspect();
  }
  return Done{};
}

void Peers::visit(const protocol::LogEntry& entry) {
  other_life_.visit(entry);
  // The log predates the restore.
  if (marker_.present()) other_life_.suspect();
  const bool says_less = entry.operation == static_cast<std::uint8_t>(protocol::Recorded::cut_log) ||
                         entry.detail.starts_with(OtherLife::kGone);
  if (entry.kind == EntryKind::store && !says_less) requests_from_ms_ = entry.time_ms;
}

void Peers::set_stage(Stage stage) {
  const std::lock_guard lock(mutex_);
  stage_ = stage;
}

Status Peers::check() const {
  const std::lock_guard lock(mutex_);
  switch (stage_) {
    case Stage::current:
      return Done{};
    case Stage::restored:
      return Error(Code::unavailable,
                   "this agent's store was restored from a backup; it serves once another agent was heard");
    case Stage::behind:
      return Error(Code::unavailable, "this agent's store is older than one that it had before");
  }
  return Done{};
}

Status Peers::check(const Key& key, protocol::Operation operation) const {
  if (auto newest = floors_.check(key.tenant(), lists_); !newest) return newest;
  return operation == protocol::Operation::log ? Status(Done{}) : floors_.check(key);
}

std::int64_t Peers::requests_from_ms() const {
  const std::lock_guard lock(mutex_);
  return requests_from_ms_;
}

std::map<PublicKeyBytes, Peers::Party> Peers::parties() const {
  std::map<PublicKeyBytes, Party> peers;
  for (const KeyPtr& key : keys_.all_active()) {
    const auto& parties = key->parameters()->parties;
    for (std::size_t i = 0; i < parties.size(); ++i) {
      if (i == key->self || !parties[i].is_agent()) continue;
      Party& peer = peers[parties[i].identity_key.bytes()];
      peer.party = &parties[i];
      peer.keys.push_back(key);
    }
  }
  return peers;
}

// A peer learns nothing of keys and tenants that it has no part in. For epochs, states what the agent once
// had, not what its store has: the peer remembers this statement, and a store may be rolled back again. For
// lists, states what the store has, so that the peer returns those that the store lost.
protocol::PeerState Peers::state_for(const Party& peer) const {
  protocol::PeerState state{.head = log_.head(), .epochs = {}, .said = {}, .serials = {}};
  for (const KeyPtr& key : peer.keys) {
    if (state.epochs.size() == protocol::kMaxPeerKeys) break;
    // Not an epoch that the agent may still have to revert.
    if (const KeyPtr settled = keys_.published(key->key_id())) {
      const protocol::PeerState::Said floor = floors_.said(key->key_id());
      state.epochs[key->key_id()] = std::max(settled->epoch(), floors_.epoch(key->key_id()));
      state.said[key->key_id()] = {
          .acknowledged = std::max(keys_.acknowledged(key->key_id()), floor.acknowledged),
          .decided = std::max(key->decided, floor.decided)};
    }
    for (const auto kind : protocol::kListKinds) {
      const protocol::PeerState::List list(kind, key->tenant());
      if (const auto serial = lists_.serial(list);
          serial > 0 && state.serials.size() < protocol::kMaxPeerKeys)
        state.serials[list] = serial;
    }
  }
  return state;
}

Result<std::vector<PeerQuestion>> Peers::ask() {
  auto transaction = store_.begin();  // guards the log's head
  if (!transaction) return std::move(transaction).error();
  std::vector<PeerQuestion> questions;
  for (const auto& [identity, peer] : parties()) {
    protocol::PeerQuestion question{.asker = keyring_.identity().public_key().bytes(),
                                    .asked = identity,
                                    .nonce = {},
                                    .known = {},
                                    .state = state_for(peer)};
    system_random().fill(question.nonce);
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = known_.find(identity); known != known_.end()) question.known = known->second;
    }
    questions.push_back({.peer = identity,
                         .name = peer.party->name,
                         .url = peer.party->url,
                         .identity_certificate = peer.party->identity_certificate->der(),
                         .body = question.sign(keyring_.identity())});
  }
  return questions;
}

Result<PeerHeard> Peers::heard(const PeerQuestion& asked, ByteView encoded) {
  auto answer = protocol::PeerAnswer::parse(encoded);
  if (!answer) return std::move(answer).error();
  if (answer->answerer != asked.peer || answer->question != protocol::sha256(asked.body))
    return Error(Code::unauthenticated, "its answer is not one to this question");
  const auto all = parties();
  const auto peer = all.find(asked.peer);
  if (peer == all.end()) return Error(Code::not_found, "it has no key with this agent any more");

  PeerHeard heard;
  auto question = protocol::PeerQuestion::parse(asked.body);
  invariant(static_cast<bool>(question));
  Digest known = protocol::sha256(asked.body);
  if (!answer->remembered.empty()) {
    // Only this agent's own statement, made to this peer, can stop it.
    const auto remembered = protocol::PeerQuestion::parse(answer->remembered);
    if (!remembered || remembered->asker != question->asker || remembered->asked != asked.peer)
      return Error(Code::bad_proof, "it remembers what this agent never said");
    auto news = catch_up(*remembered, asked.name);
    if (!news) return std::move(news).error();
    note_remembered(*remembered);
    heard.news = *std::move(news);
    const Digest kept = protocol::sha256(answer->remembered);
    heard.ask_again = kept != question->known;
    // A peer that was shown less than it remembers keeps what it remembers.
    if (heard.ask_again || same_state(remembered->state, question->state) ||
        !says_no_less(question->state, remembered->state, remembered->state))
      known = kept;
  }
  take_lists(answer->lists, peer->second);
  if (auto left = leave_marker(asked.name, heard.news.has_value()); !left) return std::move(left).error();
  if (!heard.news)
    if (auto noted = note_quiet(); !noted) return std::move(noted).error();
  const std::lock_guard lock(mutex_);
  known_[asked.peer] = known;
  heard_ms_[asked.peer] = settings_.now_ms();
  return heard;
}

void Peers::note_remembered(const protocol::PeerQuestion& question) {
  const std::lock_guard lock(mutex_);
  remembered_[question.asked] = question.state.head ? question.state.head->seq : 0;
}

std::vector<Peers::Contact> Peers::contacts() const {
  std::vector<Contact> found;
  const auto all = parties();
  const std::lock_guard lock(mutex_);
  for (const auto& [identity, peer] : all) {
    const auto heard = heard_ms_.find(identity);
    found.push_back({.name = peer.party->name,
                     .url = peer.party->url,
                     .identity = peer.party->identity_key,
                     .heard_ms = heard == heard_ms_.end() ? std::nullopt : std::optional(heard->second)});
  }
  return found;
}

Peers::Remembering Peers::remember(std::uint64_t seq) const {
  Remembering found;
  const auto all = parties();
  const std::lock_guard lock(mutex_);
  for (const auto& [identity, peer] : all) {
    const auto known = remembered_.find(identity);
    if (known != remembered_.end() && known->second >= seq)
      found.agents.insert(identity);
    else
      found.missing = peer.party->name;
  }
  return found;
}

Result<std::optional<std::string>> Peers::catch_up(const protocol::PeerQuestion& remembered,
                                                   const std::string& peer) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  const auto& head = remembered.state.head;
  auto known = head ? log_.accounts_for(*transaction, *head, remembered.asked) : Result<bool>(true);
  if (!known) return std::move(known).error();
  const auto found = floors_.above(remembered.state, keys_, lists_);
  if (*known && found.epochs.empty() && found.said.empty() && found.serials.empty())
    return std::optional<std::string>();

  set_stage(Stage::behind);
  const std::int64_t now = settings_.now_ms();
  const auto lost = *known ? std::nullopt : head;
  // A store has one process: since it last asked this peer, no other process has written in its name.
  const bool two = lost && asked_before(remembered.asked);
  other_life_.suspect(two ? std::optional(peer) : std::nullopt);
  const auto forgotten = begin_anew(*transaction);
  if (!forgotten) return forgotten.error();
  const std::string story = story_of(lost, log_.last_seq(), peer, *forgotten, found, two);
  auto entry = entry_of(EntryKind::store, std::string(protocol::kNoTenant), now);
  entry.detail = shortened(story);
  auto appended = lost ? log_.append_after(*transaction, std::move(entry), *lost)
                       : log_.append(*transaction, std::move(entry));
  if (!appended) return std::move(appended).error();
  if (auto raised = floors_.raise(*transaction, found); !raised) return std::move(raised).error();
  fault_point("before a store is caught up");
  if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  fault_point("after a store is caught up");
  const std::lock_guard lock(mutex_);
  requests_from_ms_ = now;
  stage_ = marker_.present() ? Stage::restored : Stage::current;
  return std::optional(story);
}

bool Peers::asked_before(const PublicKeyBytes& peer) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(peer);
}

Status Peers::note_quiet() {
  if (!other_life_.quiet()) return Done{};
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  auto entry = entry_of(EntryKind::store, std::string(protocol::kNoTenant), settings_.now_ms());
  entry.detail = OtherLife::kGone;
  if (auto appended = log_.append(*transaction, std::move(entry)); !appended) return appended;
  if (auto committed = transaction->commit(); !committed) return committed;
  other_life_.trust();
  return Done{};
}

// A peer was heard, so what is missing is known now. Entries that no peer knew of may still be missing, so
// the log states in any case that the store is a copy.
Status Peers::leave_marker(const std::string& peer, bool said) {
  {
    const std::lock_guard lock(mutex_);
    if (stage_ == Stage::current) return Done{};
  }
  if (!said) {
    other_life_.suspect();
    auto noted = note("the store was restored from a backup; agent \"" + peer + "\" was heard");
    if (!noted) return noted;
  }
  if (auto removed = marker_.remove(); !removed) return removed;
  set_stage(Stage::current);
  return Done{};
}

// The lost entries may contain a veto, or the time when the contacts learned of an announcement.
Result<std::string> Peers::begin_anew(Transaction& transaction) const {
  if (!begin_anew_) return std::string();
  const auto count = begin_anew_(transaction);
  if (!count) return count.error();
  if (*count == 0) return std::string();
  return "; announcements that are forgotten, and may be made again: " + std::to_string(*count);
}

Status Peers::note(std::string what) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  const std::int64_t now = settings_.now_ms();
  auto entry = entry_of(EntryKind::store, std::string(protocol::kNoTenant), now);
  const auto forgotten = begin_anew(*transaction);
  if (!forgotten) return forgotten.error();
  entry.detail = std::move(what) + *forgotten;
  if (auto appended = log_.append(*transaction, std::move(entry)); !appended) return appended;
  if (auto committed = transaction->commit(); !committed) return committed;
  const std::lock_guard lock(mutex_);
  requests_from_ms_ = now;
  return Done{};
}

bool Peers::had_newer_lists(const std::string& tenant) const {
  return !floors_.check(tenant, lists_);
}

// If a list is malformed or not newer, the current one stays in force.
void Peers::take_lists(const std::vector<protocol::PeerAnswer::SignedList>& lists, const Party& peer) {
  for (const auto& list : lists)
    for (const KeyPtr& key : peer.keys)
      if (take_list(list.kind, store_, lists_, log_, *key, list.list, settings_.now_ms())) break;
}

// As many as fit into an answer, and from another one on each time: whoever asks may refuse the same ones
// again and again.
std::vector<protocol::PeerAnswer::SignedList> Peers::lists_for(const protocol::PeerState& own,
                                                               const protocol::PeerState& theirs) {
  std::vector<protocol::PeerState::List> newer;
  for (const auto& [list, serial] : own.serials)
    if (const auto known = theirs.serials.find(list); known == theirs.serials.end() || known->second < serial)
      newer.push_back(list);
  if (newer.empty()) return {};
  std::ranges::rotate(newer, newer.begin() + static_cast<std::ptrdiff_t>(first_list_++ % newer.size()));
  std::vector<protocol::PeerAnswer::SignedList> lists;
  std::size_t size = 0;
  for (const auto& list : newer) {
    Bytes encoded = lists_.encoded(list);
    if (encoded.empty() || size + encoded.size() > kMaxListsInAnswer) continue;
    size += encoded.size();
    lists.push_back({.kind = list.first, .list = std::move(encoded)});
  }
  return lists;
}

Result<Bytes> Peers::answer(ByteView encoded, ByteView tls_certificate) {
  auto question = protocol::PeerQuestion::parse(encoded);
  if (!question) return std::move(question).error();
  const auto& self = keyring_.identity().public_key().bytes();
  const auto all = parties();
  const auto peer = all.find(question->asker);
  if (peer == all.end())
    return Error(Code::denied, "the question is of an agent that has no key with this one");
  if (question->asked != self) return Error(Code::denied, "the question is for another agent");
  const auto shown = protocol::Certificate::parse_der(tls_certificate);
  if (!shown || !protocol::verify_client_chain(std::span(&*shown, 1),
                                               *peer->second.party->identity_certificate, settings_.now_ms()))
    return Error(Code::denied, "the question did not come from the agent that signed it");
  {
    const std::lock_guard lock(mutex_);
    heard_ms_[question->asker] = settings_.now_ms();
  }

  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  const auto own = state_for(peer->second);
  protocol::PeerAnswer answer{.answerer = self,
                              .question = protocol::sha256(encoded),
                              .remembered = memory_.of(question->asker),
                              .lists = {}};
  // The peer must first see what it does not know of: a newer statement in place of one that it lost would
  // hide that.
  const auto kept = protocol::PeerQuestion::parse(answer.remembered);
  const bool seen = !kept || question->known == protocol::sha256(answer.remembered);
  protocol::PeerState shared = own;
  for (const KeyPtr& key : peer->second.keys)
    for (const auto kind : protocol::kListKinds) shared.serials.try_emplace({kind, key->tenant()}, 0);
  const bool more = !kept || (!same_state(kept->state, question->state) &&
                              says_no_less(question->state, kept->state, shared));
  if (seen && more) {
    if (auto put = memory_.put(*transaction, question->asker, Bytes(encoded.begin(), encoded.end())); !put)
      return std::move(put).error();
    if (auto committed = transaction->commit(); !committed) return std::move(committed).error();
  }
  answer.lists = lists_for(own, question->state);
  return answer.sign(keyring_.identity());
}

Result<bool> Peers::accept_restored() {
  if (!marker_.present() && !other_life_.suspected()) return false;
  auto noted = note(std::string(OtherLife::kAccepted));
  if (!noted) return std::move(noted).error();
  if (auto removed = marker_.remove(); !removed) return std::move(removed).error();
  other_life_.trust();
  set_stage(Stage::current);
  return true;
}

}  // namespace coprotect::agent::custodian
