#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "agent/custodian/announcements.h"
#include "agent/custodian/caps.h"
#include "agent/custodian/conditions.h"
#include "agent/custodian/contacts.h"
#include "agent/custodian/epoch_erasure.h"
#include "agent/custodian/identify.h"
#include "agent/custodian/log.h"
#include "agent/custodian/offers.h"
#include "agent/custodian/peers.h"
#include "agent/custodian/settings.h"
#include "hsm/plan_approvals.h"
#include "protocol/handover/deal.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// The side of an agent that holds a key when its shares are handed over to the next epoch (protocol/SPEC.md
// §13). Offers and plans are held only in memory. From PREPARED on, everything is in the store until the
// handover is activated or aborted; the current epoch continues to serve meanwhile. The previous epoch stays
// until all parties have acknowledged the new one. An agent confirms at most one handover to each epoch.
class Handovers {
 public:
  Handovers(const Settings& settings, const hsm::Keyring& keyring, hsm::ShareKeeper& keeper,
            const Offers& offers, Store& store, Keys& keys, const RunningTime& running, Log& log,
            EpochErasure& epochs, const Peers& peers, Contacts& contacts, const Conditions& conditions,
            Caps& caps)
      : settings_(settings),
        keyring_(keyring),
        keeper_(keeper),
        offers_(offers),
        store_(store),
        keys_(keys),
        log_(log),
        epochs_(epochs),
        peers_(peers),
        approvals_(settings.state(), keyring),
        announcements_(keyring, running),
        contacts_(contacts),
        conditions_(conditions),
        caps_(caps) {}

  // Call at start. Drops the plans that waited for the operator, because the offers behind them are lost.
  Status load(Transaction& transaction);

  // Answers an administrator's step, after the request was judged and recorded.
  Result<Bytes> answer(const Client& client, const protocol::HandoverBody& step, std::int64_t now_ms);
  // Drops the announcements that were not vetoed, when the store was rolled back. Returns their number. Takes
  // no lock of this object; the transaction holds the store's.
  Result<std::size_t> forget_announcements(Transaction& transaction);
  // Whether the client with this certificate key announced a change that may now be carried out. Takes no
  // lock of this object.
  bool may_begin_announced(const protocol::KeyId& key_id, const Digest& announcer, std::int64_t now_ms) const;
  // Code::limited if the key's bundle is so long, in bytes, that it must grow no further. Agents and clients
  // read at most 8 MiB. A change of holders may follow the last refresh.
  static Status check_length(std::size_t bundle, bool refresh);
  // Drops abandoned handovers. Retries undelivered notifications.
  void sweep(std::int64_t now_ms);

 private:
  using KeyId = protocol::KeyId;
  struct Caller {
    const Client& client;
    std::int64_t now_ms;
    const KeyId& key_id() const { return client.key->key_id(); }
    const std::string& uri() const { return client.identity.uri; }
  };
  // A handover that has begun and left nothing in the store yet.
  struct Running {
    std::string client;
    Digest client_key;  // SHA-256 of its certificate's
    protocol::Role role;
    ByteArray<32> nonce;
    protocol::HpkePrivateKey ceremony_key;
    std::optional<protocol::HandoverPlan> plan;
    std::vector<Bytes> deals;        // this agent's
    std::optional<Digest> proposed;  // the hash of the plan that the agent's operator is shown
    std::optional<protocol::Consent> consent;
    std::int64_t begun_ms;  // when the client first asked for an offer
    std::int64_t touched_ms;
  };

  // What a step asks the operator to judge. It is read and described before the lock is taken, so that nobody
  // waits for that, and judged again under the lock.
  struct Proposal {
    KeyPtr key;  // as of that time
    protocol::DealRequest request;
    std::string words;  // the text for the operator
    std::string news;   // in one line
  };
  struct Announced {
    KeyPtr key;
    protocol::Announcement what;
    std::string words;  // the future holders in one line; changes first
  };

  Result<Bytes> run(const Caller& caller, const protocol::HandoverBody& step);
  // handovers.cc
  Result<Bytes> status(const Caller& caller);
  // handover_policy.cc
  Result<Announced> read_announcement(const Caller& caller, ByteView payload) const;
  Result<Bytes> announce(const Caller& caller, Announced announced);
  // Notifies the contacts of an announcement until it is delivered.
  void tell_of(const Announcements::Place& place, std::string words);
  // Begins the waits of announcements that were delivered.
  void begin_waits(std::int64_t now_ms);
  Status begin_wait(Transaction& transaction, const KeyId& key_id, protocol::HandoverNotice notice,
                    std::int64_t now_ms);
  Result<Bytes> veto(const Caller& caller, ByteView payload);
  Status check_announced(const Caller& caller, const protocol::HandoverPlan& plan) const;
  Status check_over(const KeyId& key_id, const protocol::HandoverNotice& notice, std::int64_t now_ms) const;
  // handover_consent.cc
  Result<Proposal> read_proposal(const Caller& caller, ByteView payload) const;
  Result<Bytes> consent(const Caller& caller, const Proposal& proposal);
  Status propose(const Caller& caller, const protocol::HandoverPlan& plan, const Proposal& proposal,
                 Running& running);
  // Whether a recovery administrator's announcement decides on the plan instead of the operator.
  bool announcement_decides(const Caller& caller, const Key& key, const protocol::HandoverPlan& plan) const;
  // Until when this agent may deal under the plan. Code::limited names whose approval is missing.
  Result<std::int64_t> approved_until(const Caller& caller, const Key& key,
                                      const protocol::HandoverPlan& plan, ByteView recovery_proof) const;
  bool has_a_say(const Key& key, const protocol::HandoverPlan& plan) const;
  Status authorize(const Caller& caller, const Key& key, const protocol::HandoverPlan& plan,
                   const protocol::DealRequest& request) const;
  // handover_rounds.cc
  Result<Bytes> offer(const Caller& caller);
  Result<Bytes> deal(const Caller& caller, ByteView payload);
  Result<Bytes> prepare(const Caller& caller, ByteView payload);
  Status make_room(const Caller& caller, const Running& present) const;
  Status check_plan(const Key& key, const Running& running, const protocol::HandoverPlan& plan) const;
  Result<protocol::HandoverPlan> admit_plan(const Key& key, const Running& running,
                                            const protocol::DealRequest& request) const;
  Result<std::vector<Bytes>> deal_own_shares(const Key& key, const protocol::HandoverPlan& plan);
  // handover_states.cc
  Result<Bytes> activate(const Caller& caller, ByteView version);
  Result<Bytes> retire(const Caller& caller, ByteView payload);
  Result<Bytes> erased(const Caller& caller);
  Result<Bytes> resume(const Caller& caller, const Key& key,
                       const std::vector<protocol::Statement>& acknowledgements);
  Result<Bytes> leave(const Caller& caller, const Key& key, protocol::Bundle bundle);
  Result<Bytes> abort(const Caller& caller, ByteView payload);
  Status check_may_abort(const Caller& caller, const Key& key, const protocol::HandoverPlan& plan,
                         const std::vector<protocol::Statement>& voids) const;
  Result<Bytes> revert(const Caller& caller, const Key& key, const protocol::HandoverPlan& plan);

  Result<KeyPtr> active(const Caller& caller) const;
  // The key, if it is still in the epoch of `then`; Code::conflict otherwise.
  Result<KeyPtr> still_active(const Caller& caller, const KeyPtr& then) const;
  // Code::conflict unless the agent may still confirm or void a handover to the plan's epoch.
  Status check_undecided(const Key& key, const protocol::HandoverPlan::Fields& plan) const;
  void forget_running(const KeyId& key_id);
  // A change of the store and its log entry, in one durable step.
  using Change = std::function<Status(Transaction&)>;
  Status make_durable(const Caller& caller, const Change& change, std::string_view what);
  // The same, for rows of keys to write and rows to remove.
  Status replace_keys(const Caller& caller, const std::vector<KeyPtr>& put, const std::vector<KeyPtr>& remove,
                      std::string_view what);
  void notify(const Caller& caller, std::string event, std::string text);

  const Settings& settings_;
  const hsm::Keyring& keyring_;
  hsm::ShareKeeper& keeper_;
  const Offers& offers_;
  Store& store_;
  Keys& keys_;
  Log& log_;
  EpochErasure& epochs_;
  const Peers& peers_;
  hsm::PlanApprovals approvals_;
  Announcements announcements_;
  Contacts& contacts_;
  const Conditions& conditions_;
  Caps& caps_;
  std::mutex mutex_;
  std::map<KeyId, Running> running_;
};

// The future holders of the key and what changes, in one line.
std::string announced_words(const protocol::Parameters& now, const protocol::Announcement& what);
// The name of a handover's epoch in the log and in errors.
std::string handover_label(const protocol::HandoverPlan& plan);

}  // namespace coprotect::agent::custodian
