#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "hsm/share_keeper.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/invitation.h"

namespace coprotect::agent::custodian {

enum class KeyState : std::uint8_t { prepared = 2, active = 3, superseded = 4, left = 5 };

// A key in one epoch, as this agent holds it. Prepared: its share is durable, but the ceremony may still end
// without it. Active: it has a complete bundle and serves requests. Superseded: a newer epoch is active here,
// but not known to be active everywhere; it serves those who do not know the newer one. Left: other parties
// hold the key now; what is left is the bundle, which says who.
struct Key {
  KeyState state;
  protocol::InvitationId invitation;  // of the ceremony that made it, or of the last one that needed one
  protocol::Sharing sharing;
  std::optional<protocol::Bundle> bundle;  // up to this epoch; none if prepared
  Bytes preparation;                       // of a prepared key: what its bundle is to be made of (key_row.h)
  std::map<std::uint8_t, Bytes> shares;    // sealed, by index
  Bytes recovery_blob;                     // empty until stored
  Bytes recovery_parts;   // of this epoch, sealed (kept_parts.h); empty without a recovery party
  std::uint32_t decided;  // the newest epoch that was confirmed or voided here: no other handover to it is
  std::size_t self;       // this agent's position among the parties, unless it left

  const protocol::KeyId& key_id() const { return sharing.key_id; }
  const protocol::Sid& sid() const { return sharing.sid; }
  const std::string& tenant() const { return parameters()->tenant; }
  const protocol::Certificate& client_ca() const { return parameters()->client_ca; }
  const protocol::Parameters& parameters() const { return sharing.parameters; }
  std::uint32_t epoch() const { return sharing.epoch; }
  hsm::ShareId share_id(std::uint8_t index) const;
  // Whether its shares were erased because it was destroyed. Its row stays, so that nothing brings it back.
  bool erased() const { return state == KeyState::active && shares.empty(); }
};
// Key::self of an agent that left.
constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
using KeyPtr = std::shared_ptr<const Key>;

// All keys of this agent in all epochs, parsed and in memory, and their rows in the store. A row is under a
// MAC as a whole, since every column of it authorises something. Active keys of a tenant have one client CA:
// the first one's.
class Keys {
 public:
  explicit Keys(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads every row. Code::altered names a row whose MAC does not hold, or a key that is active twice: then
  // an older row was put back.
  Status load(Transaction& transaction);
  // Inserts or replaces; seen by others once the transaction is committed. Code::conflict for a tenant with
  // another client CA.
  Status put(Transaction& transaction, KeyPtr key);
  Status remove(Transaction& transaction, const Key& key);

  // Null if there is none. A key is active in one epoch at most, and prepared in one later one.
  KeyPtr active(const protocol::KeyId& key_id) const;
  KeyPtr prepared(const protocol::KeyId& key_id) const;
  // The key as it answers in this epoch: active, or superseded but not yet gone. Otherwise the active one.
  KeyPtr serving(const protocol::KeyId& key_id, std::uint32_t epoch) const;
  // Oldest first.
  std::vector<KeyPtr> superseded(const protocol::KeyId& key_id) const;
  // The key as this agent passed it on, if it holds no share of it any more.
  KeyPtr left(const protocol::KeyId& key_id) const;
  // What others are told of: the newest epoch that is active at all parties, as far as this agent knows.
  KeyPtr published(const protocol::KeyId& key_id) const;
  KeyPtr with_sid(const protocol::Sid& sid) const;
  // The newest one.
  KeyPtr of_invitation(const protocol::InvitationId& invitation) const;
  // A key of the tenant, active or left: whichever, for its client CA.
  KeyPtr of_tenant(std::string_view tenant) const;
  std::vector<KeyPtr> all_active() const;
  // Whatever state it is in, with a share.
  std::vector<KeyPtr> all_with_shares() const;
  // Active, superseded or left: all whose clients may come here.
  std::vector<KeyPtr> all_published() const;
  bool empty() const;
  // Code::conflict if the tenant has an active key under another client CA.
  Status check_authority(const std::string& tenant, const protocol::Certificate& client_ca) const;

  // Epochs that are to be erased (epoch_erasure.h): put() and remove() say so where they take the shares of
  // one.
  Result<std::vector<hsm::EpochId>> epochs_due(Transaction& transaction) const;
  Status epoch_is_erased(Transaction& transaction, const hsm::EpochId& epoch);
  // Whether there may be some since this was asked last, or since a start.
  bool take_epochs_due() { return epochs_due_.exchange(false); }
  void note_epochs_due() { epochs_due_ = true; }

 private:
  using Place = std::pair<protocol::KeyId, std::uint32_t>;
  bool has_shares(const Place& place) const;
  Status end_epoch(Transaction& transaction, const Place& place);
  // The newest epoch of those that fit.
  template <typename Predicate>
  KeyPtr find(Predicate predicate) const;
  KeyPtr in_state(const protocol::KeyId& key_id, KeyState state) const;
  std::vector<KeyPtr> all(bool (*fits)(KeyState)) const;

  const hsm::Keyring& keyring_;
  mutable std::shared_mutex mutex_;
  std::map<Place, KeyPtr> keys_;
  std::atomic<bool> epochs_due_{true};
};

}  // namespace coprotect::agent::custodian
