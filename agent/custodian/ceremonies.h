#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "agent/custodian/caps.h"
#include "agent/custodian/epoch_erasure.h"
#include "agent/custodian/identify.h"
#include "agent/custodian/invitations.h"
#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"
#include "agent/custodian/offers.h"
#include "agent/custodian/refusals.h"
#include "agent/custodian/settings.h"
#include "agent/ipc/messages.h"
#include "protocol/dkg/dealer.h"
#include "protocol/message/handover.h"
#include "protocol/message/onboarding.h"

namespace coprotect::agent::custodian {

// The step and ceremony of a call, as the log names it: "open", "deal of ceremony HEX".
std::string step_label(const ipc::Call& call);

// The agent's side of a key generation (protocol/SPEC.md §5), or of the handover in which it gets its first
// share of a key (§13.6). Offers and running dealers are held only in memory, one for each invitation: a
// crash before PREPARED leaves nothing behind. From PREPARED on, everything is in the store until the key is
// activated or aborted.
class Ceremonies {
 public:
  Ceremonies(const Settings& settings, const hsm::Keyring& keyring, hsm::ShareKeeper& keeper,
             const Offers& offers, Store& store, Keys& keys, const KeyLists& lists, Log& log,
             Refusals& refusals, EpochErasure& epochs, Caps& caps)
      : settings_(settings),
        keyring_(keyring),
        keeper_(keeper),
        offers_(offers),
        store_(store),
        keys_(keys),
        lists_(lists),
        log_(log),
        refusals_(refusals),
        epochs_(epochs),
        caps_(caps),
        invitations_(settings.state() / "invitations", keyring) {}

  // Answers any route of a ceremony. The peer must present the certificate of an invitation, and reaches only
  // that invitation's ceremony. For a spent invitation, it can read the status and the reply to its
  // activation.
  Result<Bytes> answer(const ipc::Call& call, const Peer& peer, std::int64_t now_ms);
  // Drops abandoned ceremonies.
  void sweep(std::int64_t now_ms);

 private:
  using InvitationId = protocol::InvitationId;
  struct Caller {
    InvitationId invitation;
    Digest certificate;  // SHA-256 of the TLS certificate
    std::int64_t now_ms;
    // Whether the message carries the invitation's MAC, or belongs to a ceremony that began with one. Until
    // then nothing is written to any tenant's log.
    mutable bool proved = false;
    // The tenant whose log that is, until a ceremony or key determines it: the invitation's tenant, or else
    // the tenant that the message names. Empty if neither is known.
    mutable std::string tenant = {};
    void name_tenant(const std::string& named) const {
      if (tenant.empty()) tenant = named;
    }
  };
  struct Offer {
    protocol::OpenMessage open;
    ByteArray<32> nonce;
    protocol::HpkePrivateKey ceremony_key;
    // Code::conflict unless the offer was made for this version of this key.
    Status check_is_for(const protocol::KeyId& key_id, const Digest& newest_hash) const;
  };
  struct Running {
    std::string tenant;
    std::optional<Offer> offer;              // until the parameters arrive
    std::optional<protocol::Dealer> dealer;  // from then on
    std::int64_t touched_ms;
  };

  // In memory only (ceremony_rounds.cc).
  Result<Bytes> open(const Caller& caller, ByteView body);
  Result<Bytes> parameters(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> reveal(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> deal(const Caller& caller, const protocol::Sid& sid, ByteView body);
  // For an agent that gets its first share of a key in a handover (ceremony_join.cc).
  Result<Bytes> confirm_again(const Key& prepared) const;
  Result<Bytes> join(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> void_join(const Caller& caller, const protocol::Sid& sid,
                          const protocol::VoidMessage& message, ByteView body);
  Status check_joins(const protocol::HandoverPlan& plan, const protocol::Bundle& before) const;
  // Durable (ceremony_states.cc).
  Result<Bytes> prepare(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> store_blob(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> activate(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> abort(const Caller& caller, const protocol::Sid& sid, ByteView body);
  Result<Bytes> status(const Caller& caller, ByteView body);

  Result<Bytes> run(const ipc::Call& call, const Caller& caller);
  // The caller's invitation, if the message names it and carries its MAC.
  Result<OwnInvitation> authenticate(const Caller& caller, const InvitationId& named, protocol::MacTag tag,
                                     ByteView message) const;
  Status check_own_party(const protocol::Parameters& parameters, const Offer& offer) const;
  Result<protocol::Dealer*> dealer_of(const Caller& caller, const protocol::Sid& sid);
  Result<KeyPtr> key_of(const Caller& caller, const protocol::Sid& sid) const;
  Result<std::map<std::uint8_t, Bytes>> seal_shares(const protocol::Dealer::Outcome& outcome);
  protocol::LogEntry entry(const Caller& caller, const std::string& tenant, std::string detail) const;
  // One durable step: writes the key's row and the step's log entry.
  Status make_durable(const Caller& caller, KeyPtr key, std::string what);
  // Removes a prepared key, and logs that.
  Status remove(const Caller& caller, const Key& prepared);
  // Code::limited once so many of the invitation's keys of today were aborted.
  Status check_aborts(const Caller& caller);
  void record_failure(const Caller& caller, const ipc::Call& call, const Error& error);
  // Whether its ceremony produced a key that is, or was, active.
  bool spent(const InvitationId& invitation) const;

  const Settings& settings_;
  const hsm::Keyring& keyring_;
  hsm::ShareKeeper& keeper_;
  const Offers& offers_;
  Store& store_;
  Keys& keys_;
  const KeyLists& lists_;
  Log& log_;
  Refusals& refusals_;
  EpochErasure& epochs_;
  Caps& caps_;
  Invitations invitations_;
  std::mutex mutex_;
  std::map<InvitationId, Running> running_;
};

}  // namespace coprotect::agent::custodian
