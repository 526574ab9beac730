#pragma once

#include <functional>
#include <memory>
#include <span>

#include "agent/custodian/caps.h"
#include "agent/custodian/ceremonies.h"
#include "agent/custodian/chain.h"
#include "agent/custodian/conditions.h"
#include "agent/custodian/drills.h"
#include "agent/custodian/erasure.h"
#include "agent/custodian/handovers.h"
#include "agent/custodian/health.h"
#include "agent/custodian/last_uses.h"
#include "agent/custodian/log_cuts.h"
#include "agent/custodian/newest_backup.h"
#include "agent/custodian/parts_checks.h"
#include "agent/custodian/peers.h"
#include "agent/custodian/record.h"
#include "agent/custodian/refusals.h"
#include "agent/custodian/running_time.h"
#include "agent/custodian/server_policy.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent::custodian {

// The answer to a call. If parties of a chain are still to be asked, the reply's body is the chain's final
// list; the carrier of the messages fills it in.
struct Answer {
  ipc::Reply reply;
  std::optional<Chain> chain;
  std::optional<Error> refused;  // why, if the reply words it differently or seals the refusal
};

// Judges, records and answers requests. All input comes from the front and is treated as hostile. Safe from
// several threads: threads take turns at the store, and run public-key operations in parallel.
class Custodian {
 public:
  // Opens and checks the store in `settings.state()`. Code::altered if the log, or a row that authorises, is
  // not what this agent wrote.
  static Result<std::unique_ptr<Custodian>> open(Settings settings, hsm::Keyring keyring,
                                                 std::unique_ptr<hsm::ShareKeeper> keeper);

  // The same of a copy of the store, for looking at: store, token and files stay as they are. It answers
  // nobody, and must not be swept.
  static Result<std::unique_ptr<Custodian>> inspect(Settings settings, hsm::Keyring keyring,
                                                    std::unique_ptr<hsm::ShareKeeper> keeper);

  // If the caller disconnects or its time is over, a request that opens files or derives stops before its
  // next item.
  Answer answer(const ipc::Call& call, const Interest& caller = Interest());
  // Today's use of each daily cap. Code::unavailable if the store cannot be used.
  Result<std::vector<LimitUse>> cap_uses() const;
  // Replaces the daily caps. Code::unavailable if the store cannot be used.
  Status use(const RequestCaps& caps);
  // The issuers that TLS may accept: the tenants' CAs; the agent's own, for invitations; and for chained
  // requests the other parties of active keys.
  ipc::Trust trust() const;
  // The other agents, and what they remember of this one (peers.h).
  Peers& peers() { return peers_; }
  // Called after a key becomes active, from the thread that answers. Set before the first call.
  void on_trust_change(std::function<void()> changed) { trust_changed_ = std::move(changed); }
  // Removes what has expired: held shares, ceremonies, nonces, destroyed keys' shares. Call once a second.
  void sweep();
  // What the last sweep could not erase, and why; empty if nothing failed. Call from the sweeping thread.
  const std::string& not_erased() const { return not_erased_; }

  // What the operator must know about the token although it answers; may be empty.
  std::string token_notice() const { return keeper_->token_notice(); }
  // Why the log was not cut as the operator asked; otherwise as not_erased().
  const std::string& not_cut() const { return not_cut_; }

  // Which log entries are damaged, and how to repair them; empty if none are.
  std::string damage() const { return log_.damage(); }

  // What the operator is shown, as JSON, with these uses of limits (custodian_overview.cc). No secret.
  std::string overview(std::span<const LimitUse> limits);
  // Whether something was sealed with the token, as far as the store knows.
  Result<hsm::Sealed> sealed_before();
  // The time of the log's newest entry; none while it is empty. Code::unavailable if the store cannot be
  // used.
  Result<std::optional<std::int64_t>> newest_entry_ms();

  // For tests that fill the disk.
  Store& store() { return *store_; }

 private:
  Custodian(Settings settings, hsm::Keyring keyring, std::unique_ptr<hsm::ShareKeeper> keeper,
            std::unique_ptr<Store> store);
  Status load();
  Status begin_store();

  // The outcome of a call that was judged.
  struct Outcome {
    Bytes body;
    std::optional<Error> refused = std::nullopt;  // as in Answer
    std::optional<Chain> chain = std::nullopt;
  };
  Result<Outcome> take(const ipc::Call& call, const RequestId& id, const Interest& caller);
  // Calls that no client signs.
  Result<Bytes> route(const ipc::Call& call, const Peer& peer);
  // A client's request that other agents shall answer, too.
  Result<Outcome> join(const ipc::Call& call, const Peer& peer, const RequestId& id, const Interest& caller);
  // A signed request, its destination and its sender.
  struct Asked {
    ByteView request;
    std::string_view key_id;                       // from the path
    std::optional<protocol::Operation> operation;  // none: any operation answered with partial decryptions
    const Peer& peer;
    Digest certificate;  // SHA-256 of the peer's
    const Interest& caller;
  };
  // The key and audience of a request, once they are known and it is not a replay.
  struct Known {
    KeyPtr key;
    std::vector<protocol::PublicKeyBytes> audience;
  };
  // Clients' requests, signed and recorded. The body is a sealed reply: an answer or a refusal. An error if
  // no valid signature says to whom to seal it.
  Result<Outcome> serve(const Asked& asked, const RequestId& id, std::optional<Known>* known = nullptr);
  // The plaintext of the answer, after its result was recorded. Does not record refusals before admission.
  Result<Secret> judge(protocol::SignedRequest::Envelope envelope, const Asked& asked, Record& story,
                       std::optional<Known>* known, bool& admitted);
  Result<Secret> compute(const Client& client, const protocol::SignedRequest& request,
                         std::span<const Decision> decisions, const Interest& caller);
  Result<Secret> hand_over(const Client& client, const protocol::HandoverBody& step);
  // Code::denied for the recovery parts of a disabled key, until an announced change of holders may begin.
  Status check_parts_of_disabled(const Client& client, std::int64_t now_ms) const;
  Status look_for_replay(const Client& client, const protocol::Request& request, std::int64_t now_ms);
  Status admit(const Client& client, const protocol::Request& request, const protocol::LogEntry& intent);
  Status record(protocol::LogEntry entry);
  // Records the refusal if it is known in whose log it belongs. Returns what to answer.
  Error refuse(const Record& story, Error why);
  // The same for a call that no client signed.
  Error refuse(const ipc::Call& call, const Peer& peer, const RequestId& id, Error why);
  // Public information, for those whom it concerns.
  Result<Bytes> bundle(const ipc::Call& call, const Peer& peer) const;
  Result<Bytes> get_client_list(const ipc::Call& call, const Peer& peer) const;
  Result<Bytes> put_client_list(const ipc::Call& call, const Peer& peer);
  Result<Bytes> get_key_list(const ipc::Call& call, const Peer& peer) const;
  Result<Bytes> put_key_list(const ipc::Call& call, const Peer& peer);
  Bytes receipt(protocol::ListKind kind, ByteView list) const;
  Bytes health(const Peer& peer);
  // Of the active keys that `shown` accepts.
  Health::Facts facts(const std::function<bool(const Key&)>& shown);
  // Erases what is due.
  Status erase();
  // Checks whether keys whose last use failed work again.
  void look_again(std::int64_t now_ms);

  Settings settings_;
  hsm::Keyring keyring_;
  LastUses uses_;
  std::unique_ptr<hsm::ShareKeeper> keeper_;
  std::unique_ptr<Store> store_;
  RunningTime running_;
  DueEpochs due_;
  Keys keys_;
  Log log_;
  Contacts contacts_;
  HeldErasures held_;
  ClientLists clients_;
  KeyLists key_lists_;
  Peers peers_;
  ServerPolicy server_policy_;
  Caps caps_;
  NewestBackup backup_;
  Refusals refusals_;
  Drills drills_;
  Offers offers_;
  EpochErasure epochs_;
  PartsChecks parts_checks_;
  Conditions conditions_;
  Ceremonies ceremonies_;
  Handovers handovers_;
  LogCuts cuts_;
  Erasure erasure_;
  Health health_;
  std::function<void()> trust_changed_;
  std::string not_erased_;
  std::string not_cut_;
  std::int64_t pruned_ms_ = 0;   // of the wall clock
  std::int64_t counted_ms_ = 0;  // of the running time
};

}  // namespace coprotect::agent::custodian
