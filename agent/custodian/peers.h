#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/custodian/floors.h"
#include "agent/custodian/log.h"
#include "agent/custodian/other_life.h"
#include "agent/custodian/peer_memory.h"
#include "agent/custodian/restored_marker.h"
#include "agent/custodian/settings.h"
#include "agent/ipc/messages.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// A question on its way to one peer.
struct PeerQuestion {
  protocol::PublicKeyBytes peer;
  std::string name;  // of the party
  std::string url;
  Bytes identity_certificate;  // DER
  Bytes body;
};

// The result of a peer's answer.
struct PeerHeard {
  bool ask_again = false;           // immediately: it has not stored this agent's newest state yet
  std::optional<std::string> news;  // what the operator should know
};

// Detects a store that is older than what this agent once had (protocol/SPEC.md §11). The agent's peers, the
// other agents of its keys, remember its latest state in its own signed words, and it remembers theirs. An
// older store serves nothing until the agent has caught up.
class Peers {
 public:
  Peers(const Settings& settings, const hsm::Keyring& keyring, Store& store, const Keys& keys,
        TenantLists lists, Log& log);
  Status load(Transaction& transaction);

  // Code::unavailable while the store may be an older one.
  Status check() const;
  // Code::unavailable if the agent is known to have had newer data than what this key is served with. Reading
  // the log does not use the key's share and is allowed.
  Status check(const Key& key, protocol::Operation operation) const;
  // Whether another agent may be running under this agent's identity: then nothing is erased.
  const OtherLife& other_life() const { return other_life_; }
  void suspect() { other_life_.suspect(); }
  // What this agent stated about the key's epochs and its store has lost (protocol/SPEC.md §11).
  protocol::PeerState::Said said(const protocol::KeyId& key_id) const { return floors_.said(key_id); }
  // The lost store may have answered requests from before this time.
  std::int64_t requests_from_ms() const;

  // One question for each peer.
  Result<std::vector<PeerQuestion>> ask();
  // Processes the peer's answer. Returns an error if it does not answer this question, or states in this
  // agent's name something it never said; then nothing was learned. Also returns an error if the disk cannot
  // be written; then nothing is served until it can.
  Result<PeerHeard> heard(const PeerQuestion& asked, ByteView answer);
  // Answers a peer's question that came under this TLS certificate.
  Result<Bytes> answer(ByteView question, ByteView tls_certificate);
  // The agents that have shown, since the start, that they remember this log up to this entry or beyond; and
  // the name of one that has not, if any.
  struct Remembering {
    std::set<protocol::PublicKeyBytes> agents;
    std::string missing;
  };
  Remembering remember(std::uint64_t seq) const;
  // For the operator: when each peer last answered this agent or asked it, since the start.
  struct Contact {
    std::string name;
    std::string url;
    protocol::VerifyKey identity;
    std::optional<std::int64_t> heard_ms;
  };
  std::vector<Contact> contacts() const;
  // Whether peers remember that this agent had newer lists of the tenant than its store has.
  bool had_newer_lists(const std::string& tenant) const;
  // Called in each transaction that logs a rollback of the store: the waits in it begin again. Returns how
  // many did. Set before the first question.
  using BeginAnew = std::function<Result<std::size_t>(Transaction&)>;
  void on_put_back(BeginAnew begin_anew) { begin_anew_ = std::move(begin_anew); }
  // Accepts a restored or rolled-back store because the operator says that no peer is left to ask. False if
  // the store was neither, or peers have answered enough.
  Result<bool> accept_restored();

  // Call for each log entry at start.
  void visit(const protocol::LogEntry& entry);

 private:
  enum class Stage { current, restored, behind };
  struct Party {
    const protocol::Party* party;
    std::vector<KeyPtr> keys;  // held by both
  };
  std::map<protocol::PublicKeyBytes, Party> parties() const;
  protocol::PeerState state_for(const Party& peer) const;
  void set_stage(Stage stage);

  // Catches up to what the peer remembers, if this store is older. Returns what became of the store.
  Result<std::optional<std::string>> catch_up(const protocol::PeerQuestion& remembered,
                                              const std::string& peer);
  // Whether this process has asked the peer before.
  bool asked_before(const protocol::PublicKeyBytes& peer) const;
  void note_remembered(const protocol::PeerQuestion& question);
  Status leave_marker(const std::string& peer, bool said);
  // Call when a peer knows nothing new. Logs it if that is enough to resume erasures.
  Status note_quiet();
  // Restarts the waits. Returns the log's text about that; empty if nothing waited.
  Result<std::string> begin_anew(Transaction& transaction) const;
  // Logs what became of the store, when nothing is known to be lost.
  Status note(std::string what);
  void take_lists(const std::vector<protocol::PeerAnswer::SignedList>& lists, const Party& peer);
  // This agent's lists that are newer than those of who asks.
  std::vector<protocol::PeerAnswer::SignedList> lists_for(const protocol::PeerState& own,
                                                          const protocol::PeerState& theirs);

  const Settings& settings_;
  const hsm::Keyring& keyring_;
  Store& store_;
  const Keys& keys_;
  TenantLists lists_;
  Log& log_;
  Floors floors_;
  PeerMemory memory_;
  RestoredMarker marker_;
  OtherLife other_life_;
  BeginAnew begin_anew_;
  std::atomic<std::size_t> first_list_ = 0;  // of the next answer
  mutable std::mutex mutex_;                 // guards all below
  Stage stage_ = Stage::current;
  std::int64_t requests_from_ms_ = 0;
  std::map<protocol::PublicKeyBytes, Digest> known_;  // the question that each peer stores, as far as known
  std::map<protocol::PublicKeyBytes, std::int64_t> heard_ms_;
  std::map<protocol::PublicKeyBytes, std::uint64_t>
      remembered_;  // the last entry of this log that each remembers
};

}  // namespace coprotect::agent::custodian
