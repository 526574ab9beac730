#pragma once

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

// A question to one peer, on its way.
struct PeerQuestion {
  protocol::PublicKeyBytes peer;
  std::string name;  // of the party
  std::string url;
  Bytes identity_certificate;  // DER
  Bytes body;
};

// What a peer's answer came to.
struct PeerHeard {
  bool ask_again = false;           // at once: it has not kept this agent's newest state yet
  std::optional<std::string> news;  // what the operator should know
};

// Whether this store is the newest that this agent had (protocol/SPEC.md §11). The agent's peers, the other
// agents of its keys, remember how far it had come, in its own signed words, and it remembers the same of
// them. A store that is older than that serves nothing until it is caught up.
class Peers {
 public:
  Peers(const Settings& settings, const hsm::Keyring& keyring, Store& store, const Keys& keys,
        TenantLists lists, Log& log);
  Status load(Transaction& transaction);

  // Code::unavailable while the store may be an older one.
  Status check() const;
  // Code::unavailable if what this key is served with is known to be older than what the agent had. The log
  // is read without the key's share.
  Status check(const Key& key, protocol::Operation operation) const;
  // Whether another agent may run under this agent's identity: then nothing is erased.
  const OtherLife& other_life() const { return other_life_; }
  void suspect() { other_life_.suspect(); }
  // What this agent said of the key's epochs, and its store forgot (protocol/SPEC.md §11).
  protocol::PeerState::Said said(const protocol::KeyId& key_id) const { return floors_.said(key_id); }
  // Requests from before this time may have been answered by the store that was lost.
  std::int64_t requests_from_ms() const;

  // One question for each peer.
  Result<std::vector<PeerQuestion>> ask();
  // What it answered. Errors: it is not the peer's answer to this question, or says in this agent's name what
  // it never said, and nothing was learned; or the disk refuses, and nothing is served until it does not.
  Result<PeerHeard> heard(const PeerQuestion& asked, ByteView answer);
  // A peer's question, which came under this TLS certificate.
  Result<Bytes> answer(ByteView question, ByteView tls_certificate);
  // Who was heard, since the start, to remember this log up to this entry or beyond; and the name of an agent
  // that was not, if there is one.
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
  // Whether this agent had newer lists of the tenant, as peers remember, than its store has.
  bool had_newer_lists(const std::string& tenant) const;
  // Called in each transaction that says in the log that the store was put back: what waits in it begins
  // anew. How many things that were. To be set before the first question.
  using BeginAnew = std::function<Result<std::size_t>(Transaction&)>;
  void on_put_back(BeginAnew begin_anew) { begin_anew_ = std::move(begin_anew); }
  // The operator's word that no peer is left to ask about a store that was restored, or put back. False if it
  // was not, or peers have answered enough.
  Result<bool> accept_restored();

  // For the log while it is read.
  void visit(const protocol::LogEntry& entry);

 private:
  enum class Stage { current, restored, behind };
  struct Party {
    const protocol::Party* party;
    std::vector<KeyPtr> keys;  // that both hold
  };
  std::map<protocol::PublicKeyBytes, Party> parties() const;
  protocol::PeerState state_for(const Party& peer) const;
  void set_stage(Stage stage);

  // Goes on after what the peer remembers, if this store is older. What became of it.
  Result<std::optional<std::string>> catch_up(const protocol::PeerQuestion& remembered,
                                              const std::string& peer);
  // Whether this process has asked the peer before.
  bool asked_before(const protocol::PublicKeyBytes& peer) const;
  void note_remembered(const protocol::PeerQuestion& question);
  Status leave_marker(const std::string& peer, bool said);
  // A peer knows nothing new. Says in the log if that is enough to erase again.
  Status note_quiet();
  // Forgets what waits; what the log says of it, empty if nothing did.
  Result<std::string> begin_anew(Transaction& transaction) const;
  // Says in the log what became of the store, where nothing is known to be lost.
  Status note(std::string what);
  void take_lists(const std::vector<protocol::PeerAnswer::SignedList>& lists, const Party& peer);

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
  mutable std::mutex mutex_;  // guards all below
  Stage stage_ = Stage::current;
  std::int64_t requests_from_ms_ = 0;
  std::map<protocol::PublicKeyBytes, Digest> known_;  // the question that a peer keeps, as far as is known
  std::map<protocol::PublicKeyBytes, std::int64_t> heard_ms_;
  std::map<protocol::PublicKeyBytes, std::uint64_t>
      remembered_;  // the entry up to which it remembers this log
};

}  // namespace coprotect::agent::custodian
